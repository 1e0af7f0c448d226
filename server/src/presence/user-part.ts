import type { SessionsState } from './fact.ts'
import type { User } from './user.ts'
import { BEFORE_RESTART, isVisibleSession, type Session } from './user-sessions.ts'

// What one node knows of the sessions of a user. Nodes tell it each other when a backend asks, so it is JSON. Times are
// in ms since the epoch.

/** Converts awake time to ms since the epoch; see `WallClock.at`. */
export type At = (awake: number) => number

/** A session of a user, hidden or not. A session whose connection was lost counts during its grace. */
export interface SessionInfo {
  readonly sessionId: string
  /** `lease`: it has no connection, and a backend renews it. */
  readonly kind: 'socket' | 'lease'
  readonly device?: string | undefined
  readonly connectedAt: number
  /** The last proof of life, or the last renewal. */
  readonly lastAliveAt: number
  readonly active: boolean
  /** Whether the client is visible to its user, and connected. A leased session is. */
  readonly visible: boolean
  /** When a leased session ends without a renewal. */
  readonly leaseEndsAt?: number
}

/** A session whose connection was lost, and when its grace ends. Without `sessionId`: those of before a restart. */
export interface Grace {
  readonly sessionId?: string
  readonly endsAt: number
}

/** What one node knows of the sessions of a user. */
export interface UserPart {
  /** All sessions together, also those of before a restart. */
  readonly state: SessionsState
  readonly sessions: readonly SessionInfo[]
  readonly graces: readonly Grace[]
  /** Until when the rate limit of visible changes delays what this node says. */
  readonly delayedUntil?: number
  /** How many more sessions there are than these. */
  readonly more?: number
}

/** What this node knows of the sessions of a user. `user` is undefined if it knows nothing. */
export function partOf(user: User | undefined, at: At): UserPart {
  const all = user?.sessions ?? []
  const isListed = ({ id }: Session) => id !== BEFORE_RESTART
  const held = all.filter(session => session.state === 'held')
  return {
    state: user?.due.sessions ?? 'none',
    sessions: all.filter(isListed).map(session => infoOf(session, at)),
    graces: held.map(session => ({
      ...(isListed(session) && { sessionId: session.id }),
      endsAt: at(session.until),
    })),
    ...(user && user.turn > 0 && { delayedUntil: at(user.turn) }),
  }
}

function infoOf(session: Session, at: At): SessionInfo {
  const { id, device, openedAt, aliveAt, isIdle } = session
  const isLease = session.state === 'leased'
  return {
    sessionId: id,
    kind: isLease ? 'lease' : 'socket',
    ...(device !== undefined && { device }),
    connectedAt: openedAt,
    lastAliveAt: aliveAt,
    active: !isIdle,
    visible: isVisibleSession(session),
    ...(isLease && { leaseEndsAt: at(session.until) }),
  }
}
