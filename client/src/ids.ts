import { PresenceError } from './errors.ts'

/** Longest user id, in bytes of UTF-8. */
const MAX_ID_BYTES = 128

/** What a request needs beside its ids. */
const ENVELOPE_BYTES = 512

/** Neither empty, nor with control characters, nor with a lone surrogate, which UTF-8 can't carry. */
const USER_ID = /^[^\0-\x1f\x7f-\x9f\ud800-\udfff]+$/u

/** How many bytes of UTF-8 a text takes. */
export function bytes(text: string): number {
  return encodeURIComponent(text).replace(/%../g, '_').length
}

/** Whether something can be the id of a user. */
export function isUserId(id: unknown): id is string {
  return typeof id === 'string' && USER_ID.test(id) && bytes(id) <= MAX_ID_BYTES
}

/** Each id once. One that is none is told from the others here: a server refuses the whole list it stands in. */
export function checked(ids: Iterable<string>): Set<string> {
  const each = new Set(ids)
  for (const id of each) {
    if (!isUserId(id)) throw new PresenceError('bad_user_id', `not a user id: ${JSON.stringify(id)}`)
  }
  return each
}

/** How much fits into one message. */
export interface MessageLimits {
  readonly maxUserIds: number
  readonly maxMessageBytes: number
}

/** Ids in as many lists as messages need. */
export function split(ids: Iterable<string>, { maxUserIds, maxMessageBytes }: MessageLimits): string[][] {
  const lists: string[][] = []
  let list: string[] = []
  let left = 0
  for (const id of ids) {
    const size = bytes(JSON.stringify(id)) + 1
    if (list.length === 0 || list.length >= maxUserIds || size > left) {
      list = []
      lists.push(list)
      left = maxMessageBytes - ENVELOPE_BYTES
    }
    list.push(id)
    left -= size
  }
  return lists
}
