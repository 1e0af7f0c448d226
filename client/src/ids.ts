import { PresenceError } from './errors.ts'
import { MAX_NAME_BYTES } from './protocol.ts'

/**
 * How many ids go into one message. Each takes at most 259 bytes: as JSON escapes it, twice its length (of nothing but
 * quotes), two quotes and a comma. So many fit into the 64 KiB that a server takes, and are fewer than the 1,000 it takes.
 */
export const IDS_PER_MESSAGE = 250

/** Neither empty, nor with control characters, nor with a lone surrogate, which UTF-8 can't carry. */
export const PRINTABLE = /^[^\0-\x1f\x7f-\x9f\ud800-\udfff]+$/u

/** Whether something can be the id of a user. */
export function isUserId(id: unknown): id is string {
  if (typeof id !== 'string' || !PRINTABLE.test(id)) return false
  return encodeURIComponent(id).replace(/%../g, '_').length <= MAX_NAME_BYTES
}

/** Each id once. One that is none is told from the others here: a server refuses the whole list it stands in. */
export function checked(ids: Iterable<string>): Set<string> {
  const each = new Set(ids)
  for (const id of each) {
    if (!isUserId(id)) throw new PresenceError('bad_user_id', `not a user id: ${id}`)
  }
  return each
}

/** Ids, or what has them, in as many lists as messages need. */
export function split<Item>(items: Iterable<Item>): Item[][] {
  const left = [...items]
  const lists: Item[][] = []
  while (left.length > 0) lists.push(left.splice(0, IDS_PER_MESSAGE))
  return lists
}
