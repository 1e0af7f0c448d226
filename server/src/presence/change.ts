import type { Presence, UserId } from '@who-is-online/protocol/words'

/** One visible difference of one user: from `at` on (ms since the epoch) others see `status`. */
export interface Change {
  readonly userId: UserId
  readonly status: Presence
  readonly at: number
}

/** What a step did: what others see of it, and whose record is no longer what it was. */
export interface Outcome {
  readonly changes: readonly Change[]
  readonly touched: readonly UserId[]
}

export const NOTHING: Outcome = { changes: [], touched: [] }
