import type { ShownStatus } from '@who-is-online/protocol/words'
import { type Choice, NO_CHOICE } from './choice.ts'
import type { SessionsElsewhere } from './elsewhere.ts'
import { presenceOf } from './fact.ts'
import type { User } from './user.ts'
import { BEFORE_RESTART, isVisibleSession, type Session } from './user-sessions.ts'
import type { SeenUser } from './view.ts'

// What a backend may know of a user besides what others see. All of it is derived, and nothing depends on it. Times are
// in ms since the epoch.

/** Converts awake time to ms since the epoch; see `WallClock.at`. */
type At = (awake: number) => number

/** A session of a user on this node, hidden or not. A session whose connection was lost counts during its grace. */
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

/** What decides whether to push a notification: push it unless the user is active and visible. */
export interface UserDetail {
  readonly sessions: number
  /** Whether at least one session is active. */
  readonly active: boolean
  /** Whether at least one session is connected and visible to the user. */
  readonly visible: boolean
  /** When the user was last active. Null for a user whom others have never seen. */
  readonly lastActive: number | null
}

/**
 * Why a user shows as they do:
 *
 * - `noSession`: the user has no session.
 * - `hidden`: the user has a session and chose to appear offline.
 * - `chosen`: the status is what the user chose.
 * - `idle`: the user chose `online` and is idle in every session.
 * - `active`: the user is active in a connected session.
 * - `leased`: the user is active in a leased session, and in no connected one.
 * - `grace`: the user is active only in sessions whose connection was lost, and whose grace is not over.
 * - `delayed`: others will see another status when the rate limit of visible changes allows it.
 * - `elsewhere`: what others see comes from another node of the cluster.
 */
export type Reason =
  | 'noSession'
  | 'hidden'
  | 'chosen'
  | 'idle'
  | 'active'
  | 'leased'
  | 'grace'
  | 'delayed'
  | 'elsewhere'

/** Why a user shows as they do, and all that decides it. It tells whether the user is hidden. */
export interface Explanation {
  readonly reason: Reason
  readonly shown: SeenUser
  readonly hidden: boolean
  readonly sessions: readonly SessionInfo[]
  /**
   * The sessions whose connection was lost, and when their grace ends. Without a `sessionId`: the sessions of before a
   * restart.
   */
  readonly graces: readonly { readonly sessionId?: string; readonly endsAt: number }[]
  /** What the user chose, and when. Without a session, it applies when the user returns. */
  readonly choice: Choice & { readonly chosenAt?: number }
  /** Until when the choice of a user without a session is kept, if it has no end. */
  readonly choiceKeptUntil?: number
  /** The status that the rate limit of visible changes delays, and until when. */
  readonly delayed?: { readonly status: ShownStatus; readonly until: number }
}

/** What this node knows of one user, and what the other nodes say of the sessions. */
export interface KnownUser {
  /** Undefined if this node knows nothing besides what others see. */
  readonly user: User | undefined
  readonly seen: SeenUser
  readonly at: At
  /** Undefined if the other nodes have no session of the user. */
  readonly elsewhere: SessionsElsewhere | undefined
}

const NONE: readonly never[] = []

/** The sessions of a user on this node, without the placeholder for those of before a restart. */
export function sessionsOf({ user, at }: Pick<KnownUser, 'user' | 'at'>): SessionInfo[] {
  const sessions = user?.sessions.filter(({ id }) => id !== BEFORE_RESTART) ?? []
  return sessions.map(session => infoOf(session, at))
}

/**
 * The detail of a user, with the sessions on all nodes.
 *
 * @param isTruth whether it may tell that a user is hidden. Otherwise a hidden user is as if offline
 */
export function detailOf({ user, seen, elsewhere }: KnownUser, isTruth: boolean): UserDetail {
  const isPresent = seen.status !== 'offline' || isTruth
  const sessions = (isPresent && user?.sessions) || NONE
  const others = isPresent ? elsewhere : undefined
  const own = sessions.filter(({ isIdle }) => !isIdle)
  const isActive = own.length > 0 || others?.isActive === true
  const times = isActive ? own.map(({ aliveAt }) => aliveAt) : sessions.map(({ idleSince }) => idleSince)
  if (others?.isActive === isActive) times.push(others.lastActive)
  return {
    sessions: others ? idsOf(sessions, others).size : sessions.length,
    active: isActive,
    visible: sessions.some(isVisibleSession) || others?.isLookedAt === true,
    // The times of sessions of before a restart are not known.
    lastActive: Math.max(0, ...times) || seen.lastSeen,
  }
}

/** The ids of the sessions on all nodes: one that moves is on two of them for a moment. */
function idsOf(sessions: readonly Session[], { ids }: SessionsElsewhere): Set<string> {
  return new Set([...sessions.map(({ id }) => id), ...ids])
}

/** Explains why a user shows as they do, with the truth about the user. */
export function explain(known: KnownUser): Explanation {
  const { user, seen, at } = known
  const { choice = NO_CHOICE, chosenAt = 0, turn = 0, keptUntil = 0 } = user ?? {}
  const held = user?.sessions.filter(({ state }) => state === 'held') ?? []
  const due = user ? presenceOf(user.due).status : 'offline'
  return {
    reason: reasonOf(known),
    shown: seen,
    hidden: user?.hides === true,
    sessions: sessionsOf(known),
    graces: held.map(session => ({
      ...(session.id !== BEFORE_RESTART && { sessionId: session.id }),
      endsAt: at('until' in session ? session.until : 0),
    })),
    choice: { ...choice, ...(chosenAt > 0 && { chosenAt }) },
    ...(keptUntil > 0 && choice.expiresAt === undefined && { choiceKeptUntil: at(keptUntil) }),
    ...(turn > 0 && { delayed: { status: due, until: at(turn) } }),
  }
}

function reasonOf({ user, seen }: KnownUser): Reason {
  const due = user ? presenceOf(user.due).status : 'offline'
  if (due !== seen.status) return user && user.turn > 0 ? 'delayed' : 'elsewhere'
  if (!user?.hasSessions) return 'noSession'
  if (user.hides) return 'hidden'
  if (user.choice.status !== 'online') return 'chosen'
  if (user.isIdle) return 'idle'
  const active = user.sessions.filter(({ isIdle }) => !isIdle)
  if (active.some(({ state }) => state === 'live')) return 'active'
  return active.some(({ state }) => state === 'leased') ? 'leased' : 'grace'
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
