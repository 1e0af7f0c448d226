import type { UserId } from '@who-is-online/protocol/words'
import {
  type Choice,
  type FirstChoice,
  hasExpired,
  isPlain,
  isSameChoice,
  isSameShown,
  NO_CHOICE,
} from './choice.ts'
import { type Cause, NOTHING_SAID, presenceOf, type Said, type SessionsState } from './fact.ts'
import { ownCopy } from './user-table.ts'

/** The id of a session, and whether the client named it itself and will name it again when it comes back. */
export interface SessionName {
  readonly id: string
  readonly named: boolean
}

/**
 * One tab or device. An inactive session is one that nobody looks at, such as a hidden tab, which browsers
 * let run once a minute.
 */
type Session = SessionName & { readonly isIdle: boolean; readonly isInactive: boolean } & (
    | { readonly state: 'live' }
    /** Lost, not left: until then (awake time) it may come back without any change. */
    | { readonly state: 'held'; readonly until: number }
  )

/** The id of the session that stands for all sessions of a user before a restart. */
const BEFORE_RESTART = 'before the restart'

/** How far ahead of this server's clock a client may be when it says when a choice was made, in ms. */
const CLOCK_TOLERANCE_MS = 5_000

/** The state of an active user: one who has a session, or of whom others still see one. */
interface ActiveState {
  sessions: Session[]
  /** How the last session ended. */
  end: 'left' | 'lost'
  said: Said
  /**
   * The last sign of life in this process, hidden or not, in ms since the epoch; -Infinity before the first.
   */
  heard: number
  /** When a change that waits for its turn may be said, in awake time; 0 if none waits. */
  turn: number
}

/**
 * A user of whom this node knows more than what others see: the sessions, the choice, and a new name. Of most
 * known users it knows nothing more.
 */
export class User {
  readonly userId: UserId
  /**
   * When this node first heard of the user, in ms since the epoch. It matters only for a user whom nobody has
   * seen.
   */
  readonly knownSince: number
  /**
   * Whether others have ever seen this user. For others, a user who was always hidden is one who never was.
   */
  wasSeen: boolean
  /**
   * Whether the choice ends by the wall clock although that is ahead: it was made since, and by that clock.
   */
  isChoiceByWall = false
  #newName: string | undefined
  /** Without a session only a choice with an end is kept, and for some time the choice to be hidden. */
  #choice: Choice = NO_CHOICE
  /** Whether the choice before has ended by itself. */
  #hasExpired = false
  #chosenAt = 0
  #keptUntil = 0
  #state: ActiveState | undefined

  constructor(userId: UserId, knownSince: number, wasSeen: boolean) {
    this.userId = userId
    this.knownSince = knownSince
    this.wasSeen = wasSeen
  }

  /**
   * A name that others do not see yet. They see it with the next visible status, or when its turn has come.
   */
  get newName(): string | undefined {
    return this.#newName
  }

  get choice(): Choice {
    return this.#choice
  }

  /**
   * When the user chose last, in ms since the epoch; 0 if that is not known. An older choice does not replace
   * a newer one.
   */
  get chosenAt(): number {
    return this.#chosenAt
  }

  /**
   * Until when, in awake time, the choice of a user without a session and its time are kept; 0 if nothing is
   * kept.
   */
  get keptUntil(): number {
    return this.#keptUntil
  }

  /** Whether the user has no session, and will be hidden on returning before `keptUntil`. */
  get isKeptHidden(): boolean {
    const { status, expiresAt } = this.#choice
    return this.#keptUntil > 0 && status === 'offline' && expiresAt === undefined
  }

  /** What this node has said of the user. */
  get said(): Said {
    return this.#state?.said ?? NOTHING_SAID
  }

