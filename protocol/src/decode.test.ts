import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { catalogue, type ProtocolVersion } from './catalogue.ts'
import { decode } from './decode.ts'
import { MAX_USER_IDS } from './words.ts'

const refused = (text: string, version: ProtocolVersion = 'v1') => {
  const decoded = decode(text, version)
  if (decoded.type !== 'refusal') throw new Error(`${text} was accepted`)
  return `${decoded.code}: ${decoded.text}`
}

/** Fields that accept any short string. */
const ANY_STRING: ReadonlySet<string> = new Set(['id', 'cursor'])

const requests = (['v1', 'v2'] as const).flatMap(version =>
  Object.entries(catalogue[version].requests).map(([type, entry]) => [version, type, entry] as const),
)

describe('[P1] every request of the catalogue', () => {
  test.each(requests)('%s %s decodes to its example', (version, _type, { example }) => {
    expect(decode(JSON.stringify(example), version)).toEqual(example)
  })

  test.each(requests)('%s %s names each field that is missing or wrong', (version, _type, entry) => {
    const required = (entry.schema as { required?: string[] }).required ?? []
    for (const field of Object.keys(entry.example).filter(key => key !== 'type')) {
      if (required.includes(field)) {
        expect(refused(JSON.stringify({ ...entry.example, [field]: undefined }), version)).toContain(
          `"${field}" is missing`,
        )
      }
      for (const wrong of [
        ...(required.includes(field) ? [null] : []),
        true,
        ...(field === 'userIds' ? [] : [[]]),
        {},
        1.5,
        ...(ANY_STRING.has(field) ? [] : ['\n']),
      ]) {
        const answer = refused(JSON.stringify({ ...entry.example, [field]: wrong }), version)
        expect(answer).toMatch(new RegExp(`"${field}("|\\.|\\[).* (must be|is missing)`))
      }
    }
  })
})

test('[P1 R19] an idle device has no time for which it is active', () => {
  const activity = (fields: object): string =>
    refused(JSON.stringify({ type: 'set_activity', ...fields }), 'v2')
  expect(activity({ state: 'idle', forMs: 10_000 })).toContain(
    '"forMs" must not be combined with "state": "idle"',
  )
  for (const forMs of [9_999, 3_600_001, '10000']) {
    expect(activity({ state: 'active', forMs })).toContain(
      '"forMs" must be a number of milliseconds from 10000 to 3600000',
    )
  }
})

