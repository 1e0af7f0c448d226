/** `burst` at once, then one every `everyMs`. */
export interface Pace {
  readonly burst: number
  readonly everyMs: number
}

/** No limit: everything is allowed at once. */
export const UNPACED: Pace = { burst: Number.POSITIVE_INFINITY, everyMs: 0 }

/**
 * The state of a rate limiter, as one number: the time at which all that was spent is earned back (the
 * generic cell rate algorithm, GCRA, of ATM, ITU-T I.371). 0 means that nothing was spent yet.
 */
export type Spent = number

/** From when on one more may be spent, in the caller's ms. */
export function readyAt(pace: Pace, spent: Spent): number {
  return pace.everyMs === 0 ? 0 : spent - (pace.burst - 1) * pace.everyMs
}

/** Spends one, whether it was earned or not. What was not earned is a debt. */
export function spend(pace: Pace, spent: Spent, now: number): Spent {
  return Math.max(spent, now) + pace.everyMs
}
