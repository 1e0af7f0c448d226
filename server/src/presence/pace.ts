/** `burst` at once, then one every `everyMs`. */
export interface Pace {
  readonly burst: number
  readonly everyMs: number
}

/** No pace at all: everything goes at once. */
export const UNPACED: Pace = { burst: Number.POSITIVE_INFINITY, everyMs: 0 }

/**
 * How a pace is kept, as one number: the time at which all that was spent is earned back (the generic cell
 * rate algorithm of ATM, ITU-T I.371). 0 says that nothing was spent yet.
 */
export type Spent = number

/** From when on one more may be spent, in ms since the epoch. */
export function readyAt(pace: Pace, spent: Spent): number {
  return pace.everyMs === 0 ? 0 : spent - (pace.burst - 1) * pace.everyMs
}

/** Spends one, whether it was earned or not; what was not is owed. */
export function spend(pace: Pace, spent: Spent, now: number): Spent {
  return Math.max(spent, now) + pace.everyMs
}
