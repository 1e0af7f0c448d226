import type { ShownStatus } from '@who-is-online/protocol/words'
import { type Choice, isHide, NO_CHOICE } from './choice.ts'
import type { SessionsElsewhere } from './elsewhere.ts'
import { presenceOf, type Said, type SessionsState } from './fact.ts'
import type { KnownChoice } from './present-user.ts'
import type { User } from './user.ts'
import { type At, type Grace, partOf, type SessionInfo, type UserPart } from './user-part.ts'
import { isVisibleSession, type Session } from './user-sessions.ts'
import type { SeenUser } from './view.ts'

// What a backend may know of a user besides what others see. All of it is derived, and nothing depends on it. Times are
// in ms since the epoch.

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
 * - `elsewhere`: it comes from another node of the cluster, which did not answer or could not be asked.
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
  /** The sessions whose connection was lost. */
  readonly graces: readonly Grace[]
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
  /** What the nodes agree on as the choice of the user; see {@link Elsewhere.choiceOf}. */
  readonly chosen: KnownChoice | undefined
  /** How long the choice to be hidden is kept of a user without a session, in ms. */
  readonly hiddenKeepMs: number
}

const NONE: readonly never[] = []

/**
 * The detail of a user, with the sessions on all nodes.
 *
 * @param isTruth whether it may tell that a user is hidden. Otherwise a hidden user is as if offline
 */
export function detailOf(
  { user, seen, elsewhere }: Pick<KnownUser, 'user' | 'seen' | 'elsewhere'>,
  isTruth: boolean,
): UserDetail {
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

/** What the other nodes have answered about a user. */
export interface AnsweredParts {
  readonly parts: readonly UserPart[]
  /** Whether all nodes have answered that have a session of the user. */
  readonly isWhole: boolean
}

/** Explains why a user shows as they do, with the truth about the user on all nodes that have answered. */
export function explain(known: KnownUser, { parts, isWhole }: AnsweredParts): Explanation {
  const { user, seen, at, elsewhere } = known
  const all = [partOf(user, at), ...parts]
  // Of a node that has not answered, the log tells at least whether a session is active.
  const unanswered = isWhole ? undefined : elsewhere
  const sessions = stateOf([...all.map(({ state }) => state), ...(unanswered ? [stateIn(unanswered)] : [])])
  const { choice, ...more } = choiceOf(known)
  const due = { sessions, choice }
  const delayedUntil = Math.max(0, ...all.map(part => part.delayedUntil ?? 0))
  return {
    reason: reasonOf({ due, seen, all, isDelayed: delayedUntil > 0, isWhole }),
    shown: seen,
    hidden: hides(due),
    sessions: all.flatMap(part => part.sessions),
    graces: all.flatMap(part => part.graces),
    choice,
    ...more,
    ...(delayedUntil > 0 && { delayed: { status: presenceOf(due).status, until: delayedUntil } }),
  }
}

/** The choice of the user that this node knows: of the user here, or what the nodes agree on if that is newer. */
function choiceOf({
  user,
  at,
  chosen,
  hiddenKeepMs,
}: KnownUser): Pick<Explanation, 'choice' | 'choiceKeptUntil'> {
  if (chosen && (!user || chosen.madeAt > user.chosenAt)) {
    const { choice, madeAt, keptSince } = chosen
    return {
      choice: { ...choice, ...(madeAt > 0 && { chosenAt: madeAt }) },
      ...(isHide(choice) && keptSince && { choiceKeptUntil: keptSince + hiddenKeepMs }),
    }
  }
  const { choice = NO_CHOICE, chosenAt = 0, keptUntil = 0 } = user ?? {}
  return {
    choice: { ...choice, ...(chosenAt > 0 && { chosenAt }) },
    ...(keptUntil > 0 && choice.expiresAt === undefined && { choiceKeptUntil: at(keptUntil) }),
  }
}

/** What decides the reason. */
interface Grounds {
  /** What others see when all is said. */
  readonly due: Said
  readonly seen: SeenUser
  readonly all: readonly UserPart[]
  readonly isDelayed: boolean
  readonly isWhole: boolean
}

function reasonOf({ due, seen, all, isDelayed, isWhole }: Grounds): Reason {
  if (presenceOf(due).status !== seen.status) {
    if (isDelayed) return 'delayed'
    // Otherwise a change is about to be read from the log, and the reason is that of the change.
    if (!isWhole) return 'elsewhere'
  }
  if (due.sessions === 'none') return 'noSession'
  if (hides(due)) return 'hidden'
  if (due.choice.status !== 'online') return 'chosen'
  if (due.sessions === 'idle') return 'idle'
  const held = new Set(all.flatMap(({ graces }) => graces.map(({ sessionId }) => sessionId)))
  const active = all.flatMap(({ sessions }) => sessions.filter(session => session.active))
  if (active.some(({ kind, sessionId }) => kind === 'socket' && !held.has(sessionId))) return 'active'
  if (active.some(({ kind }) => kind === 'lease')) return 'leased'
  return active.length > 0 || isWhole ? 'grace' : 'elsewhere'
}

function hides({ sessions, choice }: Said): boolean {
  return sessions !== 'none' && choice.status === 'offline'
}

function stateIn({ isActive }: SessionsElsewhere): SessionsState {
  return isActive ? 'active' : 'idle'
}

function stateOf(states: readonly SessionsState[]): SessionsState {
  if (states.includes('active')) return 'active'
  return states.includes('idle') ? 'idle' : 'none'
}
