import type { Place } from './entry.ts'

/** Before all entries. */
export const BEFORE_ALL: Place = { epoch: 0, seq: 0 }

/** Whether a place comes before another one. */
export function isBefore(one: Place, other: Place): boolean {
  return one.epoch < other.epoch || (one.epoch === other.epoch && one.seq < other.seq)
}
