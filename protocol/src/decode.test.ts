import { describe, expect, test } from 'vitest'
import { requests } from './catalogue.ts'
import { decode } from './decode.ts'

const refused = (text: string) => {
  const decoded = decode(text)
  if (decoded.type !== 'refusal') throw new Error(`${text} was accepted`)
  return `${decoded.code}: ${decoded.text}`
}

describe('[P1] every request of the catalogue', () => {
  test.each(Object.entries(requests))('%s decodes to its example', (_type, { example }) => {
    expect(decode(JSON.stringify(example))).toEqual(example)
  })

  test.each(Object.entries(requests))(
    '%s names each field that is missing or wrong',
    (_type, { example }) => {
      for (const field of Object.keys(example).filter(key => key !== 'type')) {
        expect(refused(JSON.stringify({ ...example, [field]: undefined }))).toContain(`"${field}" is missing`)
        for (const wrong of [null, true, [], {}, '', 1.5]) {
          expect(refused(JSON.stringify({ ...example, [field]: wrong }))).toContain(`"${field}" must be`)
        }
      }
    },
  )
})

test('[P2] unknown keys are ignored and never reach the service', () => {
  const text = '{"type":"set_status","status":"online","userId":"somebody else","__proto__":{"x":1}}'
  expect(decode(text)).toEqual({ type: 'set_status', status: 'online' })
})

test('[P3] a whole number is taken as the id it spells; other numbers are refused', () => {
  const check = (id: string) => decode(`{"type":"check_user_status","targetUserId":${id}}`)
  expect(check('123')).toEqual({ type: 'check_user_status', targetUserId: '123' })
  expect(check('-7')).toEqual({ type: 'check_user_status', targetUserId: '-7' })
  for (const id of ['1.5', '9007199254740993', '1e400', '-1e400']) expect(check(id).type).toBe('refusal')
})

test('[P4] what is not JSON, not an object, too deep or of an unknown type is refused by name', () => {
  expect(refused('{')).toBe('bad_json: the message is not JSON')
  expect(refused('')).toMatch(/^bad_json/)
  expect(refused('[]')).toMatch(/^bad_message: the message must be a JSON object/)
  expect(refused('null')).toMatch(/^bad_message/)
  expect(refused('{}')).toBe('bad_message: "type" is missing')
  expect(refused('{"type":1}')).toBe('bad_message: "type" must be a string')
  expect(refused('{"type":"constructor"}')).toMatch(/^unknown_type: "type" is "constructor"; known types are/)
  expect(refused(`{"type":"${'x'.repeat(500)}"}`).length).toBeLessThan(250)
  expect(refused(`{"type":"identify","username":"a","x":[[[[]]]]}`)).toMatch(/nested deeper than 4/)
  expect(refused('['.repeat(10_000))).toMatch(/^bad_json/)
  expect(refused(`{"type":"get_all_users","x":${'['.repeat(10_000)}${']'.repeat(10_000)}}`)).toMatch(/deeper/)
})

test('[P5] names are 1 to 128 UTF-8 bytes, well-formed, without control characters', () => {
  const name = (username: string) => decode(JSON.stringify({ type: 'identify', username })).type
  for (const good of ['a', '__proto__', 'constructor', '👩‍👩‍👧', '\u2028', 'ä'.repeat(64), 'x'.repeat(128)]) {
    expect(name(good)).toBe('identify')
  }
  for (const bad of ['', 'x'.repeat(129), 'ä'.repeat(65), '\u0000', 'a\nb', '\u007f', '\u0085', '\ud800']) {
    expect(name(bad)).toBe('refusal')
  }
})
