// A leased session: presence without a connection, for bots, agents and clients that speak only HTTP. A backend opens
// and renews it. Without a renewal it is lost.

/** The longest time for which a session can be leased, in ms. */
export const MAX_TTL_MS = 3_600_000

/** How many leased sessions a user can have, and all users together. */
export const MAX_LEASES_PER_USER = 20
export const MAX_LEASES = 100_000

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

/** A leased session as it is stored. Times are in ms since the epoch. */
export interface StoredLease {
  readonly sessionId: string
  readonly openedAt: number
  readonly endsAt: number
  readonly device?: string
  readonly idle?: true
}
