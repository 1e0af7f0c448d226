import type { Change } from '../../presence/change.ts'
import type { NumberedChange } from '../feed.ts'

/** The change of a user who becomes online. */
export function newChange(userId: string): Change {
  return { userId, status: 'online', previous: 'offline', at: 0, cause: 'opened' }
}

/** Changes with these numbers, in the same order. */
export function numbered(changes: readonly Change[], seqs: readonly number[]): NumberedChange[] {
  return changes.map((change, index) => ({ ...change, seq: seqs[index] as number }))
}
