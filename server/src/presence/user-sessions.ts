import type { SessionsState } from './fact.ts'
import { type LeaseTold, type StoredLease, untoldMs } from './lease.ts'
import { ownCopy } from './user-table.ts'

/** The id of a session, and whether the client chose the id itself and uses it again after a reconnect. */
export interface SessionName {
  readonly id: string
  readonly named: boolean
}

/**
 * One tab or device. An inactive session is not visible to the user, such as a hidden tab. Browsers let
 * hidden tabs run only once a minute.
 */
export type Session = SessionName & {
  /** The kind of device, such as `web`. */
  readonly device?: string | undefined
  /** In ms since the epoch. */
  readonly openedAt: number
  /** Since when it is on this node, in ms since the epoch. Of a leased session that was taken over, that is later. */
  readonly since?: number
  /** The last sign of life, in ms since the epoch. */
  aliveAt: number
  readonly isIdle: boolean
  /** When an idle session became idle, in ms since the epoch; 0 if that is not known. */
  readonly idleSince: number
  /** When an active session becomes idle, in awake time; Infinity if that has no time. */
  readonly activeUntil: number
  readonly isInactive: boolean
} & (
    | { readonly state: 'live' }
    /** The connection was lost. Until `until`, in awake time, the session may come back without a change. */
    | { readonly state: 'held'; readonly until: number }
    /** It has no connection. A backend must renew it before `until`, in awake time. */
    | ({ readonly state: 'leased' } & LeaseTimes)
  )

interface LeaseTimes {
  readonly until: number
  /** For how long it was leased, in ms. */
  readonly ttlMs: number
  /**
   * When it was renewed, in ms since the epoch. Unlike the last sign of life, it does not become later when others see
   * the user: another node may have renewed the session since.
   */
  readonly renewedAt: number
  /** The end that the other nodes of a cluster were told. */
  readonly toldUntil: number
  /** See {@link LeaseTold.notBefore}. */
  readonly notBefore: number
}

/** What a leased session begins or continues with. */
export interface LeaseStart {
  /** When it ends, in awake time. */
  readonly until: number
  readonly ttlMs: number
  readonly device?: string | undefined
  readonly isIdle?: boolean | undefined
}

/** What a client says about its session. */
export type SessionChange = Partial<Pick<Session, 'isIdle' | 'idleSince' | 'activeUntil' | 'isInactive'>>

/** The id of the placeholder for all sessions of a user before a restart. No client can have it: it is not a name. */
export const BEFORE_RESTART = '\0before the restart'

/** With more sessions, the live ones are found by a table. Most users have fewer, and the table takes memory. */
export const FEW_SESSIONS = 16

/** Whether a session is connected, or leased, and visible to its user. */
export function isVisibleSession({ state, isInactive }: Session): boolean {
  return state !== 'held' && !isInactive
}

/**
 * The sessions of one user, live and held, in the order in which they began to be so. It counts them by state, because
 * every command asks for that, and a user id that many people share can have thousands of sessions.
 */
