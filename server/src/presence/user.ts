import type { Presence, UserId } from '@who-is-online/protocol/words'
import {
  type Choice,
  type FirstChoice,
  hasExpired,
  isPlain,
  isSameChoice,
  isSameView,
  NO_CHOICE,
  OFFLINE,
  type View,
  viewOf,
} from './choice.ts'
import { ownCopy } from './user-table.ts'

/** The id of a session, and whether the client named it itself and will name it again when it comes back. */
export interface SessionName {
  readonly id: string
  readonly named: boolean
}

/**
 * One tab or device; here it does not matter whose socket it is, or which node's. An inactive session is one that nobody
 * looks at, such as a hidden tab, which browsers let run once a minute.
 */
type Session = SessionName & { readonly isIdle: boolean; readonly isInactive: boolean } & (
    | { readonly state: 'live' }
    /** Lost, not left: until then (in awake time) it may come back without any change. */
    | { readonly state: 'held'; readonly until: number }
  )

/** How far ahead of this server's clock a client may be when it says when a choice was made, in ms. */
const CLOCK_TOLERANCE_MS = 5_000

/** What is known of an active user: one with a session, or one whom others still see. */
interface ActiveState {
  sessions: Session[]
  shown: View
  /** Last proof of life in this process, hidden or not, in ms since the epoch; -Infinity before the first. */
  heard: number
  /** When a change that waits for its turn may be shown, in awake time; 0 if none waits. */
  turn: number
}

/**
 * An active user: the sessions, the choice, and what others are shown. Most of a million users are offline, and rows of
 * the `UserTable`.
 */
export class User {
  readonly userId: UserId
  /** The name that others see. */
  username: string | undefined
  /** A name that others do not see yet: it is shown with the next visible status, or when its turn has come. */
  #newName: string | undefined
  /**
   * The last sign of life while the user was visible, by the wall clock of that time, in ms since the epoch. What others are
   * told of it is {@link WallClock.shown}.
   */
  lastSeen: number
  /** Whether others have ever seen this user. Who was always hidden is, for others, a user who never was. */
  wasSeen: boolean
  /** What the user chose. Without a session only a choice with an end is kept, and for some time the choice to be hidden. */
  #choice: Choice = NO_CHOICE
  /** When the user chose last, in ms since the epoch; 0 where that is not known. An older choice does not replace a newer one. */
  #chosenAt = 0
  /** Whether the end of the choice is by the wall clock although that is ahead: it was made since, and by that clock. */
  isChoiceByWall = false
  /** Until when (in awake time) a user without a session keeps the choice and its time; 0 for a user with one, or with nothing to keep. */
  #keptUntil = 0
  #state: ActiveState | undefined

  constructor(
    userId: UserId,
    lastSeen: number,
    { username, newName, wasSeen = true }: { username?: string; newName?: string; wasSeen?: boolean } = {},
  ) {
    this.userId = userId
    this.lastSeen = lastSeen
    this.username = username
    this.wasSeen = wasSeen
    this.#newName = newName
    this.#state = undefined
  }

  /** A name that others don't see yet. */
  get newName(): string | undefined {
    return this.#newName
  }

  /** What others see now. */
  get shown(): View {
    return this.#state?.shown ?? OFFLINE
  }

  get choice(): Choice {
    return this.#choice
  }

  /** When the user chose last, in ms since the epoch; 0 where that is not known. */
  get chosenAt(): number {
    return this.#chosenAt
  }

  /** Until when, in awake time, the choice of a user without a session is kept; 0 where nothing is kept. */
  get keptUntil(): number {
    return this.#keptUntil
  }

  /** Whether the user has no session, and will be hidden on returning before `keptUntil`. */
  get isKeptHidden(): boolean {
    const { status, expiresAt } = this.#choice
    return this.#keptUntil > 0 && status === 'offline' && expiresAt === undefined
  }

  /** Whether this process made the timestamp `lastSeen`. */
  get isStampedHere(): boolean {
    return this.lastSeen === this.#state?.heard
  }

