import type { Pace } from './pace.ts'

export interface PresenceOptions {
  /** The grace period: how long a lost session is held, in ms. */
  readonly graceMs: number
  /** The grace period after a start, for users who were present when the earlier process stopped, in ms. */
  readonly restartGraceMs: number
  /**
   * The grace period of an inactive session, in ms, if it is longer: browsers let hidden tabs run once a
   * minute.
   */
  readonly inactiveGraceMs: number
  /** A suspension of this length or longer, in ms, is noticed by clients: they reconnect. */
  readonly noticedMs: number
  /**
   * How long an offline user whose connection was lost keeps the choice to be hidden, and the time of any
   * other choice, in ms.
   */
  readonly hiddenKeepMs: number
  /**
   * The rate limit of the visible changes of one user. Further changes become visible later. Hiding is never
   * delayed.
   */
  readonly changePace: Pace
  /** The maximum number of known users. Beyond it, one offline user is forgotten for each new user. */
  readonly maxKnown: number
  /** How long an offline user is known, in ms. */
  readonly keepMs: number
}
