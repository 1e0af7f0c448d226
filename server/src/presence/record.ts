import type { Status, UserId } from '@who-is-online/protocol/words'
import type { StoredLease } from './lease.ts'

/**
 * What is stored of one user. `session` is the state when the record was made: `live` has an answering
 * connection, `held` has lost its connection and is in a grace period, `leased` has only leased sessions, `none` has no
 * session.
 */
export interface PresenceRecord {
  readonly userId: UserId
  readonly session: 'live' | 'held' | 'leased' | 'none'
  /** The leased sessions. Absent if there are none. */
  readonly leases?: readonly StoredLease[]
  /**
   * What the user chose. With a session, `offline` is a hidden user. Without a session it is `offline`,
   * unless a choice with an end (`expiresAt`) may still apply on returning.
   */
  readonly status: Status
  /** When the choice was made, in ms since the epoch. Absent if that is not known. */
  readonly chosenAt?: number
  /** The user has no session, but the choice `offline` applies on returning. */
  readonly keptHidden?: true
  readonly text?: string
  /** Ms since the epoch. */
  readonly expiresAt?: number
  /** All sessions are idle. */
  readonly idle?: true
  /** A session reported `client_state inactive`. Only with a session. */
  readonly inactive?: true
  /**
   * The last sign of life while the user was visible, in ms since the epoch, by the wall clock. It is not
   * behind the right time if that is known.
   */
  readonly lastSeen: number
  /**
   * By how much the clock was ahead when it wrote `lastSeen`, in ms. The clock was set back since. It is not
   * certain which of the two clocks was right, so `lastSeen` is stored as it was written.
   */
  readonly aheadMs?: number
  /** Others have never seen this user, who was always hidden. */
  readonly unseen?: true
  readonly username?: string
  /** A name that others do not see yet. */
  readonly newUsername?: string
}