export class UserSessions {
  #all: Session[] = []
  /** The live sessions by id, if there are many: each sign of life looks one up, and these come most often. */
  #live: Map<string, Session> | undefined
  #held = 0
  #leased = 0
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
    return this.size - this.#held - this.#leased
  }

  get heldCount(): number {
    return this.#held
  }

  get leaseCount(): number {
    return this.#leased
  }

  /** All sessions, with the placeholder {@link BEFORE_RESTART}. */
  get all(): readonly Session[] {
    return this.#all
  }

  /** The leased sessions as they are stored. `at` converts awake time to ms since the epoch. */
  leases(at: (awake: number) => number): StoredLease[] {
    return this.#all.flatMap(session => {
      if (session.state !== 'leased') return []
      const { id, openedAt, until, device, isIdle } = session
      const lease = { sessionId: id, openedAt, endsAt: Math.round(at(until)) }
      return { ...lease, ...(device !== undefined && { device }), ...(isIdle && { idle: true as const }) }
    })
  }

  /** When each session that clients know was opened, in ms since the epoch, by its id. */
  get openedAt(): Readonly<Record<string, number>> {
    const known = this.#all.filter(({ id }) => id !== BEFORE_RESTART)
    return Object.fromEntries(known.map(({ id, openedAt, since }) => [id, since ?? openedAt]))
  }

  /**
   * The leased sessions as other nodes are told of them.
   *
   * @param now in ms since the epoch
   * @param awake the same in awake time
   */
  leasesTold(now: number, awake: number): LeaseTold[] {
    return this.#all.flatMap(session => {
      if (session.state !== 'leased') return []
      const { id, openedAt, since = openedAt, renewedAt, until, ttlMs, notBefore } = session
      const { device, isIdle, idleSince } = session
      const times = {
        leftMs: Math.max(0, until - awake),
        ageMs: Math.max(0, now - renewedAt),
        notBefore,
        ttlMs,
      }
      return {
        sessionId: id,
        openedAt,
        since,
        ...times,
        device,
        idleSince: isIdle ? idleSince : undefined,
      }
    })
  }

  /** The ids of the sessions whose connection was lost. */
  get heldIds(): string[] {
    if (this.#held === 0) return []
    return this.#all.flatMap(({ id, state }) => (state === 'held' && id !== BEFORE_RESTART ? [id] : []))
  }

  /** The latest time at which one of the idle sessions became idle, in ms since the epoch; 0 if that is not known. */
  get idleSince(): number {
    return this.#all.reduce((latest, { isIdle, idleSince }) => Math.max(latest, isIdle ? idleSince : 0), 0)
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
   * @param device the kind of device
   */
  open({ id, named }: SessionName, now: number, device?: string): void {
    const own = named ? this.#all.findIndex(session => session.id === id) : -1
    const index = own >= 0 ? own : this.#heldLongest()
    const isIdle = this.#all[index]?.isIdle ?? false
    const activeUntil = this.#all[index]?.activeUntil ?? Number.POSITIVE_INFINITY
    const idleSince = this.#all[index]?.idleSince ?? 0
    if (index >= 0) this.#remove(index)
    const begun = { id, named, device: device && ownCopy(device), openedAt: now, aliveAt: now }
    this.#add({ ...begun, activeUntil, idleSince, isIdle, isInactive: false, state: 'live' })
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
    const activeUntil = Number.POSITIVE_INFINITY
    const restored = { id: BEFORE_RESTART, named: false, openedAt: 0, aliveAt: 0, idleSince: 0, activeUntil }
    this.#add({ ...restored, isIdle, isInactive, state: 'held', until })
  }

  /** Whether there is a session with this id, in any state. */
  has(id: string): boolean {
    return this.#all.some(session => session.id === id)
  }

  /** Whether this session is leased. */
  isLeased(id: string): boolean {
    return this.#leased > 0 && this.#all.some(session => session.state === 'leased' && session.id === id)
  }

  /** Whether a client is connected with this session id. */
  isLive(id: string): boolean {
    return this.#liveSession(id) !== undefined
  }

  /**
   * Leases a session, or renews it. It replaces the held session with the same id, and takes over the activity of that
   * one. Returns whether it is new, and not a renewal, and whether the other nodes of a cluster must be told.
   *
   * @param now in ms since the epoch
   */
  lease(
    id: string,
    now: number,
    { until, ttlMs, device, isIdle }: LeaseStart,
  ): { isNew: boolean; isTold: boolean } {
    const index = this.#all.findIndex(session => session.named && session.id === id)
    const before = index < 0 ? undefined : this.#remove(index)
    const renewed = before?.state === 'leased' ? before : undefined
    const isNew = !renewed
    const isSame =
      renewed?.ttlMs === ttlMs &&
      (device ?? renewed.device) === renewed.device &&
      (isIdle ?? renewed.isIdle) === renewed.isIdle
    const movedMs = renewed ? until - renewed.toldUntil : 0
    const isTold = !isSame || movedMs < 0 || movedMs > untoldMs(ttlMs)
    this.#add({
      id: before?.id ?? ownCopy(id),
      named: true,
      device: device === undefined ? before?.device : ownCopy(device),
      openedAt: renewed?.openedAt ?? now,
      ...(renewed?.since !== undefined && { since: renewed.since }),
      aliveAt: now,
      isIdle: isIdle ?? before?.isIdle ?? false,
      idleSince: isIdle && !before?.isIdle ? now : (before?.idleSince ?? 0),
      activeUntil: Number.POSITIVE_INFINITY,
      isInactive: false,
      state: 'leased',
      until,
      ttlMs,
      renewedAt: now,
      toldUntil: renewed && !isTold ? renewed.toldUntil : until,
      notBefore: renewed?.notBefore ?? 0,
    })
    return { isNew, isTold }
  }

  /**
   * Takes over a leased session of another node, which ends in `leftMs`. It is on this node since later than on that
   * one, so it continues here. It keeps its device and its activity.
   *
   * @param now in ms since the epoch
   * @param awake the same in awake time
   */
  takeOver(
    { sessionId, openedAt, since, leftMs, ageMs, notBefore, ttlMs, device, idleSince }: LeaseTold,
    now: number,
    awake: number,
  ): void {
    const until = awake + leftMs
    const renewedAt = now - ageMs
    this.#add({
      id: ownCopy(sessionId),
      named: true,
      device: device === undefined ? undefined : ownCopy(device),
      openedAt,
      since: since + 1,
      aliveAt: renewedAt,
      isIdle: idleSince !== undefined,
      idleSince: idleSince ?? 0,
      activeUntil: Number.POSITIVE_INFINITY,
      isInactive: false,
      state: 'leased',
      until,
      ttlMs,
      renewedAt,
      toldUntil: until,
      notBefore: notBefore + 1,
    })
  }

  /** Ends the sessions with this id, live, held or leased. Returns their ids. */
  endSession(id: string): string[] {
    return this.#removeAll(session => session.id === id)
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

  /** Ends every held or leased session whose time is over. Returns the ids of those that clients know. */
  endHeld(awake: number): string[] {
    return this.#removeAll(session => session.state !== 'live' && session.until <= awake)
  }

  /** Keeps every held or leased session at least until `until`. Returns whether one of them is kept longer now. */
  holdLonger(until: number): boolean {
    let isLonger = false
    for (const [index, session] of this.#all.entries()) {
      if (session.state === 'live' || session.until >= until) continue
      this.#all[index] = { ...session, until }
      isLonger = true
    }
    return isLonger
  }

  /**
   * Changes the state of a live session. An unknown session changes nothing. Returns whether the session is idle or
   * inactive now and was not before, or the other way round.
   */
  change(id: string, what: SessionChange): boolean {
    const index = this.#indexOf(id)
    const session = this.#all[index]
    if (!session) return false
    const changed = { ...session, ...what }
    this.#replace(index, changed)
    return changed.isIdle !== session.isIdle || changed.isInactive !== session.isInactive
  }

  /** Records a sign of life of a live session at this time, in ms since the epoch. */
  heard(id: string, at: number): void {
    const session = this.#liveSession(id)
    if (session && at > session.aliveAt) session.aliveAt = at
  }

  /** Others see the user only since `at`: no session tells an earlier time. */
  showSince(at: number): void {
    this.#replaceAll(session => ({
      ...session,
      aliveAt: session.aliveAt && Math.max(session.aliveAt, at),
      idleSince: session.idleSince && Math.max(session.idleSince, at),
    }))
  }

  /** The wall clock was set by `ms`. What this process has measured moves with it. */
  moveHeard(ms: number): void {
    this.#replaceAll(session => ({
      ...session,
      aliveAt: session.aliveAt && session.aliveAt + ms,
      idleSince: session.idleSince && session.idleSince + ms,
      ...(session.state === 'leased' && { renewedAt: session.renewedAt + ms }),
    }))
  }

  /**
   * When the next active session becomes idle, or the next leased one ends, in awake time; undefined if none does.
   */
  get nextEnd(): number | undefined {
    let next = Number.POSITIVE_INFINITY
    for (const session of this.#all) {
      if (!session.isIdle) next = Math.min(next, session.activeUntil)
      if (session.state === 'leased') next = Math.min(next, session.until)
    }
    return next === Number.POSITIVE_INFINITY ? undefined : next
  }

  /** Makes each session idle that was active until `awake` or earlier. It is `now`, in ms since the epoch. */
  endActivity(awake: number, now: number): void {
    for (const [index, session] of this.#all.entries()) {
      if (session.isIdle || session.activeUntil > awake) continue
      this.#replace(index, { ...session, isIdle: true, idleSince: now })
    }
  }

  // Private

  #heldLongest(): number {
    return this.#held === 0 ? -1 : this.#all.findIndex(({ state, named }) => state === 'held' && !named)
  }

  #liveSession(id: string): Session | undefined {
    return this.#live ? this.#live.get(id) : this.#all[this.#indexOf(id)]
  }

  #indexOf(id: string): number {
    return this.#all.findIndex(session => session.state === 'live' && session.id === id)
  }

  #replace(index: number, session: Session): void {
    this.#count(this.#all[index] as Session, -1)
    this.#count(session, 1)
    this.#all[index] = session
    if (session.state === 'live') this.#live?.set(session.id, session)
  }

  /** Replaces each session by one with the same id and state. */
  #replaceAll(replaced: (session: Session) => Session): void {
    this.#all = this.#all.map(replaced)
    if (this.#live) this.#fillTable()
  }

  #fillTable(): void {
    const live = this.#all.filter(({ state }) => state === 'live')
    this.#live = new Map(live.map(session => [session.id, session]))
  }

  #take(id: string): Session | undefined {
    const index = this.#indexOf(id)
    return index < 0 ? undefined : this.#remove(index)
  }

  #add(session: Session): void {
    this.#all.push(session)
    this.#count(session, 1)
    if (!this.#live && this.size > FEW_SESSIONS) this.#fillTable()
    else if (session.state === 'live') this.#live?.set(session.id, session)
  }

  #remove(index: number): Session {
    const [session] = this.#all.splice(index, 1) as [Session]
    this.#dropped(session)
    return session
  }

  #removeAll(isOver: (session: Session) => boolean): string[] {
    const ended = this.#all.filter(isOver)
    if (ended.length === 0) return []
    this.#all = this.#all.filter(session => !isOver(session))
    for (const session of ended) this.#dropped(session)
    return ended.map(({ id }) => id).filter(id => id !== BEFORE_RESTART)
  }

  #dropped(session: Session): void {
    this.#count(session, -1)
    if (this.#live?.get(session.id) === session) this.#live.delete(session.id)
  }

  #count({ state, isIdle, isInactive }: Session, by: 1 | -1): void {
    if (state === 'held') this.#held += by
    if (state === 'leased') this.#leased += by
    if (isIdle) this.#idle += by
    if (isInactive) this.#inactive += by
  }
}
