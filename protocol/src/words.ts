/** Identifies a user of the application. A user id satisfies {@link isName}. */
export type UserId = string

/** Every status a user can choose. Presence has the same values. */
export const STATUSES = ['online', 'away', 'busy', 'offline'] as const

/** What a user chose. `offline` means "appear offline": the user is connected but hidden from others. */
export type Status = (typeof STATUSES)[number]

/** What others see of a user. Derived from sessions, activity and status; it is never set directly. */
export type ShownStatus = Status

/** The presence as protocol v1 reports it: `away` and `busy` become `online`. */
export function basic(presence: ShownStatus): 'online' | 'offline' {
  return presence === 'offline' ? 'offline' : 'online'
}

/** Maximum length of a status text in UTF-16 code units: one line next to a name. */
export const MAX_TEXT_CHARS = 128

/**
 * Maximum number of user ids in one message: 1,000 ids of 64 bytes fit into {@link MAX_MESSAGE_BYTES}.
 * Clients split longer lists into several messages.
 */
export const MAX_USER_IDS = 1_000

/** Maximum size of a message from a client, in bytes of UTF-8. */
export const MAX_MESSAGE_BYTES = 64 * 1024

/** Maximum length of a user id or username in UTF-8 bytes: enough for a UUID, an e-mail address or a URL. */
export const MAX_NAME_BYTES = 128

/** What a user id or username must be; completes the error text `"userId" must be …`. */
export const NAME_RULE = `a string of 1 to ${MAX_NAME_BYTES} UTF-8 bytes without control characters`

/** Maximum length of a kind of device in UTF-8 bytes. */
const MAX_DEVICE_BYTES = 32

/** What a kind of device must be; completes the error text `"device" must be …`. */
export const DEVICE_RULE = `a string of 1 to ${MAX_DEVICE_BYTES} UTF-8 bytes without control characters`

// Control characters and lone surrogates. With the u flag, a surrogate pair is one character and does not
// match.
const FORBIDDEN = /[\p{Cc}\p{Cs}]/u
// Nearly all ids have one byte for each character. This check takes a tenth of the time of the others.
const PRINTABLE_ASCII = /^[ -~]*$/
const utf8 = new TextEncoder()

/**
 * Whether a text is a valid user id or username: 1 to {@link MAX_NAME_BYTES} UTF-8 bytes, no lone surrogates
 * (UTF-8 can't represent them) and no control characters (they break logs and terminals). Everything else is
 * valid, including `__proto__`, emoji and U+2028.
 */
export function isName(text: string): boolean {
  return isLabel(text, MAX_NAME_BYTES)
}

/** Whether a text is a valid kind of device, such as `web` or `ios`; see {@link DEVICE_RULE}. */
export function isDevice(text: string): boolean {
  return isLabel(text, MAX_DEVICE_BYTES)
}

function isLabel(text: string, maxBytes: number): boolean {
  if (text.length === 0 || text.length > maxBytes) return false
  if (PRINTABLE_ASCII.test(text)) return true
  if (FORBIDDEN.test(text)) return false
  return text.length * 3 <= maxBytes || utf8.encode(text).length <= maxBytes
}

/**
 * Whether a text is a valid status text: at most {@link MAX_TEXT_CHARS} UTF-16 code units, no lone surrogates
 * and no control characters.
 */
export function isStatusText(text: string): boolean {
  return text.length <= MAX_TEXT_CHARS && !FORBIDDEN.test(text)
}

/** What a time must be; completes the error text `"expiresAt" must be …`. */
export const TIME_RULE = 'a time in ISO 8601 with its zone, such as 2026-01-31T18:00:00Z'

const ISO_TIME = /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/

/** The first time whose year needs five digits, in ms since the epoch. {@link TIME_RULE} allows four. */
export const YEAR_10000 = 253_402_300_800_000

/**
 * Whether a text is a time as {@link TIME_RULE} describes it, on a day that exists and before the year 10000.
 */
export function isTime(text: string): boolean {
  const [, year, month, day] = ISO_TIME.exec(text) ?? []
  if (year === undefined) return false
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)))
  return date.getUTCDate() === Number(day) && Date.parse(text) < YEAR_10000
}
