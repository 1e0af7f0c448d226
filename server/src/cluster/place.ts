import type { Place } from './entry.ts'

/** Whether a place comes before another one. */
export function isBefore(one: Place, other: Place): boolean {
  return one.epoch < other.epoch || (one.epoch === other.epoch && one.seq < other.seq)
}
