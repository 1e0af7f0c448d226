import type { UserId } from '@who-is-online/protocol/words'

// A leased session: presence without a connection, for bots, agents and clients that speak only HTTP. A backend opens
// and renews it. Without a renewal it is lost.

/** The longest time for which a session can be leased, in ms. */
export const MAX_TTL_MS = 3_600_000

/** How many leased sessions a user can have, and all users together. */
export const MAX_LEASES_PER_USER = 20
export const MAX_LEASES = 100_000

/**
 * A renewal that moves the end of a lease by less than this part of its `ttlMs` is not told to the other nodes of a
 * cluster. So a client that renews often costs them little. A node that takes a lease over adds this part to the end
 * that it was told: the lease never ends too early.
 */
const UNTOLD_PART = 1 / 4

/** By how much the end of a lease may be later than the one that the other nodes were told, in ms. */
export function untoldMs(ttlMs: number): number {
  return ttlMs * UNTOLD_PART
}

/** What a backend says about a leased session. What it does not say stays as it is. */
export interface LeaseTerms {
  /** After how long the session ends without a renewal, in ms: 2,000 to {@link MAX_TTL_MS}. */
  readonly ttlMs: number
  /** The kind of device, at most 32 bytes. */
  readonly device?: string | undefined
  /** Whether the user is active or idle in this session. A new session is active. */
  readonly activity?: 'active' | 'idle' | undefined
  /** The name of the user. */
  readonly username?: string | undefined
}

/**
 * Why a session was not leased:
 *
 * - `connected`: a client is connected with this session id.
 * - `tooManyOfUser`: the user has {@link MAX_LEASES_PER_USER} leased sessions.
 * - `tooMany`: all users together have {@link MAX_LEASES} of them.
 * - `refused`: the user may not connect for a while.
 * - `stopping`: the server stops.
 */
export type LeaseRefusal = 'connected' | 'tooManyOfUser' | 'tooMany' | 'refused' | 'stopping'

/** A leased session as a node of a cluster tells it, so that another node can take it over. */
export interface LeaseTold {
  readonly sessionId: string
  /** In ms since the epoch. */
  readonly openedAt: number
  /**
   * Since when the node has the session, in ms since the epoch. If two nodes have it, it continues on the one with the
   * later time.
   */
  readonly since: number
  /** In how long it ends without a renewal, in ms. */
  readonly leftMs: number
  /** How long ago it was renewed, in ms. */
  readonly ageMs: number
  /**
   * A time by the clock of Redis before which it was not renewed, in ms since the epoch; 0 if none is known. The nodes
   * read that clock differently, and a node that takes a session over has renewed it later.
   */
  readonly notBefore: number
  readonly ttlMs: number
  readonly device?: string | undefined
  /** Since when it is idle, in ms since the epoch; 0 if that is not known, and undefined if it is active. */
  readonly idleSince?: number | undefined
}

/** What the other nodes of a cluster say about a session id, and about the leased sessions of its user. */
export interface LeasesElsewhere {
  /** Whether a client is connected with this id. */
  readonly isConnected: boolean
  /** The leased session with this id. */
  readonly lease: LeaseTold | undefined
  /** The ids of the other leased sessions of the user. */
  readonly others: readonly string[]
}

/** Leased sessions of a user whose node is lost or stops. Another node takes them over. */
export interface OrphanedLeases {
  readonly userId: UserId
  /** The last sign of life, in ms since the epoch. */
  readonly heardAt: number
  readonly leases: readonly LeaseTold[]
}

/** A leased session as it is stored. Times are in ms since the epoch. */
export interface StoredLease {
  readonly sessionId: string
  readonly openedAt: number
  readonly endsAt: number
  readonly device?: string
  readonly idle?: true
}