  /**
   * What others should see. `shown` follows it, at once or when its turn has come.
   *
   * | sessions | chosen | activity | what others should see |
   * | --- | --- | --- | --- |
   * | none | any | – | `offline` |
   * | one or more, live or held | `offline` | any | `offline`: the user is hidden |
   * | one or more | `away`, `busy` | any | what was chosen |
   * | one or more | `online` | idle in every session | `away` |
   * | one or more | `online` | active in at least one | `online` |
   */
  get due(): View {
    return viewOf(this.#duePresence(), this.#choice)
  }

  /** Whether others see what they should. */
  get isShown(): boolean {
    const due = this.due
    return isSameView(due, this.shown) && (due.status === 'offline' || this.#newName === undefined)
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
    return this.hasSessions && this.#state?.sessions.every(session => session.isIdle) === true
  }

  /** Whether at most id, name and time are to be kept of this user. */
  get isArchivable(): boolean {
    return (
      this.#state === undefined &&
      this.#newName === undefined &&
      this.#chosenAt === 0 &&
      isPlain(this.#choice)
    )
  }

  /** Whether nobody looks at one of the sessions. */
  get isInactive(): boolean {
    return this.#state?.sessions.some(session => session.isInactive) === true
  }

  get liveness(): 'live' | 'held' | 'none' {
    if (!this.#state) return 'none'
    if (this.#state.sessions.some(session => session.state === 'live')) return 'live'
    // Without a session but still shown: the leaving waits for its turn, and the user is held until then.
    return this.#state.sessions.length > 0 || this.#state.shown.status !== 'offline' ? 'held' : 'none'
  }

  /**
   * A session begins. It takes the place of the session with its own id, or else of the unnamed session that has been held
   * longest, and is as active as that one was. Otherwise it is a new one.
   */
  open({ id, named }: SessionName, now: number): void {
    this.#state ??= { sessions: [], shown: OFFLINE, heard: now, turn: 0 }
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
   * A session is lost and may come back until `until`, or until `inactiveUntil` if nobody looks at it. An unknown one
   * changes nothing. Returns which of the two it is.
   */
  hold(id: string, until: number, inactiveUntil: number): number {
    const lost = this.#take(id)
    const end = lost?.isInactive ? inactiveUntil : until
    if (lost) this.#state?.sessions.push({ ...lost, state: 'held', until: end })
    return end
  }

  /** A session was left: it is over, and with the last one the choice to be hidden. An unknown one changes nothing. */
  end(id: string): void {
    if (!this.#take(id) || this.hasSessions) return
    if (this.#choice.status === 'offline' && this.#choice.expiresAt === undefined) this.#choose(NO_CHOICE, 0)
  }

  /** Holds every session that is held until `until` at least. Returns whether that is longer for one of them. */
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

  /** Ends every held session whose time is over. */
  endHeld(awake: number): void {
    if (!this.#state) return
    this.#state.sessions = this.#state.sessions.filter(
      session => session.state === 'live' || session.until > awake,
    )
  }

  /** Restores a choice from a record. */
  restoreChoice(choice: Choice, chosenAt: number, now: number): void {
    this.#choose(hasExpired(choice, now) ? NO_CHOICE : choice, chosenAt)
  }

  /** Restores a user without a session from a record: the choice is kept until then, in awake time. */
  restoreKept(until: number): void {
    this.#keptUntil = until
  }

  /** Restores a user from a record who was present when the last process stopped: held until then, in awake time. */
  restoreSessions(isIdle: boolean, isInactive: boolean, until: number): void {
    const id = 'before the restart'
    const held: Session = { id, named: false, isIdle, isInactive, state: 'held', until }
    this.#state = { sessions: [held], shown: OFFLINE, heard: Number.NEGATIVE_INFINITY, turn: 0 }
    this.show(0, 0)
  }

  /**
   * Takes a choice that a user with a session makes at `now`. Returns whether it differs from the one before. Two choices
   * in one millisecond have two times, so that it is known which one was later.
   */
  choose(choice: Choice, now: number): boolean {
    return this.hasSessions && this.#choose(choice, now === this.#chosenAt ? now + 1 : now)
  }

  /**
   * Takes the choice that a session begins with, unless the user has made another one since, maybe on another device.
   * Returns whether it differs from the one before.
   */
  begin({ madeAt, ...choice }: FirstChoice, now: number): boolean {
    if (madeAt === undefined) return this.choose(choice, now)
    return this.#isNewest(madeAt, now) && this.#choose(choice, Math.min(madeAt, now))
  }

  /**
   * Tells whether a choice made at that time is the user's newest. The same time means the same choice, which counts again if
   * it is over because the user was gone. A time that is far ahead was stamped before the clock was set back. It can't be
   * compared, so it counts only if no other time is known.
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

  /** Takes a name. */
  rename(username: string): void {
    this.#newName = username === this.username ? undefined : ownCopy(username)
  }

  /** A proof of life at this time, in ms since the epoch. */
  heard(at: number): void {
    if (!this.#state || at <= this.#state.heard) return
    this.#state.heard = at
    if (this.#state.shown.status !== 'offline') this.lastSeen = at
  }

  /** The wall clock was set by `ms`. What this process has stamped for a user who is present moves with it. */
  moveStamps(ms: number): void {
    const state = this.#state
    if (!state) return
    const isVisible = state.shown.status !== 'offline'
    if (isVisible && this.isStampedHere) this.lastSeen += ms
    state.heard += ms
  }

  /** The change that is due waits for its turn. Returns whether it did not do so before. */
  wait(turn: number): boolean {
    if (!this.#state || this.#state.turn === turn) return false
    this.#state.turn = turn
    return true
  }

  /**
   * From `now` on others see what is due. A user who becomes visible is seen at this moment, whether by arriving or by no
   * longer being hidden: others cannot tell the two apart. A user without a session who is seen as offline is no longer
   * active; what was chosen is kept until `keptUntil` (awake time), as far as `#deactivate` says.
   */
  show(now: number, keptUntil: number): void {
    const state = this.#state
    if (!state) return
    const wasVisible = state.shown.status !== 'offline'
    state.shown = this.due
    state.turn = 0
    if (state.shown.status !== 'offline') {
      const isLive = state.sessions.some(session => session.state === 'live')
      if (!wasVisible && isLive) state.heard = Math.max(state.heard, now)
      this.username = this.#newName ?? this.username
      this.#newName = undefined
      this.wasSeen = true
      if (state.heard > Number.NEGATIVE_INFINITY) this.lastSeen = state.heard
    } else if (state.sessions.length === 0) {
      this.#deactivate(keptUntil)
    }
  }

  /** Forgets what a user without a session had chosen, if the time for that has come. A choice with an end stays until then. */
  endKept(awake: number): void {
    if (this.#keptUntil === 0 || this.#keptUntil > awake) return
    this.#keptUntil = 0
    if (this.#choice.expiresAt === undefined) this.#choose(NO_CHOICE, 0)
  }

  /**
   * The user has no session and is seen as offline. A hidden user whose connection was lost stays hidden, so that a tunnel
   * shows nobody; leaving has ended that choice already. Of any other choice without an end only its time is kept: the client
   * repeats the choice when it is back, and an older one must not replace it.
   */
  #deactivate(keptUntil: number): void {
    this.#state = undefined
    const { status, expiresAt } = this.#choice
    if (expiresAt === undefined && status !== 'offline') this.#choice = NO_CHOICE
    if (!isPlain(this.#choice) || this.#chosenAt > 0) this.#keptUntil = keptUntil
  }

  #choose(choice: Choice, at: number): boolean {
    this.#chosenAt = at
    if (isSameChoice(choice, this.#choice)) return false
    this.#choice = isPlain(choice) ? NO_CHOICE : choice
    return true
  }

  #duePresence(): Presence {
    if (!this.hasSessions) return 'offline'
    return this.#choice.status === 'online' && this.isIdle ? 'away' : this.#choice.status
  }

  #take(id: string): Session | undefined {
    const sessions = this.#state?.sessions ?? []
    const index = sessions.findIndex(session => session.state === 'live' && session.id === id)
    return index < 0 ? undefined : sessions.splice(index, 1)[0]
  }
}
