import { catalogue, type Dialect, type ServerMessage, type User } from './catalogue.ts'
import { user } from './fields.ts'
import { Json } from './json.ts'

/** How a message is sent: what each begins with, and what stands before each further value. */
interface Form {
  readonly head: string
  readonly fields: Fields
}

type Fields = readonly (readonly [key: string, before: string])[]

const forms: Readonly<Record<Dialect, ReadonlyMap<string, Form>>> = { v1: formsOf('v1'), v2: formsOf('v2') }

function formsOf(dialect: Dialect): ReadonlyMap<string, Form> {
  return new Map(
    Object.entries(catalogue[dialect].messages).map(([type, { schema }]) => [
      type,
      {
        head: `{"type":"${type}"`,
        fields: fieldsOf(Object.keys(schema.properties).filter(key => key !== 'type')),
      },
    ]),
  )
}

function fieldsOf(keys: readonly string[]): Fields {
  return keys.map(key => [key, `,"${key}":`])
}

const NO_FORM: Form = { head: '{', fields: [] }

/**
 * The text of a message in a dialect: the keys that it knows, in the order of its catalogue, whatever else the
 * object has and in whatever order.
 */
export function encode(message: ServerMessage, dialect: Dialect): string {
  const { head, fields } = forms[dialect].get(message.type) ?? NO_FORM
  return `${head}${joined(fields, message)}}`
}

/** The fields that have a value, each with a comma before it. */
function joined(fields: Fields, object: object): string {
  const values = object as Readonly<Record<string, unknown>>
  let text = ''
  for (const [key, before] of fields) {
    const value = values[key]
    if (value !== undefined) text += before + asJson(value)
  }
  return text
}

/** What JSON does not take as it stands: quotes, backslashes, control characters, and surrogates that may be lone. */
const ESCAPED = /["\\\u0000-\u001f\ud800-\udfff]/

function asJson(value: unknown): string {
  // Nearly all strings stand as they are, and to see that is cheaper than to have them escaped.
  if (typeof value === 'string') return ESCAPED.test(value) ? JSON.stringify(value) : `"${value}"`
  if (typeof value !== 'object') return String(value)
  return value instanceof Json ? value.text : JSON.stringify(value)
}

const userFields = fieldsOf(Object.keys(user.properties))

/** One user as JSON, for lists that are joined. */
export function encodeUser(seen: User): string {
  return `{${joined(userFields, seen).slice(1)}}`
}

/**
 * The text of a `presence_diff` whose items were encoded before and joined by commas: the same as {@link encode}
 * gives, for the one message that every follower gets an own one of.
 */
export function encodeDiff(prevSeq: number, seq: number, items: string): string {
  return `{"type":"presence_diff","prevSeq":${prevSeq},"seq":${seq},"users":[${items}]}`
}

/** What ends a time, by its milliseconds. */
const MILLISECONDS = Array.from({ length: 1_000 }, (_, ms) => `.${String(ms).padStart(3, '0')}Z`)

/** What begins a time, for the seconds that were asked for last: under load it is the same few over and over. */
const SECONDS = Array.from({ length: 256 }, () => ({ second: Number.NaN, text: '' }))

/** A time in milliseconds since the epoch, a whole number, as it goes over the wire: ISO 8601, UTC, milliseconds. */
export function formatTime(time: number): string {
  const second = Math.floor(time / 1_000)
  const known = SECONDS[((second % SECONDS.length) + SECONDS.length) % SECONDS.length] as (typeof SECONDS)[0]
  if (known.second !== second) {
    known.text = new Date(time).toISOString().slice(0, -5)
    known.second = second
  }
  return known.text + MILLISECONDS[time - second * 1_000]
}
