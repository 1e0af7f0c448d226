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

/** Returns whether a value can be a user id: a string of 1 to 128 UTF-8 bytes without control characters. */
export function isUserId(id: unknown): id is string {
  return (
    typeof id === 'string' &&
    PRINTABLE.test(id) &&
    encodeURIComponent(id).replace(/%../g, '_').length <= MAX_NAME_BYTES
  )
}

/**
 * Returns the ids without duplicates. Throws a `PresenceError` `bad_user_id` for an invalid one: the server would
 * refuse the whole list, and with it valid ids from elsewhere in the application.
 */
export function validUserIds(ids: Iterable<string>): Set<string> {
  const unique = new Set(ids)
  for (const id of unique) {
    if (!isUserId(id))
      throw invalid(id, `a user id: 1 to ${MAX_NAME_BYTES} bytes without control characters`, 'bad_user_id')
  }
  return unique
}

/** Splits items into lists of at most {@link IDS_PER_MESSAGE}. */
export function chunk<Item>(items: Iterable<Item>): Item[][] {
  const rest = [...items]
  const lists: Item[][] = []
  while (rest.length) lists.push(rest.splice(0, IDS_PER_MESSAGE))
  return lists
}
