import type { Presence, UserId } from '@who-is-online/protocol/words'
import {
  type Choice,
  hasExpired,
  isPlain,
  isSameChoice,
  isSameView,
  NO_CHOICE,
  OFFLINE,
  type View,
  viewOf,
} from './choice.ts'
import { ownCopy } from './known.ts'

/** What a session is called, and whether the client itself named it and will name it again when it comes back. */
export interface SessionName {
  readonly id: string
  readonly named: boolean
}

/** One tab or device; here it does not matter whose socket it is, or which node's. */
type Session = SessionName & { readonly isIdle: boolean } & (
    | { readonly state: 'live' }
    /** Lost, not left: until then (in `Presence`'s awake time) it may come back as if nothing had been. */
    | { readonly state: 'held'; readonly until: number }
  )

/** What is known of a user only while they are here, or while others still see them. */
interface Stay {
  sessions: Session[]
  shown: View
  /** Last proof of life, hidden or not; ms since the epoch. */
  heard: number
  /** When the turn comes of a change that has to wait; 0 when none waits. */
  turn: number
}

/**
 * One user: the sessions, the choice, and what others are shown. There is one only of whom there is that much to
 * say: most of a million users are gone, and rows in `Known`.
 */
export class User {
  readonly userId: UserId
  /** The name that others see. */
  username: string | undefined
  /** A name that others will see when it is shown: with the next visible status, or when its turn has come. */
  #newName: string | undefined
  /** What others are told, ms since the epoch: never decreasing, and not moving while the user is hidden. */
  lastSeen: number
  /** What the user chose; who is gone keeps only a choice that has an end. */
  #choice: Choice = NO_CHOICE
  #stay: Stay | undefined

  constructor(userId: UserId, lastSeen: number, username?: string, newName?: string) {
    this.userId = userId
    this.lastSeen = lastSeen
    this.username = username
    this.#newName = newName
    this.#stay = undefined
  }

  /** A name that others don't see yet. */
  get newName(): string | undefined {
    return this.#newName
  }

  /** What others see now. */
  get shown(): View {
    return this.#stay?.shown ?? OFFLINE
  }

  get choice(): Choice {
    return this.#choice
  }

  /**
   * What others should see. `shown` follows it, at once or when its turn has come.
   *
   * | sessions | chosen | activity | what others should see |
   * | --- | --- | --- | --- |
   * | none | any | – | `offline` |
   * | one or more, live or held | `offline` | any | `offline`: the user hides |
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

  /** Has a session, and is hidden by choice. */
  get hides(): boolean {
    return this.hasSessions && this.#choice.status === 'offline'
  }

  get hasSessions(): boolean {
    return this.#stay !== undefined && this.#stay.sessions.length > 0
  }

  /** Whether there are sessions, and all of them are idle. */
  get isIdle(): boolean {
    return this.hasSessions && this.#stay?.sessions.every(session => session.isIdle) === true
  }

  /** Whether id, name and time say all of this user that will ever be asked. */
  get isAllTold(): boolean {
    return this.#stay === undefined && this.#newName === undefined && isPlain(this.#choice)
  }

