import type { Pace } from './pace.ts'

export interface PresenceOptions {
  /** How long a lost session may come back without a change, in ms. */
  readonly graceMs: number
  /**
   * The same for everybody who was present when an earlier process stopped, from the start of the next one.
   */
  readonly restartGraceMs: number
  /**
   * The same for a session that nobody looks at, if it is longer: browsers let hidden tabs run once a minute.
   */
  readonly inactiveGraceMs: number
  /**
   * If the process or its machine was suspended for this long or longer, clients have noticed it and are on
   * their way back, in ms.
   */
  readonly noticedMs: number
  /**
   * How long the choice to be hidden, and the time of any other choice, is kept for a user whose connection
   * was lost, in ms.
   */
  readonly hiddenKeepMs: number
  /**
   * How often one user's visible presence may change. Beyond it, what others see lags. Hiding never waits.
   */
  readonly changePace: Pace
  /** How many users are remembered. Beyond it, one who is gone is forgotten for each new one. */
  readonly maxKnown: number
  /** How long an offline user is remembered, in ms. */
  readonly keepMs: number
}
