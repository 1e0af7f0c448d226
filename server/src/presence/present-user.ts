import type { UserId } from '@who-is-online/protocol/words'
import type { Choice } from './choice.ts'
import type { Said } from './fact.ts'
import type { LeaseTold } from './lease.ts'

/** A choice that was acknowledged by any node, and when it was made, in ms since the epoch; 0 if that is not known. */
export interface KnownChoice {
  readonly choice: Choice
  readonly madeAt: number
  /**
   * Since when a user who hides has no session, in ms since the epoch. `undefined` while there is one, or if nobody has
   * said it yet.
   */
  readonly keptSince?: number | undefined
}

/**
 * The value of `keptSince` of a choice that a backend has made on a node without a session of the user. Each node that
 * has one takes the choice, and says it again without this. So as long as no session has had it, it does not count for
 * a user who comes, unless it has an end.
 */
export const NO_SESSION_YET = 0

/**
 * Returns the choice that a user has in the cluster; undefined if no choice still counts. With one node it is always
 * undefined.
 */
export type ChoiceLookup = (userId: UserId) => KnownChoice | undefined

/** What this node knows of a user now. The log of a cluster is told it. */
export interface PresentUser extends KnownChoice {
  readonly said: Said
  /** Whether the user has a session, or others still see the user. */
  readonly isHere: boolean
  readonly isVisible: boolean
  readonly connections: number
  /** When each session was opened, in ms since the epoch, by its id. */
  readonly sessions: Readonly<Record<string, number>>
  /** Whether at least one session is connected, or leased, and visible to the user. */
  readonly isLookedAt: boolean
  /** Since when all sessions are idle, in ms since the epoch; 0 if that is not known. `undefined` if one is active. */
  readonly idleSince: number | undefined
  /** See {@link User.isSetAhead}. */
  readonly isSetAhead: boolean
  readonly leases: readonly LeaseTold[]
  /** The ids of the sessions whose connection was lost. */
  readonly held: readonly string[]
  /** What others will see when all pending facts are visible; undefined for a user whom others have never seen. */
  readonly lastSeen: number | undefined
  readonly username: string | undefined
}
