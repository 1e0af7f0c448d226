import type { Change } from '../../presence/change.ts'
import type { NumberedChange } from '../feed.ts'

/** The change of a user who becomes online. */
export function newChange(userId: string): Change {
  return {
    userId,
    status: 'online',
    previousStatus: 'offline',
    previousSince: 0,
    at: 0,
    lastSeen: 0,
    cause: 'opened',
    username: undefined,
    text: undefined,
  }
}

/** Changes with these numbers, in the same order. */
export function numbered(changes: readonly Change[], seqs: readonly number[]): NumberedChange[] {
  return changes.map((change, index) => ({ ...change, seq: seqs[index] as number }))
}
