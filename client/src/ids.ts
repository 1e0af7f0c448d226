import { invalid } from './errors.ts'
import { MAX_NAME_BYTES } from './protocol.ts'

/**
 * Most user ids in one message. An id takes at most 259 bytes as JSON: 128 quotes, each escaped to two bytes,
 * two quotes around them and a comma. So many ids fit into the server's limits of 64 KiB and 1,000 ids a
 * message.
 */
export const IDS_PER_MESSAGE = 250

/** At least one character, no control characters, and no lone surrogates, which UTF-8 cannot encode. */
export const PRINTABLE = /^[^\0-\x1f\x7f-\x9f\ud800-\udfff]+$/u

/**
 * The id of a user: a string of 1 to 128 UTF-8 bytes without control characters, or a safe integer, which is the same
 * id as its digits: `7` and `'7'` are one user.
 */
export type UserId = string | number

/** Returns an id as a string; undefined if the value cannot be the id of a user. */
export function idOf(value: unknown): string | undefined {
  const id = Number.isSafeInteger(value) ? `${value}` : value
  const isId =
    typeof id === 'string' &&
    PRINTABLE.test(id) &&
    encodeURIComponent(id).replace(/%../g, '_').length <= MAX_NAME_BYTES
  return isId ? id : undefined
}

/**
 * Returns one id or several as strings, without duplicates. Throws a `PresenceError` `bad_user_id` for an invalid one:
 * the server would refuse the whole list, and with it valid ids from elsewhere in the application.
 */
export function validUserIds(ids: UserId | Iterable<UserId>): Set<string> {
  const list: Iterable<UserId> = typeof ids === 'object' ? ids : [ids]
  return new Set(Array.from(list, validUserId))
}

/** Returns a valid id as a string. Throws a `PresenceError` `bad_user_id` for any other value. */
export function validUserId(value: unknown): string {
  const id = idOf(value)
  if (id) return id
  throw invalid(
    `${value}`,
    `a user id: 1 to ${MAX_NAME_BYTES} bytes without control characters`,
    'bad_user_id',
  )
}

/** Splits items into lists of at most {@link IDS_PER_MESSAGE}. */
export function chunk<Item>(items: Iterable<Item>): Item[][] {
  const rest = [...items]
  const lists: Item[][] = []
  while (rest.length) lists.push(rest.splice(0, IDS_PER_MESSAGE))
  return lists
}
