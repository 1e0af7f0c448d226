import type { ShownStatus, UserId } from '@who-is-online/protocol/words'
import type { Choice } from './choice.ts'
import type { Cause, Fact } from './fact.ts'
import type { PresenceRecord } from './record.ts'

/**
 * One visible difference of one user: others see `status` from `at` on, in ms since the epoch. If only the
 * text, its end or the name has changed, `previous` equals `status`.
 */
export interface Change {
  readonly userId: UserId
  readonly status: ShownStatus
  readonly previous: ShownStatus
  readonly at: number
  readonly cause: Cause
}

/** A new choice of a user who has a session, to be sent to the user's own connections. */
export interface OwnChoice {
  readonly userId: UserId
  readonly choice: Choice
  /** When it was made, in ms since the epoch; `undefined` if that is not known. */
  readonly madeAt: number | undefined
}

/** A session that has ended: it was left, or its grace period is over. */
export interface EndedSession {
  readonly userId: UserId
  readonly sessionId: string
}

/** What a command has decided. */
export interface Decision {
  /**
   * What others should see, in this order. It becomes visible when {@link Presence.apply} is called with it.
   */
  readonly facts: readonly Fact[]
  /** The newest record of each user whose record has changed. */
  readonly records: readonly PresenceRecord[]
  /** Users who were forgotten. */
  readonly forgotten: readonly UserId[]
  readonly choices: readonly OwnChoice[]
  readonly ended: readonly EndedSession[]
}

export const NOTHING: Decision = { facts: [], records: [], forgotten: [], choices: [], ended: [] }
