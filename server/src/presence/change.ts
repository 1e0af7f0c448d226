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

/** What a step did. */
export interface Outcome {
  /** What others see of it. */
  readonly changes: readonly Change[]
  /** The users whose records have changed and must be saved. */
  readonly dirty: readonly UserId[]
  /** The users whose own choice has changed, and who have a session to be told. */
  readonly choices: readonly UserId[]
}

export const NOTHING: Outcome = { changes: [], dirty: [], choices: [] }