  /** What this node has to say of the user. It is said at once, or when its turn has come. */
  get due(): Said {
    return { sessions: this.#sessionsState(), choice: this.#choice }
  }

  /** Whether others see the user, by what this node has said. */
  get isVisible(): boolean {
    return presenceOf(this.said).status !== 'offline'
  }

  /** Whether all was said that others are to see. */
  get isSaid(): boolean {
    const due = presenceOf(this.due)
    return (
      isSameShown(due, presenceOf(this.said)) && (due.status === 'offline' || this.#newName === undefined)
    )
  }

  /** Whether the user has a session and is hidden by choice. */
  get hides(): boolean {
    return this.hasSessions && this.#choice.status === 'offline'
  }

  get hasSessions(): boolean {
    return this.#state !== undefined && this.#state.sessions.length > 0
  }

  /** Whether there are sessions, and all of them are idle. */
  get isIdle(): boolean {
    return this.#sessionsState() === 'idle'
  }

  /** Whether nobody looks at one of the sessions. */
  get isInactive(): boolean {
    return this.#state?.sessions.some(session => session.isInactive) === true
  }

  /**
   * Whether nothing has to be kept of this user besides what others see. Of a user whom nobody has seen, not
   * even a new name is kept.
   */
  get isDone(): boolean {
    return (
      this.#state === undefined &&
      (this.#newName === undefined || !this.wasSeen) &&
      this.#chosenAt === 0 &&
      isPlain(this.#choice)
    )
  }

  get liveness(): 'live' | 'held' | 'none' {
    if (!this.#state) return 'none'
    if (this.#state.sessions.some(session => session.state === 'live')) return 'live'
    // A leaving that waits for its turn: there is no session, but others still see the user.
    return this.#state.sessions.length > 0 || this.isVisible ? 'held' : 'none'
  }

  /**
   * The last sign of life in this process, hidden or not, in ms since the epoch; `undefined` if there was
   * none.
   */
  get heardAt(): number | undefined {
    const heard = this.#state?.heard
    return heard === undefined || heard === Number.NEGATIVE_INFINITY ? undefined : heard
  }

  /**
   * A session begins. It replaces the session with its own id, or else the unnamed session that has been held
   * longest, and is as active as that one was. Otherwise it is a new one.
   */
  open({ id, named }: SessionName, now: number): void {
    this.#state ??= { sessions: [], end: 'left', said: NOTHING_SAID, heard: now, turn: 0 }
    this.#keptUntil = 0
    const { sessions } = this.#state
    const own = named ? sessions.findIndex(session => session.id === id) : -1
    const place = own >= 0 ? own : sessions.findIndex(({ state, named }) => state === 'held' && !named)
    const isIdle = sessions[place]?.isIdle ?? false
    if (place >= 0) sessions.splice(place, 1)
    sessions.push({ id, named, isIdle, isInactive: false, state: 'live' })
    this.heard(now)
  }

  /**
   * A session is lost. It may come back until `until`, or until `inactiveUntil` if nobody looks at it. An
   * unknown one changes nothing. Returns which of the two times applies.
   */
  hold(id: string, until: number, inactiveUntil: number): number {
    const lost = this.#take(id)
    const end = lost?.isInactive ? inactiveUntil : until
    if (lost) this.#state?.sessions.push({ ...lost, state: 'held', until: end })
    return end
  }

  /**
   * A session was left: it is over, and with the last one the choice to be hidden. An unknown one changes
   * nothing. Returns whether there was one.
   */
  end(id: string): boolean {
    if (!this.#take(id)) return false
    if (this.#state) this.#state.end = 'left'
    const { status, expiresAt } = this.#choice
    if (!this.hasSessions && status === 'offline' && expiresAt === undefined) this.#choose(NO_CHOICE, 0)
    return true
  }

  /** Extends every held session to `until` at least. Returns whether that is longer for one of them. */
  holdLonger(until: number): boolean {
    const sessions = this.#state?.sessions ?? []
    let isLonger = false
    for (const [index, session] of sessions.entries()) {
      if (session.state !== 'held' || session.until >= until) continue
      sessions[index] = { ...session, until }
      isLonger = true
    }
    return isLonger
  }

  /** Ends every held session whose time is over. Returns the ids of those that clients know. */
  endHeld(awake: number): string[] {
    if (!this.#state) return []
    const { sessions } = this.#state
    const isOver = (session: Session) => session.state === 'held' && session.until <= awake
    const ended = sessions.filter(isOver).map(({ id }) => id)
    if (ended.length === 0) return []
    this.#state.sessions = sessions.filter(session => !isOver(session))
    this.#state.end = 'lost'
    return ended.filter(id => id !== BEFORE_RESTART)
  }

  /** Restores a choice from a record. */
  restoreChoice(choice: Choice, chosenAt: number, now: number): void {
    this.#choose(hasExpired(choice, now) ? NO_CHOICE : choice, chosenAt)
  }

  /** Restores a user without a session from a record: the choice is kept until then, in awake time. */
  restoreKept(until: number): void {
    this.#keptUntil = until
  }

  /** Restores a name from a record that others do not see yet. */
  restoreNewName(name: string): void {
    this.#newName = name
  }

  /**
   * Restores a user from a record who was present when the last process stopped, and is held until then, in
   * awake time. What is due is taken as said.
   */
  restoreSessions(isIdle: boolean, isInactive: boolean, until: number): void {
    const held: Session = { id: BEFORE_RESTART, named: false, isIdle, isInactive, state: 'held', until }
    const heard = Number.NEGATIVE_INFINITY
    this.#state = { sessions: [held], end: 'lost', said: NOTHING_SAID, heard, turn: 0 }
    this.#state.said = this.due
  }

  /**
   * Takes a choice that a user with a session makes at `now`. Returns whether it differs from the one before.
   * Two choices in one millisecond have two times, so that it is known which one was later.
   */
  choose(choice: Choice, now: number): boolean {
    return this.hasSessions && this.#choose(choice, now === this.#chosenAt ? now + 1 : now)
  }

  /**
   * Takes the choice that a session begins with, unless the user has made another one since, maybe on another
   * device. Returns whether it differs from the one before.
   */
  begin({ madeAt, ...choice }: FirstChoice, now: number): boolean {
    if (madeAt === undefined) return this.choose(choice, now)
    return this.#isNewest(madeAt, now) && this.#choose(choice, Math.min(madeAt, now))
  }

  /**
   * Whether a choice made at that time is the user's newest. The same time means the same choice, which
   * counts again if it is over because the user was gone. A time that is far ahead comes from before the
   * clock was set back. It can't be compared, so it counts only if no other time is known.
   */
  #isNewest(madeAt: number, now: number): boolean {
    if (madeAt === this.#chosenAt) return isPlain(this.#choice)
    if (madeAt > now + CLOCK_TOLERANCE_MS) return this.#chosenAt === 0
    return madeAt > this.#chosenAt
  }

  /** Ends a choice whose end has come. Returns whether it had. */
  expire(now: number): boolean {
    if (!hasExpired(this.#choice, now)) return false
    this.#choice = NO_CHOICE
    this.#hasExpired = true
    if (!this.#state && this.#keptUntil === 0) this.#chosenAt = 0
    return true
  }

  /** Changes what is known of a session. An unknown session changes nothing. */
  setSession(id: string, what: Partial<Pick<Session, 'isIdle' | 'isInactive'>>): void {
    const sessions = this.#state?.sessions ?? []
    const index = sessions.findIndex(session => session.state === 'live' && session.id === id)
    const session = sessions[index]
    if (session) sessions[index] = { ...session, ...what }
  }

  /** Takes a name. `seenName` is the name that others see. */
  rename(username: string, seenName: string | undefined): void {
    this.#newName = username === seenName ? undefined : ownCopy(username)
  }

  /** A sign of life at this time, in ms since the epoch. */
  heard(at: number): void {
    if (this.#state && at > this.#state.heard) this.#state.heard = at
  }

  /** The wall clock was set by `ms`. The time of a sign of life in this process moves with it. */
  moveHeard(ms: number): void {
    if (this.#state) this.#state.heard += ms
  }

  /** The change that is due waits for its turn. Returns whether it did not do so before. */
  wait(turn: number): boolean {
    if (!this.#state || this.#state.turn === turn) return false
    this.#state.turn = turn
    return true
  }

  /**
   * What is due was said, at `now`. A user who becomes visible is seen at this moment, by arriving or by no
   * longer being hidden: others can't tell the two apart.
   */
  markSaid(now: number): void {
    const state = this.#state
    if (!state) return
    const wasVisible = this.isVisible
    state.said = this.due
    state.turn = 0
    this.#hasExpired = false
    if (!this.isVisible) return
    if (!wasVisible) state.heard = Math.max(state.heard, now)
    this.wasSeen = true
    this.#newName = undefined
  }

  /** Why others will see this user differently when what is due is said. */
  get cause(): Cause {
    const { said, due } = this
    if (presenceOf(due).status === 'offline') return this.hides ? 'left' : (this.#state?.end ?? 'left')
    if (!this.isVisible) return 'opened'
    if (!isSameChoice(said.choice, due.choice)) return this.#hasExpired ? 'expired' : 'chosen'
    if (said.sessions !== due.sessions) return due.sessions === 'idle' ? 'idle' : 'active'
    return 'renamed'
  }

  /**
   * A user without a session, of whom others see none, is no longer active. What was chosen is kept until
   * `keptUntil` (awake time). A hidden user whose connection was lost stays hidden, so that a tunnel shows
   * nobody; leaving has ended that choice already. Of any other choice without an end only its time is kept:
   * the client repeats the choice when it is back, and an older one must not replace it. Returns whether
   * something is kept.
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

  /**
   * Ends what is kept for a user without a session, if its time has come. A choice with an end stays until
   * then.
   */
  endKept(awake: number): void {
    if (this.#keptUntil === 0 || this.#keptUntil > awake) return
    this.#keptUntil = 0
    if (this.#choice.expiresAt === undefined) this.#choose(NO_CHOICE, 0)
  }

  #choose(choice: Choice, at: number): boolean {
    this.#chosenAt = at
    if (isSameChoice(choice, this.#choice)) return false
    this.#choice = isPlain(choice) ? NO_CHOICE : choice
    this.#hasExpired = false
    return true
  }

  #sessionsState(): SessionsState {
    const sessions = this.#state?.sessions
    if (!sessions || sessions.length === 0) return 'none'
    return sessions.every(session => session.isIdle) ? 'idle' : 'active'
  }

  #take(id: string): Session | undefined {
    const sessions = this.#state?.sessions ?? []
    const index = sessions.findIndex(session => session.state === 'live' && session.id === id)
    return index < 0 ? undefined : sessions.splice(index, 1)[0]
  }
}
