import type { Presence, UserId } from '@who-is-online/protocol/words'
import type { Choice } from './choice.ts'
import type { Cause, Fact } from './fact.ts'
import type { PresenceRecord } from './record.ts'

/**
 * One visible difference of one user: from `at` on (ms since the epoch) others see `status`. If only the
 * text, its end or the name differ, `previous` is the same.
 */
export interface Change {
  readonly userId: UserId
  readonly status: Presence
  readonly previous: Presence
  readonly at: number
  readonly cause: Cause
}

/** A user who has a session has another choice from now on. */
export interface OwnChoice {
  readonly userId: UserId
  readonly choice: Choice
  /** When it was made, in ms since the epoch; `undefined` if that is not known. */
  readonly madeAt: number | undefined
}

/** A session is over: it was left, or its grace period has ended. */
export interface EndedSession {
  readonly userId: UserId
  readonly sessionId: string
}

/** What a command has decided. */
export interface Decision {
  /**
   * What others are to see, in this order. Nothing is visible until {@link Presence.apply} is called with it.
   */
  readonly facts: readonly Fact[]
  /** The newest records of all users whose record has changed. */
  readonly records: readonly PresenceRecord[]
  /** Users who are not known any more. */
  readonly forgotten: readonly UserId[]
  readonly choices: readonly OwnChoice[]
  readonly ended: readonly EndedSession[]
}

export const NOTHING: Decision = { facts: [], records: [], forgotten: [], choices: [], ended: [] }
