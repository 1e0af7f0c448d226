import type { UserId } from '@who-is-online/protocol/words'
import {
  type Choice,
  type FirstChoice,
  hasExpired,
  isHide,
  isPlain,
  isSameChoice,
  isSameShown,
  NO_CHOICE,
} from './choice.ts'
import { type Cause, NOTHING_SAID, presenceOf, type Said, type SessionsState } from './fact.ts'
import type { LeaseTold, StoredLease } from './lease.ts'
import {
  isVisibleSession,
  type LeaseStart,
  type Session,
  type SessionChange,
  type SessionName,
  UserSessions,
} from './user-sessions.ts'
import { ownCopy } from './user-table.ts'

/**
 * How far in the future the time of a choice may be, in ms. A later time comes from before the clock was set
 * back.
 */
const CLOCK_TOLERANCE_MS = 5_000

/** The state of an active user, who has a session or is still visible to others. */
interface ActiveState {
  readonly sessions: UserSessions
  /** How the last session ended. */
  end: 'left' | 'lost' | 'kicked'
  said: Said
  /**
   * The last sign of life in this process, hidden or not, in ms since the epoch; -Infinity before the first
   * one.
   */
  heard: number
  /** When a delayed change becomes visible, in awake time; 0 if no change is delayed. */
  turn: number
}

/**
 * Whether the sessions have answered lately: `live` if one is connected, `held` if none is and one was lost, `leased`
 * if there are only leased ones. A user without a session is `held` while others still see the user.
 */
type Liveness = 'live' | 'held' | 'leased' | 'none'

/**
 * What becomes of a choice that this node keeps. It is `over` if another node has the user with that choice, or knows a
 * newer one, or the log has a choice without an end. It is `unsaid` if the log has an older one: another node has said
 * that one at the same time.
 */
type KeptChoice = 'kept' | 'over' | 'unsaid'

/**
 * A user about whom this node knows more than others see: sessions, a choice or a new name. Most known users
 * have no such object.
 */
export class User {
  readonly userId: UserId
  /**
   * When this node first learned about the user, in ms since the epoch. It is used only for a user whom
   * others have never seen.
   */
  readonly knownSince: number
  /** Whether others have ever seen this user. For others, a user who was always hidden does not exist. */
  wasSeen: boolean
  /**
   * Whether the choice ends by the wall clock although that is ahead: the choice was made since then, by that
   * clock.
   */
  isChoiceByWall = false
  #isSetAhead = false
  /** Whether this node has read the choice ahead in the log. What replaces it there is not older. */
  #isAheadLogged = false
  #newName: string | undefined
  /** A user without a session keeps only a choice with an end, and for some time the choice to be hidden. */
  #choice: Choice = NO_CHOICE
  /** Whether the previous choice has expired. */
  #hasExpired = false
  #chosenAt = 0
  #keptUntil = 0
  #countedLeases = 0
  #state: ActiveState | undefined

  constructor(userId: UserId, knownSince: number, wasSeen: boolean) {
    this.userId = userId
    this.knownSince = knownSince
    this.wasSeen = wasSeen
  }

  /**
   * A name that others do not see yet. They see it with the next visible status, or when the rate limit
   * allows.
   */
  get newName(): string | undefined {
    return this.#newName
  }

  get choice(): Choice {
    return this.#choice
  }

  /**
   * When the user last made a choice, in ms since the epoch; 0 if that is not known. An older choice does not
   * replace a newer one.
   */
  get chosenAt(): number {
    return this.#chosenAt
  }

  /**
   * Until when the choice of a user without a session and its time are kept, in awake time; 0 if they are not
   * kept.
   */
  get keptUntil(): number {
    return this.#keptUntil
  }

  /**
   * Whether a backend has set the choice while the user had no session on this node, and no session has begun here
   * since. With an end, it applies when the user comes. Without one, it counts only on another node where the user has
   * a session, and this node keeps it until the log has it.
   */
  get isSetAhead(): boolean {
    return this.#isSetAhead
  }

  /** Whether the user has no session, but will be hidden on returning before `keptUntil`. */
  get isKeptHidden(): boolean {
    return this.#keptUntil > 0 && isHide(this.#choice)
  }

  /** What this node has said about the user. */
  get said(): Said {
    return this.#state?.said ?? NOTHING_SAID
  }

