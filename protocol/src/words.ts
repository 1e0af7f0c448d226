/** Whoever an application says is there. See {@link nameProblem} for what is a user id. */
export type UserId = string

/** What a user chose. `offline` means "appear offline": connected, and hidden from everybody. */
export type Status = 'online' | 'offline'

/** What others see of a user. Derived from sessions and choice, never set. */
export type Presence = 'online' | 'offline'

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
