import type { UserId } from '@who-is-online/protocol/words'
import type { LeasesElsewhere } from './lease.ts'
import type { ChoiceLookup } from './present-user.ts'

/** What the other nodes of a cluster say of the sessions of a user. */
export interface SessionsElsewhere {
  /** Their ids. An id can occur twice while a session moves. */
  readonly ids: readonly string[]
  readonly isActive: boolean
  /** Whether at least one is connected, or leased, and visible to the user. */
  readonly isLookedAt: boolean
  /**
   * When the user was last active there, in ms since the epoch; 0 if that is not known. While a session is active, it
   * is at most 30 s too early.
   */
  readonly lastActive: number
}

/** What the other nodes of a cluster know. With one node there is nothing else to know. */
export interface Elsewhere {
  readonly choiceOf: ChoiceLookup
  /** A lower bound of the last sign of life of a visible user, in ms since the epoch. */
  readonly signOfLife: (userId: UserId) => number | undefined
  /** Whether the user has a session on another node, hidden or not. */
  readonly isPresent: (userId: UserId) => boolean
  /** `undefined` if the user has no session on another node, hidden or not. */
  readonly sessionsOf: (userId: UserId) => SessionsElsewhere | undefined
  /** What the other nodes say about a session id, and about the leased sessions of its user. */
  readonly leasesOf: (userId: UserId, sessionId: string) => LeasesElsewhere
}

export const NO_LEASES_ELSEWHERE: LeasesElsewhere = { isConnected: false, lease: undefined, others: [] }

export const NOWHERE_ELSE: Elsewhere = {
  choiceOf: () => undefined,
  signOfLife: () => undefined,
  isPresent: () => false,
  sessionsOf: () => undefined,
  leasesOf: () => NO_LEASES_ELSEWHERE,
}
