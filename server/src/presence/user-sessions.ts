import type { SessionsState } from './fact.ts'

/** The id of a session, and whether the client chose the id itself and uses it again after a reconnect. */
export interface SessionName {
  readonly id: string
  readonly named: boolean
}

/**
 * One tab or device. An inactive session is not visible to the user, such as a hidden tab. Browsers let
 * hidden tabs run only once a minute.
 */
type Session = SessionName & {
  /** In ms since the epoch. */
  readonly openedAt: number
  readonly isIdle: boolean
  readonly isInactive: boolean
} & (
    | { readonly state: 'live' }
    /** The connection was lost. Until `until`, in awake time, the session may come back without a change. */
    | { readonly state: 'held'; readonly until: number }
  )

/** The id of the placeholder for all sessions of a user before a restart. */
const BEFORE_RESTART = 'before the restart'

/**
 * The sessions of one user, live and held, in the order in which they began to be so. It counts them by state, because
 * every command asks for that, and a user id that many people share can have thousands of sessions.
 */
export class UserSessions {
  #all: Session[] = []
  #held = 0
  #idle = 0
  #inactive = 0

  get size(): number {
    return this.#all.length
  }

  /** The sessions together: `idle` if all of them are. */
  get state(): SessionsState {
    if (this.size === 0) return 'none'
    return this.#idle === this.size ? 'idle' : 'active'
  }

  get liveCount(): number {
    return this.size - this.#held
  }

  /** When each session that clients know was opened, in ms since the epoch, by its id. */
  get openedAt(): Readonly<Record<string, number>> {
    const known = this.#all.filter(({ id }) => id !== BEFORE_RESTART)
    return Object.fromEntries(known.map(({ id, openedAt }) => [id, openedAt]))
  }

  /** Whether at least one session is inactive. */
  get hasInactive(): boolean {
    return this.#inactive > 0
  }

  /**
   * Begins a session. It replaces the session with its own id, or else the unnamed session that has been held
   * longest, and takes over the activity of that one. Otherwise it is an additional session.
   *
   * @param now in ms since the epoch
   */
  open({ id, named }: SessionName, now: number): void {
    const own = named ? this.#all.findIndex(session => session.id === id) : -1
    const index = own >= 0 ? own : this.#heldLongest()
    const isIdle = this.#all[index]?.isIdle ?? false
    if (index >= 0) this.#remove(index)
    this.#add({ id, named, openedAt: now, isIdle, isInactive: false, state: 'live' })
  }

  /**
   * Holds a session that was lost, until `until`, or until `inactiveUntil` if it is inactive. An unknown
   * session changes nothing. Returns the time that applies.
   */
  hold(id: string, until: number, inactiveUntil: number): number {
    const lost = this.#take(id)
    const end = lost?.isInactive ? inactiveUntil : until
    if (lost) this.#add({ ...lost, state: 'held', until: end })
    return end
  }

  /** Holds what the user had before a restart, as one session. */
  restore(isIdle: boolean, isInactive: boolean, until: number): void {
    this.#add({ id: BEFORE_RESTART, named: false, openedAt: 0, isIdle, isInactive, state: 'held', until })
  }

  /** Ends a session that was left. An unknown session changes nothing. Returns whether the session existed. */
  end(id: string): boolean {
    return this.#take(id) !== undefined
  }

  /** Ends all sessions, also those that are held. Returns the ids of those that clients know. */
  endAll(): string[] {
    return this.#removeAll(() => true)
  }

  /** Ends a session that continues elsewhere, live or held. Returns whether it existed. */
  endMoved(id: string): boolean {
    return this.#removeAll(session => session.named && session.id === id).length > 0
  }

  /** Ends every held session whose time is over. Returns the ids of those that clients know. */
  endHeld(awake: number): string[] {
    return this.#removeAll(session => session.state === 'held' && session.until <= awake)
  }

  /** Holds every held session at least until `until`. Returns whether one of them is held longer now. */
  holdLonger(until: number): boolean {
    let isLonger = false
    for (const [index, session] of this.#all.entries()) {
      if (session.state !== 'held' || session.until >= until) continue
      this.#all[index] = { ...session, until }
      isLonger = true
    }
    return isLonger
  }

  /** Changes the state of a live session. An unknown session changes nothing. */
  change(id: string, what: Partial<Pick<Session, 'isIdle' | 'isInactive'>>): void {
    const index = this.#indexOf(id)
    const session = this.#all[index]
    if (!session) return
    const changed = { ...session, ...what }
    this.#count(session, -1)
    this.#count(changed, 1)
    this.#all[index] = changed
  }

  // Private

  #heldLongest(): number {
    return this.#held === 0 ? -1 : this.#all.findIndex(({ state, named }) => state === 'held' && !named)
  }

  #indexOf(id: string): number {
    return this.#all.findIndex(session => session.state === 'live' && session.id === id)
  }

  #take(id: string): Session | undefined {
    const index = this.#indexOf(id)
    return index < 0 ? undefined : this.#remove(index)
  }

  #add(session: Session): void {
    this.#all.push(session)
    this.#count(session, 1)
  }

  #remove(index: number): Session {
    const [session] = this.#all.splice(index, 1) as [Session]
    this.#count(session, -1)
    return session
  }

  #removeAll(isOver: (session: Session) => boolean): string[] {
    const ended = this.#all.filter(isOver)
    if (ended.length === 0) return []
    this.#all = this.#all.filter(session => !isOver(session))
    for (const session of ended) this.#count(session, -1)
    return ended.map(({ id }) => id).filter(id => id !== BEFORE_RESTART)
  }

  #count({ state, isIdle, isInactive }: Session, by: 1 | -1): void {
    if (state === 'held') this.#held += by
    if (isIdle) this.#idle += by
    if (isInactive) this.#inactive += by
  }
}