describe('[P1] an error of v2 names the innermost field that is wrong', () => {
  test.each([
    [{ userIds: ['a', 'b', '', 'd'] }, '"userIds[2]" must be a string of 1 to 128'],
    [{ userIds: Array(MAX_USER_IDS + 1).fill('a') }, '"userIds" must be a list of at most 1000 user ids'],
    [{ userIds: ['a'], since: { epoch: 'e' } }, '"since.seq" is missing; it must be a whole number'],
    [{ userIds: ['a'], since: { epoch: 'e', seq: -1 } }, '"since.seq" must be a whole number'],
    [{ userIds: ['a'], since: { epoch: 7, seq: 1 } }, '"since.epoch" must be a string'],
    [{ all: false }, '"all" must be true'],
    [{ userIds: Array(MAX_USER_IDS + 1).fill('') }, '"userIds" must be a list of at most 1000 user ids'],
    [{ userIds: 'ann' }, '"userIds" must be a list of at most 1000 user ids'],
    [{ userIds: ['a'], since: 'e' }, '"since" must be an object with "epoch" and "seq"'],
    [{ userIds: ['a'], since: { epoch: null, seq: 1 } }, '"since.epoch" must be a string'],
    [{ userIds: ['a'], since: { epoch: 'e', seq: null } }, '"since.seq" must be a whole number'],
    [{ userIds: [null] }, '"userIds[0]" must be a string of 1 to 128'],
    [{ userIds: null }, '"subscribe" needs exactly one of "userIds", "all" and "count"'],
    [{ userIds: null, all: null, count: null }, '"subscribe" needs exactly one of'],
    [{ userIds: ['a'], all: true, count: null }, '"subscribe" needs exactly one of'],
    [
      { userIds: ['a'], since: { epoch: 'x'.repeat(65), seq: 1 } },
      '"since.epoch" must be a string of at most 64',
    ],
    [{ userIds: ['a'], since: { epoch: 'e', seq: 2 ** 53 } }, '"since.seq" must be a whole number'],
    [{ userIds: ['\ud800'] }, '"userIds[0]" must be a string of 1 to 128'],
    [{ userIds: [1, 1.5] }, '"userIds[1]" must be a string of 1 to 128'],
    [{ count: 1 }, '"count" must be true'],
    [{}, '"subscribe" needs exactly one of "userIds", "all" and "count"'],
    [{ all: true, count: true }, '"subscribe" needs exactly one of "userIds", "all" and "count"'],
    [{ userIds: ['a'], all: true }, '"subscribe" needs exactly one of "userIds", "all" and "count"'],
    [
      { count: true, since: { epoch: 'e', seq: 1 } },
      '"since" must not be combined with "count": it needs "userIds" or "all"',
    ],
    [
      { all: true, id: 'x'.repeat(129) },
      '"id" must be a string of at most 128 characters, or a whole number from -9007199254740991 to 9007199254740991',
    ],
  ])('%j', (fields, problem) => {
    expect(refused(JSON.stringify({ type: 'subscribe', ...fields }), 'v2')).toContain(problem)
  })

  test.each([
    ['text', 'x'.repeat(129)],
    ['text', 'a\u0000b'],
    ['text', '\ud800'],
    ['expiresAt', 'tomorrow'],
    ['expiresAt', '2026-02-30'],
    ['expiresAt', '2026-02-30T00:00:00Z'],
    ['expiresAt', '2026-01-01t00:00:00z'],
    ['expiresAt', '2026-01-01 00:00:00Z'],
    ['expiresAt', '2026-01-01T24:00:00Z'],
    ['expiresAt', '2026-12-31T23:59:60Z'],
    ['expiresAt', '2026-01-01T00:00:00+99:99'],
    ['expiresAt', 1_767_225_600_000],
    ['expiresAt', '2026-13-01T00:00:00Z'],
    ['expiresAt', '9999-12-31T23:59:59-14:00'],
    ['expiresAt', '9999-12-31T23:00:00-01:00'],
    ['expiresAt', '2026-01-01T00:00:00'],
  ])('%s: %j', (field, wrong) => {
    const text = JSON.stringify({ type: 'set_status', status: 'busy', [field]: wrong, id: 'me' })
    expect(refused(text, 'v2')).toContain(`"${field}" must be`)
    expect(decode(text, 'v2')).toMatchObject({ id: 'me' })
  })
})

test.each([
  '{"type":"no such","id":9}',
  '{"id":9}',
  '{"type":1,"id":9}',
  '{"type":"get_users","id":9}',
  '{"type":"unsubscribe","id":9}',
  '{"type":"ping","id":9,"x":[[[[]]]]}',
])('[V6] a refusal has the id of its request in v2, and no id in v1: %s', text => {
  expect(decode(text, 'v2')).toMatchObject({ type: 'refusal', id: 9 })
  expect(decode(text, 'v1').id).toBeUndefined()
})

test.each([
  '1767225600123456789',
  '-1767225600123456789',
  '9007199254740992',
  '9007199254740993',
  '1.5',
  '1e21',
  '1e400',
  'true',
  '{}',
  '[7]',
  `"${'x'.repeat(129)}"`,
])('[P11] the id %s is refused and not echoed; the error says what an id must be', id => {
  for (const request of [
    '"type":"ping"',
    '"type":"get_users","userIds":[]',
    '"type":"subscribe","all":true',
  ]) {
    const decoded = decode(`{${request},"id":${id}}`, 'v2')
    expect(decoded).toMatchObject({ type: 'refusal', code: 'bad_message', id: undefined })
    expect(decoded).toHaveProperty(
      'text',
      '"id" must be a string of at most 128 characters, or a whole number from -9007199254740991 to 9007199254740991 (send a longer number as a string)',
    )
  }
})

test.each([
  ['9007199254740991', '9007199254740991'],
  ['-9007199254740991', '-9007199254740991'],
  ['0', '0'],
  ['"1767225600123456789"', '"1767225600123456789"'],
  ['""', '""'],
  ['"\\ud800"', '"\\ud800"'],
  // Other ways to write the same number.
  ['-0', '0'],
  ['1e3', '1000'],
  ['7.0', '7'],
])('[P11] the id %s is echoed as %s', (id, echoed) => {
  expect(JSON.stringify(decode(`{"type":"ping","id":${id}}`, 'v2').id)).toBe(echoed)
})

test('[P11] v1 ignores an id of any type', () => {
  for (const id of ['1767225600123456789', '1.5', 'null', '{}']) {
    expect(decode(`{"type":"get_online_count","id":${id}}`, 'v1')).toEqual({ type: 'get_online_count' })
  }
})

