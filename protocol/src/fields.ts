import Type, { type Static, type TObject, type TSchema } from 'typebox'
import {
  isName,
  isStatusText,
  MAX_NAME_BYTES,
  MAX_TEXT_CHARS,
  MAX_USER_IDS,
  NAME_RULE,
  STATUSES,
} from './words.ts'

// The fields of which messages are made. A field's `description` completes the sentence `"field" must be …` in
// the error that a client gets.

export interface Entry<Schema extends TObject = TObject> {
  readonly sentence: string
  readonly schema: Schema
  readonly example: Static<Schema>
}

export interface RequestEntry extends Entry {
  /** The types of the messages that can answer; none where success is silent. An `error` can answer any request. */
  readonly replies: readonly string[]
  /**
   * Returns what is wrong with a combination of fields that are each valid; undefined if nothing is.
   * An optional field that was `null` is absent in `message`.
   */
  readonly together?: (message: Readonly<Record<string, unknown>>) => string | undefined
}

/**
 * An optional field of a request: absent, `null` (which means the same), or a value of `schema`. Clients whose language has no
 * "absent", such as Java, Go or C#, write `null`. `decode` leaves a `null` out of the request.
 */
export function optional<Schema extends TSchema>(schema: Schema) {
  const { description } = schema as { description?: string }
  return Type.Optional(Type.Union([schema, Type.Null()], description === undefined ? {} : { description }))
}

export const name = Type.Refine(
  Type.String({ minLength: 1, maxLength: MAX_NAME_BYTES, description: NAME_RULE }),
  isName,
)

/** A number that arrives with the digits it was sent with: a double holds no larger integer exactly. */
const exactInteger = Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER })
const EXACT_INTEGER_RULE = `a whole number from ${Number.MIN_SAFE_INTEGER} to ${Number.MAX_SAFE_INTEGER} (send a longer number as a string)`

/** Where clients name another user: applications with numeric ids send numbers, and 123 means "123". */
export const userIdOrNumber = Type.Unsafe<string>(
  Type.Union([name, exactInteger], { description: `${NAME_RULE}, or ${EXACT_INTEGER_RULE}` }),
)

export const userIds = Type.Array(userIdOrNumber, {
  maxItems: MAX_USER_IDS,
  description: `a list of at most ${MAX_USER_IDS} user ids`,
})

/** What a user can choose in v1. */
export const basicStatus = Type.Enum(['online', 'offline'], { description: '"online" or "offline"' })

export const status = Type.Enum([...STATUSES], {
  description: '"online", "away", "busy" or "offline"',
})

export const time = Type.String({ format: 'date-time', description: 'a time in ISO 8601, UTC' })

export const timeOrNever = Type.Union([time, Type.Null()], {
  description: 'a time, or null for a user never seen',
})

const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

/** Where the form of a time would need a fifth digit for the year. */
const YEAR_10000 = 253_402_300_800_000

/** A time as a client says it: of any zone, but a real one. The format refuses a 30th of February, which `Date` takes. */
export const timeToCome = Type.Refine(
  Type.String({
    maxLength: 40,
    format: 'date-time',
    description: 'a time in ISO 8601 with its zone, such as 2026-01-31T18:00:00Z',
  }),
  text => ISO_TIME.test(text) && Date.parse(text) < YEAR_10000,
)

export const statusText = Type.Refine(
  Type.String({
    maxLength: MAX_TEXT_CHARS,
    description: `a string of at most ${MAX_TEXT_CHARS} characters without control characters`,
  }),
  isStatusText,
)

/** Longest `id` of a request: it is sent back, so it is short. */
const MAX_ID_CHARS = 128

/** The `id` of a request, which its reply carries. */
export const id = Type.Union([Type.String({ maxLength: MAX_ID_CHARS }), exactInteger], {
  description: `a string of at most ${MAX_ID_CHARS} characters, or ${EXACT_INTEGER_RULE}`,
})

export const seq = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: `a whole number from 0 to ${Number.MAX_SAFE_INTEGER}, the number of a change`,
})

/** Longest of the strings that the server makes and a client gives back. */
const MAX_TOKEN_CHARS = 64

export const epoch = Type.String({
  maxLength: MAX_TOKEN_CHARS,
  description: `a string of at most ${MAX_TOKEN_CHARS} characters, the epoch of a welcome or a state`,
})

/** Where a list goes on. */
export const cursor = Type.String({
  maxLength: MAX_TOKEN_CHARS,
  description: `a string of at most ${MAX_TOKEN_CHARS} characters, the cursor of the page before`,
})

/** A place in the order of changes. */
export const place = Type.Object(
  { epoch, seq },
  { description: 'an object with "epoch" and "seq", as a state or a diff gave them' },
)

export const yes = Type.Literal(true, { description: 'true' })

/** One user as others see them. */
export const user = Type.Object({
  userId: name,
  status,
  lastSeen: timeOrNever,
  username: Type.Optional(name),
  text: Type.Optional(statusText),
  expiresAt: Type.Optional(time),
})
