/** A rate limit: `burst` at once, then one per `everyMs`. */
export interface Pace {
  readonly burst: number
  readonly everyMs: number
}

/** No limit: everything is allowed at once. */
export const UNPACED: Pace = { burst: Number.POSITIVE_INFINITY, everyMs: 0 }

/**
 * The state of a rate limiter, as one number: the time at which it has completely recovered, in the caller's
 * ms. It is the generic cell rate algorithm (GCRA, ITU-T I.371). 0 means that nothing was spent yet.
 */
export type Spent = number

/** The earliest time at which one more is allowed, in the caller's ms. */
export function readyAt(pace: Pace, spent: Spent): number {
  return pace.everyMs === 0 ? 0 : spent - (pace.burst - 1) * pace.everyMs
}

/** Counts one, whether it was allowed or not. One that was not allowed delays the next ones. */
export function spend(pace: Pace, spent: Spent, now: number): Spent {
  return Math.max(spent, now) + pace.everyMs
}