  /** What others should see of the user now. It is said at once, or when the rate limit allows. */
  get due(): Said {
    return { sessions: this.#sessionsState(), choice: this.#choice }
  }

  /** Whether others see the user as present, according to what this node has said. */
  get isVisible(): boolean {
    return presenceOf(this.said).status !== 'offline'
  }

  /** Whether others see the user as present, or will when the rate limit allows. */
  get isShownNext(): boolean {
    return this.isVisible || presenceOf(this.due).status !== 'offline'
  }

  /** Whether others have nothing new to see of the user. */
  get isSaid(): boolean {
    const due = presenceOf(this.due)
    return (
      isSameShown(due, presenceOf(this.said)) && (due.status === 'offline' || this.#newName === undefined)
    )
  }

  /** Whether the user has a session and is hidden. */
  get hides(): boolean {
    return this.hasSessions && this.#choice.status === 'offline'
  }

  get hasSessions(): boolean {
    return this.#state !== undefined && this.#state.sessions.size > 0
  }

  /** Whether the user has sessions, and all of them are idle. */
  get isIdle(): boolean {
    return this.#sessionsState() === 'idle'
  }

  /** Since when the user is idle in all sessions, in ms since the epoch; 0 if that is not known. */
  get idleSince(): number | undefined {
    return this.isIdle ? this.#state?.sessions.idleSince : undefined
  }

  /** Whether at least one session is connected, or leased, and visible to the user. */
  get isLookedAt(): boolean {
    return this.sessions.some(isVisibleSession)
  }

  /** When something of the sessions ends; see {@link UserSessions.nextEnd}. */
  get nextEnd(): number | undefined {
    return this.#state?.sessions.nextEnd
  }

  get leaseCount(): number {
    return this.#state?.sessions.leaseCount ?? 0
  }

  /** How many leased sessions there are more than at the last call. */
  takeLeaseDifference(): number {
    const difference = this.leaseCount - this.#countedLeases
    this.#countedLeases = this.leaseCount
    return difference
  }

  /** All sessions, live, held and leased; see {@link UserSessions.all}. */
  get sessions(): readonly Session[] {
    return this.#state?.sessions.all ?? []
  }

  /** The leased sessions as they are stored; see {@link UserSessions.leases}. */
  leases(at: (awake: number) => number): StoredLease[] {
    return this.#state?.sessions.leases(at) ?? []
  }

  /** The leased sessions as other nodes are told of them; see {@link UserSessions.leasesTold}. */
  leasesTold(now: number, awake: number): LeaseTold[] {
    return this.leaseCount === 0 ? [] : (this.#state?.sessions.leasesTold(now, awake) ?? [])
  }

  /** The ids of the sessions whose connection was lost. */
  get heldIds(): readonly string[] {
    return this.#state?.sessions.heldIds ?? []
  }

  /** When a delayed change becomes visible, in awake time; 0 if no change is delayed. */
  get turn(): number {
    return this.#state?.turn ?? 0
  }

  get liveCount(): number {
    return this.#state?.sessions.liveCount ?? 0
  }

  /** When each session was opened; see {@link UserSessions.openedAt}. */
  get openedAt(): Readonly<Record<string, number>> {
    return this.#state?.sessions.openedAt ?? {}
  }

  /** Whether at least one session is inactive. */
  get isInactive(): boolean {
    return this.#state?.sessions.hasInactive === true
  }

  /**
   * Whether this object can be dropped, because it holds nothing besides what others see. The new name of a
   * user whom others have never seen is not kept.
   */
  get isDone(): boolean {
    return (
      this.#state === undefined &&
      (this.#newName === undefined || !this.wasSeen) &&
      this.#chosenAt === 0 &&
      isPlain(this.#choice)
    )
  }

  get liveness(): Liveness {
    if (!this.#state) return 'none'
    if (this.liveCount > 0) return 'live'
    if (this.leaseCount > 0 && this.#state.sessions.heldCount === 0) return 'leased'
    // If the change to offline is delayed, there is no session, but others still see the user.
    return this.hasSessions || this.isVisible ? 'held' : 'none'
  }

  /**
   * The last sign of life in this process, hidden or not, in ms since the epoch; undefined if there was none.
   */
  get heardAt(): number | undefined {
    const heard = this.#state?.heard
    return heard === undefined || heard === Number.NEGATIVE_INFINITY ? undefined : heard
  }

  /** Begins a session; see {@link UserSessions.open}. */
  open(session: SessionName, now: number, device?: string): void {
    this.#state ??= newState(now)
    this.#keptUntil = 0
    this.#isSetAhead = false
    this.#state.sessions.open(session, now, device)
    this.heard(now)
  }

  /** Whether a client is connected with this session id. */
  isLive(id: string): boolean {
    return this.#state?.sessions.isLive(id) === true
  }

  /** Whether there is a session with this id, in any state. */
  hasSession(id: string): boolean {
    return this.#state?.sessions.has(id) === true
  }

  /** Whether this session is leased. */
  isLeased(id: string): boolean {
    return this.#state?.sessions.isLeased(id) === true
  }

  /** Leases or renews a session; see {@link UserSessions.lease}. */
  lease(id: string, now: number, start: LeaseStart): ReturnType<UserSessions['lease']> {
    this.#state ??= newState(now)
    this.#keptUntil = 0
    this.#isSetAhead = false
    this.heard(now)
    return this.#state.sessions.lease(id, now, start)
  }

  /** Takes over a leased session of another node; see {@link UserSessions.takeOver}. That is no sign of life. */
  takeOver(lease: LeaseTold, heardAt: number, now: number, awake: number): void {
    this.#state ??= newState(heardAt)
    this.#keptUntil = 0
    this.heard(heardAt)
    this.#state.sessions.takeOver(lease, now, awake)
  }

  /** Ends the sessions with this id, live, held or leased, as if each was left. Returns their ids. */
  endSession(id: string): string[] {
    const ended = this.#state?.sessions.endSession(id) ?? []
    if (ended.length > 0) this.#left()
    return ended
  }

  /** Holds a session that was lost; see {@link UserSessions.hold}. */
  hold(id: string, until: number, inactiveUntil: number): number {
    return this.#state?.sessions.hold(id, until, inactiveUntil) ?? until
  }

  /**
   * Ends a session that was left. If it was the last one, the choice to be hidden ends too, unless it has an
   * end. An unknown session changes nothing. Returns whether the session existed.
   */
  end(id: string): boolean {
    if (!this.#state?.sessions.end(id)) return false
    this.#left()
    return true
  }

  /**
   * Ends all sessions, also those that are held. Besides the cause of the change, it is as if each was left. Returns
   * the ids of those that clients know.
   */
  endAll(): string[] {
    if (!this.#state || !this.hasSessions) return []
    const ended = this.#state.sessions.endAll()
    this.#left()
    this.#state.end = 'kicked'
    return ended
  }

  /**
   * Ends a session that continues on another node, live or held. For this node that is the same as leaving: the cluster
   * knows the choice of a user who is elsewhere. Returns whether the session existed.
   */
  endMoved(id: string): boolean {
    if (!this.#state?.sessions.endMoved(id)) return false
    this.#left()
    return true
  }

  /** Keeps every held or leased session at least until `until`. Returns whether one of them is kept longer now. */
  holdLonger(until: number): boolean {
    return this.#state?.sessions.holdLonger(until) ?? false
  }

  /** Ends every held or leased session whose time is over. Returns the ids of those that clients know. */
  endHeld(awake: number): string[] {
    if (!this.#state) return []
    const { sessions } = this.#state
    const before = sessions.size
    const ended = sessions.endHeld(awake)
    if (sessions.size < before) this.#state.end = 'lost'
    return ended
  }

  /** Restores a choice from a record. */
  restoreChoice(choice: Choice, chosenAt: number, now: number): void {
    this.#choose(hasExpired(choice, now) ? NO_CHOICE : choice, chosenAt)
  }

  /** Restores a user without a session from a record. The choice is kept until `until`, in awake time. */
  restoreKept(until: number): void {
    this.#keptUntil = until
  }

  /** Restores a name from a record that others do not see yet. */
  restoreNewName(name: string): void {
    this.#newName = name
  }

  /**
   * Restores the connected and held sessions of a user from a record. They are held until `until`, in awake time. Call
   * {@link markRestored} after all sessions are restored.
   */
  restoreSessions(isIdle: boolean, isInactive: boolean, until: number): void {
    this.#restored().sessions.restore(isIdle, isInactive, until)
  }

  /** Restores a leased session until `until`, in awake time. Call {@link markRestored} after that. */
  restoreLease({ sessionId, openedAt, device, idle }: StoredLease, until: number, ttlMs: number): void {
    this.#restored().sessions.lease(sessionId, openedAt, { until, ttlMs, device, isIdle: idle === true })
  }

  /** Others see the restored state without a change. */
  markRestored(): void {
    if (this.#state) this.#state.said = this.due
  }

  #restored(): ActiveState {
    this.#state ??= { ...newState(Number.NEGATIVE_INFINITY), end: 'lost' }
    return this.#state
  }

  /**
   * Takes a choice that a user with a session makes at `now`. Returns whether it differs from the previous
   * one. Two choices in the same millisecond get different times, so that the later one is known.
   */
  choose(choice: Choice, now: number): boolean {
    return this.hasSessions && this.#choose(choice, now === this.#chosenAt ? now + 1 : now)
  }

  /**
   * Takes the choice that a backend makes at `now` for a user without a session on this node. It is newer than any
   * other one that is known.
   */
  chooseAhead(choice: Choice, now: number): void {
    const isNear = this.#chosenAt >= now && this.#chosenAt <= now + CLOCK_TOLERANCE_MS
    this.#choose(choice, isNear ? this.#chosenAt + 1 : now)
    if (choice.expiresAt === undefined) this.#keptUntil = 0
    this.#isSetAhead = true
  }

  /**
   * What becomes of the choice of a user without a session, which this node keeps, because of what the nodes know.
   *
   * @param isOpen whether no session has had the choice that the nodes know
   * @param isElsewhere whether another node has the user
   */
  judgeKept(known: Choice | undefined, madeAt: number, isOpen: boolean, isElsewhere: boolean): KeptChoice {
    if (this.hasSessions) return 'kept'
    const { expiresAt } = this.#choice
    if (!this.#isSetAhead) return expiresAt !== undefined && madeAt > this.#chosenAt ? 'over' : 'kept'
    // Without an end it counts only for the sessions of the user.
    if (madeAt < this.#chosenAt && !this.#isAheadLogged)
      return expiresAt !== undefined || isElsewhere ? 'unsaid' : 'over'
    const isLogged = isOpen && madeAt === this.#chosenAt && known && isSameChoice(known, this.#choice)
    if (expiresAt === undefined || !isLogged) return 'over'
    this.#isAheadLogged = true
    return 'kept'
  }

  /** Keeps no choice any more: the other nodes know it. */
  dropChoice(): void {
    this.#keptUntil = 0
    this.#choose(NO_CHOICE, 0)
  }

  /**
   * Takes the choice that a session begins with, unless the user has made a newer one, maybe on another
   * device. Returns whether it differs from the previous one.
   */
  chooseFirst({ madeAt, ...choice }: FirstChoice, now: number): boolean {
    if (madeAt === undefined) return this.choose(choice, now)
    return this.#isNewest(madeAt, now) && this.#choose(choice, Math.min(madeAt, now))
  }

  /**
   * Whether a choice that was made at `madeAt` is the newest. The same time means the same choice: it applies
   * again if it was dropped when the user went offline. A time that is far in the future comes from before
   * the clock was set back. It can't be compared, so it counts only if no other time is known.
   */
  #isNewest(madeAt: number, now: number): boolean {
    if (madeAt === this.#chosenAt) return isPlain(this.#choice)
    if (madeAt > now + CLOCK_TOLERANCE_MS) return this.#chosenAt === 0
    return madeAt > this.#chosenAt
  }

  /** Ends the choice if its end has passed. Returns whether it had. */
  expire(now: number): boolean {
    if (!hasExpired(this.#choice, now)) return false
    this.#choice = NO_CHOICE
    this.#isSetAhead = false
    this.#hasExpired = true
    if (!this.#state && this.#keptUntil === 0) this.#chosenAt = 0
    return true
  }

  /** Changes the state of a live session; see {@link UserSessions.change}. */
  setSession(id: string, what: SessionChange): boolean {
    return this.#state?.sessions.change(id, what) ?? false
  }

  /** Makes each session idle that was active until `awake` or earlier; see {@link UserSessions.endActivity}. */
  endActivity(awake: number, now: number): void {
    this.#state?.sessions.endActivity(awake, now)
  }

  /** Takes a name. `seenName` is the name that others see. */
  rename(username: string, seenName: string | undefined): void {
    this.#newName = username === seenName ? undefined : ownCopy(username)
  }

  /** Records a sign of life at this time, in ms since the epoch; with `sessionId` also for that session. */
  heard(at: number, sessionId?: string): void {
    if (!this.#state) return
    if (at > this.#state.heard) this.#state.heard = at
    if (sessionId !== undefined) this.#state.sessions.heard(sessionId, at)
  }

  /** The wall clock was set by `ms`. The last sign of life in this process moves with it. */
  moveHeard(ms: number): void {
    if (!this.#state) return
    this.#state.heard += ms
    this.#state.sessions.moveHeard(ms)
  }

  /**
   * Delays the change until `turn`, in awake time. Returns whether it was not delayed until that time before.
   */
  wait(turn: number): boolean {
    if (!this.#state || this.#state.turn === turn) return false
    this.#state.turn = turn
    return true
  }

  /**
   * What is due was said, at `now`. A user who becomes visible is seen at this moment, after an arrival and
   * after hiding: others can't tell the two apart.
   *
   * @param wasSeenSo whether others have seen the same before, because of another node
   */
  markSaid(now: number, wasSeenSo = false): void {
    const state = this.#state
    if (!state) return
    const wasVisible = this.isVisible
    state.said = this.due
    state.turn = 0
    this.#hasExpired = false
    if (!this.isVisible) return
    if (!wasVisible && !wasSeenSo) {
      state.heard = Math.max(state.heard, now)
      state.sessions.showSince(now)
    }
    this.wasSeen = true
    this.#newName = undefined
  }

  /**
   * Another node has said, at `now`, the choice that others see from now on. Returns whether it differs from the
   * previous one.
   */
  learnShown(choice: Choice, now: number): boolean {
    if (!this.#state || isSameChoice(choice, this.#state.said.choice)) return false
    if (!this.isVisible) this.#state.sessions.showSince(now)
    this.#state.said = { ...this.#state.said, choice }
    return true
  }

  /**
   * Takes a choice that another node has acknowledged, unless the user has made a newer one here. Returns whether it
   * differs from the previous one.
   */
  learnChoice(choice: Choice, madeAt: number): boolean {
    if (!this.hasSessions || this.knowsNewer(choice, madeAt)) return false
    return this.#choose(choice, madeAt)
  }

  /** Another node has acknowledged the same choice, perhaps later. */
  learnTime(madeAt: number): void {
    if (this.hasSessions) this.#chosenAt = Math.max(this.#chosenAt, madeAt)
  }

  /**
   * Whether the user has made a newer choice here than the one that another node has acknowledged. A choice without an
   * end that has ended elsewhere, because the user left, still holds here: the client has repeated it.
   */
  knowsNewer(choice: Choice, madeAt: number): boolean {
    if (!this.hasSessions || madeAt !== this.#chosenAt) return this.hasSessions && madeAt < this.#chosenAt
    const isRepeated = madeAt > 0 && isPlain(choice) && !isPlain(this.#choice)
    return isRepeated && this.#choice.expiresAt === undefined
  }

  /**
   * Whether a plain choice with this time says that the choice of the user has ended. Who leaves on purpose has no
   * choice, and so no time.
   */
  isEndOfChoice(madeAt: number): boolean {
    return madeAt === 0 || madeAt === this.#chosenAt
  }

  /** The cause of the change that is due. */
  get cause(): Cause {
    const { said, due } = this
    if (presenceOf(due).status === 'offline') return this.hides ? 'left' : (this.#state?.end ?? 'left')
    if (!this.isVisible) return 'opened'
    if (!isSameChoice(said.choice, due.choice)) return this.#hasExpired ? 'expired' : 'chosen'
    if (said.sessions !== due.sessions) return due.sessions === 'idle' ? 'idle' : 'active'
    return 'renamed'
  }

  /**
   * Drops the active state of a user who has no session and is not visible. The choice is kept until
   * `keptUntil`, in awake time. A hidden user whose connection was lost stays hidden, so that a short loss
   * does not reveal the user. (Leaving on purpose has ended that choice already.) For any other choice
   * without an end only its time is kept: the client sends the choice again when it is back, and an older
   * choice must not replace it. Returns whether something is kept.
   */
  deactivate(keptUntil: number): boolean {
    if (!this.#state || this.hasSessions || this.isVisible) return false
    this.#state = undefined
    const { status, expiresAt } = this.#choice
    if (expiresAt === undefined && status !== 'offline') this.#choice = NO_CHOICE
    if (isPlain(this.#choice) && this.#chosenAt === 0) return false
    this.#keptUntil = keptUntil
    return true
  }

  /** A session was left. Leaving ends the choice to be hidden, unless it has an end. */
  #left(): void {
    if (this.#state) this.#state.end = 'left'
    if (!this.hasSessions && isHide(this.#choice)) this.#choose(NO_CHOICE, 0)
  }

  /**
   * Ends the time for which the choice of a user without a session is kept, if it is over. A choice with an
   * end is kept until its end.
   */
  endKept(awake: number): void {
    if (this.#keptUntil === 0 || this.#keptUntil > awake) return
    this.#keptUntil = 0
    if (this.#choice.expiresAt === undefined) this.#choose(NO_CHOICE, 0)
  }

  #choose(choice: Choice, at: number): boolean {
    this.#chosenAt = at
    this.#isSetAhead = false
    this.#isAheadLogged = false
    if (isSameChoice(choice, this.#choice)) return false
    this.#choice = isPlain(choice) ? NO_CHOICE : choice
    this.#hasExpired = false
    return true
  }

  #sessionsState(): SessionsState {
    return this.#state?.sessions.state ?? 'none'
  }
}

function newState(heard: number): ActiveState {
  return { sessions: new UserSessions(), end: 'left', said: NOTHING_SAID, heard, turn: 0 }
}