  get presence(): 'live' | 'held' | 'none' {
    if (!this.#stay) return 'none'
    if (this.#stay.sessions.some(session => session.state === 'live')) return 'live'
    // Without a session but still shown: the leaving waits for its turn, which is a way of being held.
    return this.#stay.sessions.length > 0 || this.#stay.shown.status !== 'offline' ? 'held' : 'none'
  }

  /**
   * A session begins. It takes the place of the one of its own name, or of the one without a name that has been
   * held longest, and is as active as that was; else it is a new one.
   */
  open({ id, named }: SessionName, now: number): void {
    if (!this.hasSessions) this.expire(now)
    this.#stay ??= { sessions: [], shown: OFFLINE, heard: now, turn: 0 }
    const { sessions } = this.#stay
    const own = named ? sessions.findIndex(session => session.id === id) : -1
    const place = own >= 0 ? own : sessions.findIndex(({ state, named }) => state === 'held' && !named)
    const isIdle = sessions[place]?.isIdle ?? false
    if (place >= 0) sessions.splice(place, 1)
    sessions.push({ id, named, isIdle, state: 'live' })
    this.heard(now)
  }

  /** A session is lost and may come back until `until`. An unknown one changes nothing. */
  hold(id: string, until: number): void {
    const lost = this.#take(id)
    if (lost) this.#stay?.sessions.push({ ...lost, state: 'held', until })
  }

  /** A session is over. An unknown one changes nothing. */
  end(id: string): void {
    this.#take(id)
  }

  /** Ends every held session whose time is up. */
  endHeld(awake: number): void {
    if (!this.#stay) return
    this.#stay.sessions = this.#stay.sessions.filter(
      session => session.state === 'live' || session.until > awake,
    )
  }

  /** Comes from disk, with a choice that one who is gone has only if it has an end. */
  restoreChoice(choice: Choice, now: number): void {
    if (!hasExpired(choice, now)) this.#choice = choice
  }

  /** Comes from disk: somebody who was here when the last process stopped. Others see what they should. */
  restoreStay(isIdle: boolean, until: number): void {
    const held: Session = { id: 'before the restart', named: false, isIdle, state: 'held', until }
    this.#stay = { sessions: [held], shown: OFFLINE, heard: this.lastSeen, turn: 0 }
    this.show()
  }

  /** Takes a choice, from one who has a session. Returns whether it is another than before. */
  choose(choice: Choice): boolean {
    if (!this.hasSessions || isSameChoice(choice, this.#choice)) return false
    this.#choice = isPlain(choice) ? NO_CHOICE : choice
    return true
  }

  /** Lets go of a choice whose end has come. Returns whether it had. */
  expire(now: number): boolean {
    if (!hasExpired(this.#choice, now)) return false
    this.#choice = NO_CHOICE
    return true
  }

  /** A session is idle or active from now on. An unknown one changes nothing. */
  setIdle(id: string, isIdle: boolean): void {
    const sessions = this.#stay?.sessions ?? []
    const index = sessions.findIndex(session => session.state === 'live' && session.id === id)
    const session = sessions[index]
    if (session) sessions[index] = { ...session, isIdle }
  }

  /** Takes a name. */
  rename(username: string): void {
    this.#newName = username === this.username ? undefined : ownCopy(username)
  }

  /** A proof of life. */
  heard(at: number): void {
    if (!this.#stay || at <= this.#stay.heard) return
    this.#stay.heard = at
    if (this.#stay.shown.status !== 'offline') this.lastSeen = Math.max(this.lastSeen, at)
  }

  /** The change that is due waits for its turn. Says whether that is news. */
  wait(turn: number): boolean {
    if (!this.#stay || this.#stay.turn === turn) return false
    this.#stay.turn = turn
    return true
  }

  /**
   * From now on others see what is due. Who is gone and seen as gone is let go of but for name and time, and for a
   * choice that has an end: it is in force again for who returns before that.
   */
  show(): void {
    const stay = this.#stay
    if (!stay) return
    stay.shown = this.due
    stay.turn = 0
    if (stay.shown.status !== 'offline') {
      this.username = this.#newName ?? this.username
      this.#newName = undefined
      this.lastSeen = Math.max(this.lastSeen, stay.heard)
    } else if (stay.sessions.length === 0) {
      this.#stay = undefined
      if (this.#choice.expiresAt === undefined) this.#choice = NO_CHOICE
    }
  }

  #duePresence(): Presence {
    if (!this.hasSessions) return 'offline'
    return this.#choice.status === 'online' && this.isIdle ? 'away' : this.#choice.status
  }

  #take(id: string): Session | undefined {
    const sessions = this.#stay?.sessions ?? []
    const index = sessions.findIndex(session => session.state === 'live' && session.id === id)
    return index < 0 ? undefined : sessions.splice(index, 1)[0]
  }
}
