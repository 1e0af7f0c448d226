/** Whoever an application says is there. See {@link isName} for what is a user id. */
export type UserId = string

/** What a user can choose, and what others can see. */
export const STATUSES = ['online', 'away', 'busy', 'offline'] as const

/** What a user chose. `offline` means "appear offline": connected, and hidden from everybody. */
export type Status = (typeof STATUSES)[number]

/** What others see of a user. Derived from sessions, activity and choice, never set. */
export type Presence = Status

/** A presence in the words of v1, where `away` and `busy` read `online`. */
export function basic(presence: Presence): 'online' | 'offline' {
  return presence === 'offline' ? 'offline' : 'online'
}

/** Longest text of a status, in UTF-16 code units: a line beside a name. */
export const MAX_TEXT_CHARS = 128

/** Most user ids in one message, of 64 bytes each in the largest one; longer lists go in several. */
export const MAX_USER_IDS = 1_000

/** Longest message of a client. */
export const MAX_MESSAGE_BYTES = 64 * 1024

/** Longest user id and username, in UTF-8 bytes: room for a UUID, a mail address or a URL, not for a document. */
export const MAX_NAME_BYTES = 128

/** What a user id and a username must be, as it stands in error messages: "userId" must be ... */
export const NAME_RULE = `a string of 1 to ${MAX_NAME_BYTES} UTF-8 bytes without control characters`

// Control characters and lone surrogates (with the u flag a pair is one character, not two surrogates).
const FORBIDDEN = /[\p{Cc}\p{Cs}]/u
const utf8 = new TextEncoder()

/**
 * Tells whether a text can be a user id or a username: 1 to {@link MAX_NAME_BYTES} UTF-8 bytes, well-formed
 * (no lone surrogate, which no UTF-8 could carry), no control characters (they break logs and terminals).
 * Any other text is one: `__proto__`, an emoji and U+2028 are names like any other.
 */
export function isName(text: string): boolean {
  if (text.length === 0 || text.length > MAX_NAME_BYTES) return false
  if (FORBIDDEN.test(text)) return false
  return text.length * 3 <= MAX_NAME_BYTES || utf8.encode(text).length <= MAX_NAME_BYTES
}

/** Tells whether a text can stand beside a status: at most {@link MAX_TEXT_CHARS}, well-formed, no control characters. */
export function isStatusText(text: string): boolean {
  return text.length <= MAX_TEXT_CHARS && !FORBIDDEN.test(text)
}

/** What a time must be, as it stands in error messages: "expiresAt" must be ... */
export const TIME_RULE = 'a time in ISO 8601 with its zone, such as 2026-01-31T18:00:00Z'

const ISO_TIME = /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/

/** Where the form of a time would need a fifth digit for the year. */
const YEAR_10000 = 253_402_300_800_000

/** Tells whether a text is a time as {@link TIME_RULE} says, of a day that exists and before the year 10000. */
export function isTime(text: string): boolean {
  const [, year, month, day] = ISO_TIME.exec(text) ?? []
  if (year === undefined) return false
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)))
  return date.getUTCDate() === Number(day) && Date.parse(text) < YEAR_10000
}
