import type { Presence, Status, UserId } from '@who-is-online/protocol/words'

/** One tab or device, named by an id of the caller's; here it does not matter whose socket, or which node's. */
type Session =
  | { readonly id: string; readonly state: 'live' }
  /** Lost, not left: until then (in `Presence`'s awake time) it may come back as if nothing had been. */
  | { readonly id: string; readonly state: 'held'; readonly until: number }

/** What is known of a user only while they are here, or while others still see them. */
interface Stay {
  sessions: Session[]
  choice: Status
  shown: Presence
  /** Last proof of life, hidden or not; ms since the epoch. */
  heard: number
  /** When the turn comes of a change that has to wait; 0 when none waits. */
  turn: number
}

/**
 * One user: the sessions, the choice, and what others are shown. An offline user is a name and a time and
 * little else, since most of a million users are.
 */
export class User {
  readonly userId: UserId
  /** The name that others see. */
  username: string | undefined
  /** A name taken while hidden: others see it when they see the user again. */
  #newName: string | undefined
  /** What others are told, ms since the epoch: never decreasing, and not moving while the user is hidden. */
  lastSeen: number
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
  get shown(): Presence {
    return this.#stay?.shown ?? 'offline'
  }

  /** What others should see, by sessions and choice. `shown` follows it, at once or when its turn has come. */
  get due(): Presence {
    return this.#stay && this.#stay.sessions.length > 0 ? this.#stay.choice : 'offline'
  }

  get choice(): Status {
    return this.#stay?.choice ?? 'online'
  }

  /** Connected, and hidden by choice. */
  get hides(): boolean {
    return this.#stay !== undefined && this.#stay.sessions.length > 0 && this.#stay.choice === 'offline'
  }

  get presence(): 'live' | 'held' | 'none' {
    if (!this.#stay) return 'none'
    if (this.#stay.sessions.some(session => session.state === 'live')) return 'live'
    // Without a session but still shown: the leaving waits for its turn, which is a way of being held.
    return this.#stay.sessions.length > 0 || this.#stay.shown !== 'offline' ? 'held' : 'none'
  }

  /** A session begins. It takes the place of the one that has been held longest, if any is. */
  open(id: string, now: number): void {
    this.#stay ??= { sessions: [], choice: 'online', shown: 'offline', heard: now, turn: 0 }
    const held = this.#stay.sessions.findIndex(session => session.state === 'held')
    if (held >= 0) this.#stay.sessions.splice(held, 1)
    this.#stay.sessions.push({ id, state: 'live' })
    this.heard(now)
  }

  /** A session is lost and may come back until `until`. An unknown one changes nothing. */
  hold(id: string, until: number): void {
    if (!this.#remove(id)) return
    this.#stay?.sessions.push({ id, state: 'held', until })
  }

  /** A session is over. An unknown one changes nothing. */
  end(id: string): void {
    this.#remove(id)
    this.#resetChoice()
  }

  /** Ends every held session whose time is up. */
  endHeld(awake: number): void {
    if (!this.#stay) return
    this.#stay.sessions = this.#stay.sessions.filter(
      session => session.state === 'live' || session.until > awake,
    )
    this.#resetChoice()
  }

  /** Comes from disk: somebody who was here when the last process stopped. */
  restore(choice: Status, until: number): void {
    const sessions: Session[] = [{ id: 'before the restart', state: 'held', until }]
    this.#stay = { sessions, choice, shown: choice, heard: this.lastSeen, turn: 0 }
    // Shown again, with the name that waited to be.
    if (choice !== 'offline' && this.#newName !== undefined) this.rename(this.#newName)
  }

  /** Takes a choice; it lasts until the next one, or until the user is gone. */
  choose(choice: Status): void {
    if (this.#stay && this.#stay.sessions.length > 0) this.#stay.choice = choice
  }

  /** Takes a name. */
  rename(username: string): void {
    const isUnseen =
      this.#stay !== undefined && this.#stay.sessions.length > 0 && this.#stay.shown === 'offline'
    this.#newName = isUnseen ? username : undefined
    if (!isUnseen) this.username = username
  }

  /** A proof of life. */
  heard(at: number): void {
    if (!this.#stay || at <= this.#stay.heard) return
    this.#stay.heard = at
    if (this.#stay.shown !== 'offline') this.lastSeen = Math.max(this.lastSeen, at)
  }

  /** The change that is due waits for its turn. Says whether that is news. */
  wait(turn: number): boolean {
    if (!this.#stay || this.#stay.turn === turn) return false
    this.#stay.turn = turn
    return true
  }

  /** From now on others see what is due. Who is gone and seen as gone is let go of but for name and time. */
  show(): void {
    if (!this.#stay) return
    this.#stay.shown = this.due
    this.#stay.turn = 0
    if (this.#stay.shown !== 'offline' && this.#newName !== undefined) this.rename(this.#newName)
    if (this.#stay.shown !== 'offline') this.lastSeen = Math.max(this.lastSeen, this.#stay.heard)
    if (this.#stay.shown === 'offline' && this.#stay.sessions.length === 0) this.#stay = undefined
  }

  #remove(id: string): boolean {
    const sessions = this.#stay?.sessions
    const index = sessions?.findIndex(session => session.state === 'live' && session.id === id) ?? -1
    if (index < 0) return false
    sessions?.splice(index, 1)
    return true
  }

  /** Who is gone starts as `online` the next time. */
  #resetChoice(): void {
    if (this.#stay && this.#stay.sessions.length === 0) this.#stay.choice = 'online'
  }
}
