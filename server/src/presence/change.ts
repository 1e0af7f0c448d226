import type { ShownStatus, UserId } from '@who-is-online/protocol/words'
import type { Choice } from './choice.ts'
import type { Cause, Fact } from './fact.ts'
import type { PresenceRecord } from './record.ts'

/**
 * One visible difference of one user: others see `status` from `at` on. If only the text, its end or the name has
 * changed, `previousStatus` equals `status`. All times are in ms since the epoch.
 */
export interface Change {
  readonly userId: UserId
  readonly status: ShownStatus
  readonly previousStatus: ShownStatus
  /** When others began to see the previous status; 0 if that is not known here, as for all who were offline. */
  readonly previousSince: number
  readonly at: number
  /** The last sign of life. */
  readonly lastSeen: number
  readonly cause: Cause
  readonly username: string | undefined
  readonly text: string | undefined
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