const optionalFields = requests.flatMap(([version, type, { schema, example }]) => {
  const { required = [], properties } = schema as { required?: string[]; properties: object }
  return Object.keys(properties)
    .filter(field => !required.includes(field))
    .map(field => [version, type, field, example as Readonly<Record<string, unknown>>] as const)
})

test('the catalogue has optional fields of each kind', () => {
  const named = new Set(optionalFields.map(([, , field]) => field))
  expect([...named].sort()).toEqual(
    expect.arrayContaining(['all', 'count', 'cursor', 'expiresAt', 'id', 'limit', 'since', 'status', 'text']),
  )
})

describe('[P12] an optional field that is null counts as absent', () => {
  test.each(optionalFields)('%s %s: %s', (version, _type, field, example) => {
    const { [field]: _, ...without } = example
    const [absent, empty] = [without, { ...without, [field]: null }].map(value =>
      decode(JSON.stringify(value), version),
    )
    expect(empty).toEqual(absent)
    expect(empty).not.toHaveProperty(field)
  })

  test('for any optional fields, in any order of the keys', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...requests).chain(entry => {
          const [version, , { schema, example }] = entry
          const { required = [], properties } = schema as { required?: string[]; properties: object }
          const optional = Object.keys(properties).filter(key => !required.includes(key))
          return fc.tuple(
            fc.constant(version),
            fc.constant(example as Readonly<Record<string, unknown>>),
            fc.subarray(optional),
            fc.shuffledSubarray(Object.keys(properties), { minLength: Object.keys(properties).length }),
          )
        }),
        ([version, example, nulls, order]) => {
          const value = (key: string): unknown => (nulls.includes(key) ? null : example[key])
          const absent = Object.fromEntries(Object.entries(example).filter(([key]) => !nulls.includes(key)))
          const text = JSON.stringify(Object.fromEntries(order.map(key => [key, value(key)])))
          expect(decode(text, version)).toEqual(decode(JSON.stringify(absent), version))
        },
      ),
      { numRuns: 1_000 },
    )
  })

  test('a required field that is null is refused', () => {
    for (const [version, , { schema, example }] of requests) {
      for (const field of (schema as { required?: string[] }).required ?? []) {
        expect(refused(JSON.stringify({ ...example, [field]: null }), version)).toContain(
          `"${field}" must be`,
        )
      }
    }
  })
})

test('[P1] lists of maximum length, with an id twice, are accepted', () => {
  const userIds = Array.from({ length: MAX_USER_IDS }, (_, index) => `user-${index % 999}`)
  for (const type of ['subscribe', 'unsubscribe', 'get_users']) {
    expect(decode(JSON.stringify({ type, userIds }), 'v2')).toEqual({ type, userIds })
  }
})

test('[P1] a text has at most 128 UTF-16 code units, and may be empty', () => {
  const text = (value: string) =>
    decode(JSON.stringify({ type: 'set_status', status: 'busy', text: value }), 'v2').type
  for (const good of ['', 'x'.repeat(128), '👩'.repeat(64), '\u2028']) expect(text(good)).toBe('set_status')
  for (const bad of ['x'.repeat(129), '👩'.repeat(65)]) expect(text(bad)).toBe('refusal')
})

test('[P2] fields inside __proto__ do not count and are not copied', () => {
  const refusedAs = (fields: string) => refused(`{"type":"subscribe",${fields}}`, 'v2')
  expect(refusedAs('"__proto__":{"all":true}')).toContain('"subscribe" needs exactly one of')
  expect(refusedAs('"all":true,"since":{"__proto__":{"epoch":"e","seq":1}}')).toContain(
    '"since.epoch" is missing',
  )
  const since = '{"epoch":"e","seq":1,"more":2,"__proto__":{"x":1}}'
  const decoded = decode(`{"type":"subscribe","all":true,"since":${since}}`, 'v2')
  expect(JSON.stringify(decoded)).toBe('{"type":"subscribe","all":true,"since":{"epoch":"e","seq":1}}')
  expect(decode('{"type":"get_users","userIds":["__proto__","constructor"]}', 'v2')).toMatchObject({
    userIds: ['__proto__', 'constructor'],
  })
})

test('[P2] v1 ignores the fields and refuses the requests that only v2 defines', () => {
  const text = '{"type":"set_status","status":"online","text":"hi","id":1}'
  expect(decode(text, 'v1')).toEqual({ type: 'set_status', status: 'online' })
  expect(decode('{"type":"subscribe","all":true}', 'v1')).toMatchObject({ code: 'unknown_type' })
})

