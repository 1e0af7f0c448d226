import fc from 'fast-check'
import { expect, test } from 'vitest'
import { catalogue, type ServerMessage, type User } from './catalogue.ts'
import { encode, encodeDiff, encodeUser, formatTime } from './encode.ts'
import { Json } from './json.ts'

const messages = (['v1', 'v2'] as const).flatMap(version =>
  Object.entries(catalogue[version].messages).map(
    ([type, { example }]) => [version, type, example as ServerMessage] as const,
  ),
)

test.each(messages)(
  '[P6] %s %s is encoded with its keys in the order of the catalogue',
  (version, _type, example) => {
    expect(encode(example, version)).toBe(JSON.stringify(example))
    const shuffled = Object.fromEntries(Object.entries(example).reverse())
    expect(encode(shuffled as ServerMessage, version)).toBe(JSON.stringify(example))
  },
)

test.each(messages)('[P6] the example of %s %s has every key of the schema', (version, type, example) => {
  // No error has both `retryAfterMs` and `ended`.
  const keys = Object.keys(catalogue[version].messages[type]?.schema.properties ?? {}).filter(
    key => key !== 'ended',
  )
  expect(Object.keys(JSON.parse(encode(example, version)))).toEqual(keys)
})

interface Schema {
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly type?: string
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
}

/** Random values that match a schema. Strings may contain lone surrogates. */
function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map(valuesOf))
  if (schema.items) return fc.array(valuesOf(schema.items), { maxLength: 3 })
  if (schema.properties) {
    const fields: Record<string, fc.Arbitrary<unknown>> = Object.fromEntries(
      Object.entries(schema.properties).map(([key, field]) => [key, valuesOf(field)]),
    )
    return fc.record(fields, { requiredKeys: [...(schema.required ?? [])] })
  }
  if (schema.type === 'integer') return fc.maxSafeNat()
  if (schema.type === 'number')
    return fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => value + 0)
  if (schema.type === 'boolean') return fc.boolean()
  if (schema.type === 'null') return fc.constant(null)
  return fc.array(fc.nat(0xffff), { maxLength: 9 }).map(units => String.fromCharCode(...units))
}

test.each(messages)('[P6] any %s %s survives encoding unchanged', (version, type) => {
  const message = valuesOf(catalogue[version].messages[type]?.schema as Schema)
  fc.assert(
    fc.property(message, original => {
      expect(JSON.parse(encode(original as ServerMessage, version))).toEqual({ ...(original as object) })
    }),
  )
})

test('[P6] keys that v1 does not define are not sent to v1 clients', () => {
  const { example } = catalogue.v2.messages['error'] as { example: object }
  const text = encode(example as ServerMessage, 'v1')
  expect(Object.keys(JSON.parse(text))).toEqual(['type', 'message', 'timestamp'])
})

test('[P6] a list joined from encoded users equals the encoded list', () => {
  const users: User[] = [
    { userId: '__proto__', status: 'offline', lastSeen: null },
    { expiresAt: 'e', text: '"\u2028', username: 'n', lastSeen: 'l', status: 'busy', userId: 'u' },
  ]
  const joined = new Json(`[${users.map(encodeUser).join(',')}]`)
  const message = { type: 'presence_diff', prevSeq: 1, seq: 2 } as const
  const text = encode({ ...message, users: joined }, 'v2')
  expect(JSON.parse(text)).toEqual({ ...message, users })
  expect(text).toContain(
    '{"userId":"u","status":"busy","lastSeen":"l","username":"n","text":"\\"\u2028","expiresAt":"e"}',
  )
})

test('[P6] encodeDiff returns the same text as encode', () => {
  const users: User[] = [
    { userId: 'ann', status: 'busy', lastSeen: 'l', text: '"' },
    { userId: 'bob', status: 'offline', lastSeen: null },
  ]
  const joined = encodeDiff(7, 12, users.map(encodeUser).join(','))
  expect(joined).toBe(encode({ type: 'presence_diff', prevSeq: 7, seq: 12, users }, 'v2'))
})

test('[P6] any string is encoded as JSON.stringify does', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom('\ud800', '"', '\\', '\n', 'a') }),
      (a, b) => {
        for (const userId of [a, b]) {
          const user = { userId, status: 'online', lastSeen: null } as const
          expect(encodeUser(user)).toBe(JSON.stringify(user))
        }
      },
    ),
    { numRuns: 1_000 },
  )
})

test('[P7] times are ISO 8601 in UTC with milliseconds', () => {
  expect(formatTime(1_682_418_600_000)).toBe('2023-04-25T10:30:00.000Z')
  for (const time of [0, -1, -1_000, 999, 1_000, 8.64e15, 253_402_300_799_999, 951_782_399_999]) {
    expect(formatTime(time)).toBe(new Date(time).toISOString())
  }
  for (let n = 0; n < 10_000; n++) {
    const time = 1_700_000_000_000 + n * 7_919
    expect(formatTime(time)).toBe(new Date(time).toISOString())
  }
})
