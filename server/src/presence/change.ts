import type { Presence, UserId } from '@who-is-online/protocol/words'

/**
 * One visible difference of one user: from `at` on (ms since the epoch) others see `status`. Where only the text,
 * its end or the name differ, `previous` is the same.
 */
export interface Change {
  readonly userId: UserId
  readonly status: Presence
  readonly previous: Presence
  readonly at: number
}

/** What a step did: what others see of it, whose record is no longer what it was, and whose own choice is another. */
export interface Outcome {
  readonly changes: readonly Change[]
  readonly touched: readonly UserId[]
  readonly choices: readonly UserId[]
}

export const NOTHING: Outcome = { changes: [], touched: [], choices: [] }
