import type { Status, UserId } from '@who-is-online/protocol/words'

/**
 * What is kept of one user between processes. `session` is what was known when it was stored: `live` has an
 * answering connection, `held` has lost it and is in a grace period, `none` has no session.
 */
export interface PresenceRecord {
  readonly userId: UserId
  readonly session: 'live' | 'held' | 'none'
  /**
   * What the user chose; `offline` with a session is a hidden user. Without a session it is `offline`, unless
   * a choice with an end (`expiresAt`) may still come back into force.
   */
  readonly status: Status
  /** When the choice was made, in ms since the epoch. Absent if that is not known. */
  readonly chosenAt?: number
  /** The user is gone (`session` is `none`), but the choice `offline` still counts when they come back. */
  readonly keptHidden?: true
  readonly text?: string
  /** Ms since the epoch. */
  readonly expiresAt?: number
  /** All sessions are idle. */
  readonly idle?: true
  /** A session reported that nobody looks at it (`client_state inactive`). Only with a session. */
  readonly inactive?: true
  /**
   * The last sign of life while the user was visible, in ms since the epoch. It is by the wall clock, but not
   * behind the right time if that is known.
   */
  readonly lastSeen: number
  /**
   * How far the clock was ahead that wrote `lastSeen`, in ms. It was set back since, and may have been right
   * before, so the time is stored as it was written.
   */
  readonly aheadMs?: number
  /** Others have never seen this user, who was always hidden. */
  readonly unseen?: true
  readonly username?: string
  /** A name that others do not see yet. */
  readonly newUsername?: string
}
