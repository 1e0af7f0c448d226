import { catalogue, type ProtocolVersion, type ServerMessage, type User } from './catalogue.ts'
import { user } from './fields.ts'
import { Json } from './json.ts'

/**
 * A precomputed layout of a message: the text before the first field, and the text before each field value.
 */
interface Layout {
  readonly head: string
  readonly fields: Fields
}

/** The keys in their order, each with the text that goes before its value. */
type Fields = readonly (readonly [key: string, before: string])[]

const layouts: Readonly<Record<ProtocolVersion, ReadonlyMap<string, Layout>>> = {
  v1: layoutsOf('v1'),
  v2: layoutsOf('v2'),
}

function layoutsOf(version: ProtocolVersion): ReadonlyMap<string, Layout> {
  return new Map(
    Object.entries(catalogue[version].messages).map(([type, { schema }]) => [
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

const NO_LAYOUT: Layout = { head: '{', fields: [] }

/**
 * Encodes a message as JSON: the keys that the protocol version defines, in the order of the catalogue. Other
 * keys of the object are left out.
 */
export function encode(message: ServerMessage, version: ProtocolVersion): string {
  const { head, fields } = layouts[version].get(message.type) ?? NO_LAYOUT
  return `${head}${joined(fields, message)}}`
}

/** The fields that have a value, each with a leading comma. */
function joined(fields: Fields, object: object): string {
  const values = object as Readonly<Record<string, unknown>>
  let text = ''
  for (const [key, before] of fields) {
    const value = values[key]
    if (value !== undefined) text += before + asJson(value)
  }
  return text
}

/** Characters that may need an escape in JSON: quotes, backslashes, control characters and surrogates. */
const MAY_NEED_ESCAPE = /["\\\u0000-\u001f\ud800-\udfff]/

function asJson(value: unknown): string {
  // Nearly all strings need no escape, and this check is cheaper than JSON.stringify.
  if (typeof value === 'string') return MAY_NEED_ESCAPE.test(value) ? JSON.stringify(value) : `"${value}"`
  if (typeof value !== 'object') return String(value)
  return value instanceof Json ? value.text : JSON.stringify(value)
}

const userFields = fieldsOf(Object.keys(user.properties))

/** Encodes one user as JSON. The result can be joined into lists; see `Json`. */
export function encodeUser(seen: User): string {
  return `{${joined(userFields, seen).slice(1)}}`
}

/**
 * Encodes a `presence_diff` from users that are already encoded and joined by commas. Same result as
 * {@link encode}, but cheaper: this is the one message that is different for every subscriber.
 */
export function encodeDiff(prevSeq: number, seq: number, items: string): string {
  return `{"type":"presence_diff","prevSeq":${prevSeq},"seq":${seq},"users":[${items}]}`
}

/** The end of a formatted time, by its milliseconds. */
const MILLISECONDS = Array.from({ length: 1_000 }, (_, ms) => `.${String(ms).padStart(3, '0')}Z`)

/**
 * A cache of the start of a formatted time, by second. Under load the same few seconds are formatted
 * repeatedly.
 */
const SECONDS = Array.from({ length: 256 }, () => ({ second: Number.NaN, text: '' }))

const SECONDS_PER_DAY = 86_400

/** A cache of formatted days. The times in a list are of few days, but of many seconds. */
const DAYS = Array.from({ length: 64 }, () => ({ day: Number.NaN, text: '' }))

/** Two digits, by their number. */
const TWO_DIGITS = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'))

/** A formatted time up to its second. `Date` takes five times as long. */
function secondText(second: number): string {
  const day = Math.floor(second / SECONDS_PER_DAY)
  const known = DAYS[((day % DAYS.length) + DAYS.length) % DAYS.length] as (typeof DAYS)[0]
  if (known.day !== day) {
    known.text = new Date(day * SECONDS_PER_DAY * 1_000).toISOString().slice(0, -'00:00:00.000Z'.length)
    known.day = day
  }
  const ofDay = second - day * SECONDS_PER_DAY
  const minute = Math.floor(ofDay / 60)
  const [hours, minutes] = [TWO_DIGITS[Math.floor(minute / 60)], TWO_DIGITS[minute % 60]]
  return `${known.text}${hours}:${minutes}:${TWO_DIGITS[ofDay % 60]}`
}

/**
 * Formats a time for the wire: ISO 8601 in UTC with milliseconds. `time` is a whole number of ms since the
 * epoch.
 */
export function formatTime(time: number): string {
  const second = Math.floor(time / 1_000)
  const known = SECONDS[((second % SECONDS.length) + SECONDS.length) % SECONDS.length] as (typeof SECONDS)[0]
  if (known.second !== second) {
    known.text = secondText(second)
    known.second = second
  }
  return known.text + MILLISECONDS[time - second * 1_000]
}
