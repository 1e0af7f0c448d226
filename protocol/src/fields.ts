import Type, { type Static, type TObject, type TProperties, type TSchema } from 'typebox'
import {
  DEVICE_RULE,
  isDevice,
  isName,
  isStatusText,
  MAX_NAME_BYTES,
  MAX_TEXT_CHARS,
  MAX_USER_IDS,
  NAME_RULE,
  STATUSES,
  TIME_RULE,
  YEAR_10000,
} from './words.ts'

// The schemas of the fields that messages consist of. The `description` of a field completes the error text
// `"field" must be …` that a client receives.

/** One message of the catalogue. */
export interface Entry<Schema extends TObject = TObject> {
  /**
   * What the message is for, in one sentence. It becomes the summary in the AsyncAPI document and the tables.
   */
  readonly sentence: string
  readonly schema: Schema
  readonly example: Static<Schema>
}

/** One request of the catalogue: a message from client to server. */
export interface RequestEntry extends Entry {
  /**
   * The types of the possible replies; empty if success has no reply. Any request can also get an `error`.
   */
  readonly replies: readonly string[]
  /**
   * Checks the combination of fields that are each valid. Returns an error text, or `undefined` if the
   * combination is valid. An optional field that was `null` is absent in `message`.
   */
  readonly checkCombination?: (message: Readonly<Record<string, unknown>>) => string | undefined
}

/**
 * An optional field of a request: absent, `null` (the same as absent) or a value of `schema`. Clients in
 * languages such as Java, Go or C# often serialize a missing value as `null`. `decode` removes the `null`.
 */
export function optional<Schema extends TSchema>(schema: Schema) {
  const { description } = schema as { description?: string }
  return Type.Optional(Type.Union([schema, Type.Null()], description === undefined ? {} : { description }))
}

/** A user id or username. */
export const name = Type.Refine(
  Type.String({ minLength: 1, maxLength: MAX_NAME_BYTES, description: NAME_RULE }),
  isName,
)

/** An object without any other field: a misspelt one would have no effect. */
export function closed<Fields extends TProperties>(fields: Fields) {
  return Type.Object(fields, { additionalProperties: false })
}

/** A kind of device. */
export const device = Type.Refine(
  Type.String({ minLength: 1, maxLength: 32, description: DEVICE_RULE }),
  isDevice,
)

/** A safe integer: a larger one would be rounded by the JSON parser and come back with other digits. */
const exactInteger = Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER })
const EXACT_INTEGER_RULE = `a whole number from ${Number.MIN_SAFE_INTEGER} to ${Number.MAX_SAFE_INTEGER} (send a longer number as a string)`

/** The id of another user. Applications with numeric ids may send a number: 123 means "123". */
export const userIdOrNumber = Type.Unsafe<string>(
  Type.Union([name, exactInteger], { description: `${NAME_RULE}, or ${EXACT_INTEGER_RULE}` }),
)

/** A list of user ids, at most {@link MAX_USER_IDS}. */
export const userIds = Type.Array(userIdOrNumber, {
  maxItems: MAX_USER_IDS,
  description: `a list of at most ${MAX_USER_IDS} user ids`,
})

/** A status, or a presence, in v1. */
export const basicStatus = Type.Enum(['online', 'offline'], { description: '"online" or "offline"' })

/** A status, or a presence, in v2. */
export const status = Type.Enum([...STATUSES], {
  description: '"online", "away", "busy" or "offline"',
})

/** A time that the server sends. */
export const time = Type.String({ format: 'date-time', description: 'a time in ISO 8601, UTC' })

/** The last sign of life of a user; null if others have never seen the user. */
export const timeOrNever = Type.Union([time, Type.Null()], {
  description: 'a time, or null for a user never seen',
})

/** When something began; null if that is not known. */
const timeOrUnknown = Type.Union([time, Type.Null()], {
  description: 'a time, or null if that is not known',
})

const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

/**
 * A time that a client sends, in any time zone. `format` rejects days that don't exist, such as February 30,
 * which `Date` accepts.
 */
export const timeWithZone = Type.Refine(
  Type.String({
    maxLength: 40,
    format: 'date-time',
    description: TIME_RULE,
  }),
  text => ISO_TIME.test(text) && Date.parse(text) < YEAR_10000,
)

/** A status text; see `isStatusText`. */
export const statusText = Type.Refine(
  Type.String({
    maxLength: MAX_TEXT_CHARS,
    description: `a string of at most ${MAX_TEXT_CHARS} characters without control characters`,
  }),
  isStatusText,
)

/**
 * Maximum length of the `id` of a request, in UTF-16 code units. It is short because each reply repeats it.
 */
const MAX_ID_CHARS = 128

/** The `id` of a request. The reply repeats it. */
export const id = Type.Union([Type.String({ maxLength: MAX_ID_CHARS }), exactInteger], {
  description: `a string of at most ${MAX_ID_CHARS} characters, or ${EXACT_INTEGER_RULE}`,
})

/** A token. What it must contain is checked by the server's identity. */
export const token = Type.String({
  pattern: '^[!-~]+$',
  description: 'a token: visible ASCII characters without spaces',
})

/** The number of a change. */
export const seq = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: `a whole number from 0 to ${Number.MAX_SAFE_INTEGER}, the number of a change`,
})

/** Maximum length of the opaque strings that the server creates and a client returns. */
const MAX_TOKEN_CHARS = 64

/** Identifies one run of the server; `seq` counts within it. */
export const epoch = Type.String({
  maxLength: MAX_TOKEN_CHARS,
  description: `a string of at most ${MAX_TOKEN_CHARS} characters, the epoch of a welcome or presence_state`,
})

/** A cursor contains a user id. */
const MAX_CURSOR_CHARS = 200

/** Where the next page of a list starts. */
export const cursor = Type.String({
  maxLength: MAX_CURSOR_CHARS,
  description: `a string of at most ${MAX_CURSOR_CHARS} characters, the cursor of the previous page`,
})

/** The shortest and the longest lease of an activity, in ms. */
const MIN_ACTIVE_MS = 10_000
const MAX_ACTIVE_MS = 3_600_000

/** How long an activity lasts if it is not reported again, in ms. */
export const activeForMs = Type.Number({
  minimum: MIN_ACTIVE_MS,
  maximum: MAX_ACTIVE_MS,
  description: `a number of milliseconds from ${MIN_ACTIVE_MS} to ${MAX_ACTIVE_MS}`,
})

/** A position in the sequence of changes. */
export const position = Type.Object(
  { epoch, seq },
  { description: 'an object with "epoch" and "seq" of the last presence_state or presence_diff' },
)

/** A flag that is either `true` or absent. */
export const literalTrue = Type.Literal(true, { description: 'true' })

/** One user as others see them; `userTable` in `tables.ts` documents the fields. */
export const user = Type.Object({
  userId: name,
  status,
  lastSeen: timeOrNever,
  username: Type.Optional(name),
  text: Type.Optional(statusText),
  expiresAt: Type.Optional(time),
  since: Type.Optional(timeOrUnknown),
})
