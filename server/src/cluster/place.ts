import type { Place } from './entry.ts'

/** Before all entries. */
export const BEFORE_ALL: Place = { epoch: 0, seq: 0 }

/**
 * The latest time that Redis may hold, in ms since the epoch: stamps have 15 digits. No clock tells the year 33658, and
 * `Date` can still show it.
 */
const LATEST_TIME = 999_999_999_999_999

/** Whether a number can be a time of a clock, in ms since the epoch. */
export function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= LATEST_TIME
}

/** Whether it is a count or a number. */
export function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/**
 * The end of the log; `undefined` if nodes can't continue there, because another program has written a number of 16
 * digits or more. An epoch then begins another log.
 */
export function usableEnd(end: Place | undefined): Place | undefined {
  return end && isTime(end.epoch) && isTime(end.seq) ? end : undefined
}

/** Whether a place comes before another one. */
export function isBefore(one: Place, other: Place): boolean {
  return one.epoch < other.epoch || (one.epoch === other.epoch && one.seq < other.seq)
}