test('[P2] unknown keys do not change the decoded request', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...requests),
      fc.string(),
      fc.jsonValue({ maxDepth: 1 }),
      (entry, key, value) => {
        const [version, , { schema, example }] = entry
        fc.pre(!(key in schema.properties))
        const text = JSON.stringify({ ...example, [key]: value })
        expect(decode(text, version)).toEqual(example)
      },
    ),
  )
})

test('[P1] no value of any field makes decode throw', () => {
  fc.assert(
    fc.property(fc.constantFrom(...requests), fc.jsonValue(), fc.nat(), (entry, value, which) => {
      const [version, , { schema, example }] = entry
      const keys = Object.keys(schema.properties)
      const decoded = decode(
        JSON.stringify({ ...example, [keys[which % keys.length] as string]: value }),
        version,
      )
      expect(typeof decoded.type).toBe('string')
    }),
    { numRuns: 1_000 },
  )
})

test('[P3] numeric user ids are also accepted in lists; the id of a request keeps its type', () => {
  const text = '{"type":"get_users","userIds":[1,"b",-3],"id":7}'
  expect(decode(text, 'v2')).toEqual({ type: 'get_users', userIds: ['1', 'b', '-3'], id: 7 })
})

test('[P2] unknown keys are ignored and removed', () => {
  const text = '{"type":"set_status","status":"online","userId":"somebody else","__proto__":{"x":1}}'
  expect(decode(text, 'v1')).toEqual({ type: 'set_status', status: 'online' })
})

test('[P3] a whole number is accepted as a user id; other numbers are refused', () => {
  const check = (id: string) => decode(`{"type":"check_user_status","targetUserId":${id}}`, 'v1')
  expect(check('123')).toEqual({ type: 'check_user_status', targetUserId: '123' })
  expect(check('-7')).toEqual({ type: 'check_user_status', targetUserId: '-7' })
  for (const id of ['1.5', '9007199254740993', '1e400', '-1e400']) expect(check(id).type).toBe('refusal')
})

test('[P4] a text that is not JSON, not an object, too deep or of an unknown type is refused', () => {
  expect(refused('{')).toBe('bad_json: the message is not JSON')
  expect(refused('')).toMatch(/^bad_json/)
  expect(refused('[]')).toMatch(/^bad_message: the message must be a JSON object/)
  expect(refused('null')).toMatch(/^bad_message/)
  expect(refused('{}')).toBe('bad_message: "type" is missing; it must be the type of a request, as a string')
  expect(refused('{"type":1}')).toBe('bad_message: "type" must be a string')
  expect(refused('{"type":"constructor"}')).toBe(
    'unknown_type: "type" is "constructor"; known types are get_online_count, check_user_status, get_all_users, set_status, identify',
  )
  expect(refused(`{"type":"${'x'.repeat(40)}"}`)).toContain(`"type" is "${'x'.repeat(40)}";`)
  expect(refused(`{"type":"${'x'.repeat(500)}"}`)).toContain(`"type" is "${'x'.repeat(40)}…";`)
  expect(refused(`{"type":"identify","username":"a","x":[[[[]]]]}`)).toBe(
    'bad_message: the message must not be nested deeper than 4 levels',
  )
  expect(decode('{"type":"identify","username":"a","x":[[[null]]]}', 'v1').type).toBe('identify')
  expect(refused('{"type":"unsubscribe"}', 'v2')).toMatch(/^bad_message: "unsubscribe" needs exactly one of/)
  expect(refused('['.repeat(10_000))).toMatch(/^bad_json/)
  expect(refused(`{"type":"get_all_users","x":${'['.repeat(10_000)}${']'.repeat(10_000)}}`)).toMatch(/deeper/)
})

test('[P5] names have 1 to 128 UTF-8 bytes, no lone surrogates and no control characters', () => {
  const name = (username: string) => decode(JSON.stringify({ type: 'identify', username }), 'v1').type
  for (const good of ['a', '__proto__', 'constructor', '👩‍👩‍👧', '\u2028', 'ä'.repeat(64), 'x'.repeat(128)]) {
    expect(name(good)).toBe('identify')
  }
  for (const bad of ['', 'x'.repeat(129), 'ä'.repeat(65), '\u0000', 'a\nb', '\u007f', '\u0085', '\ud800']) {
    expect(name(bad)).toBe('refusal')
  }
})
