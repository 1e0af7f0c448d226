import type { UserId } from '@who-is-online/protocol/words'
import type { ChangeFeed } from './changes/feed.ts'
import type { Agreed, FactLog } from './cluster/log.ts'
import { Erasures } from './erasures.ts'
import { type Decision, type EndedSession, NOTHING } from './presence/change.ts'
import type { Choice } from './presence/choice.ts'
import type { Arrival } from './presence/here.ts'
import type { LeaseRefusal, LeaseTerms } from './presence/lease.ts'
import type { Presence } from './presence/presence.ts'
import type { Store } from './storage/store.ts'
import type { Clock } from './time/clock.ts'

/** One tab or device of a user. It keeps its id when it reconnects. */
export interface UserSession {
  readonly userId: UserId
  readonly sessionId: string
}

/** A session that begins. */
export interface NewSession extends UserSession {
  /** Whether the client chose the session id, and uses it again when it reconnects. */
  readonly isNamed: boolean
}

/** A choice that was made. */
export interface ChosenStatus {
  /** When it was made, in ms since the epoch. */
  readonly madeAt: number
  /** Resolves when all nodes see it; `undefined` if they do. */
  readonly placed: Promise<void> | undefined
}

/** A choice that a backend has made for a user. */
export interface ChosenFor {
  /**
   * Resolves when all nodes see it, or, for a user on another node, when that node has taken it. `false` if the user
   * has left meanwhile, and nothing was set. `undefined` if all nodes see it.
   */
  readonly isSet: Promise<boolean> | undefined
}

/** A session that was leased or renewed. */
export interface LeasedSession {
  readonly isNew: boolean
  /** Resolves when all nodes see a new session; `undefined` if they do, and after a renewal. */
  readonly placed: Promise<void> | undefined
}

/** Is told which sessions have ended on this node although their clients are connected. */
export interface EndedElsewhere {
  /** All sessions of a user have ended. */
  kicked(userId: UserId): void
  /** One session has ended. */
  ended(session: EndedSession): void
  /** A session has been opened on another node, and continues there. */
  moved(session: EndedSession): void
}

export interface TrackerPorts {
  readonly presence: Presence
  readonly log: FactLog
  readonly feed: Pick<ChangeFeed, 'append' | 'chosen' | 'erase' | 'drop'>
  readonly store: Pick<Store, 'put' | 'delete' | 'recordAlive' | 'purge'>
  readonly clock: Pick<Clock, 'now'>
  /** Called with each session that has ended: it was left, or its grace period is over. */
  readonly ended: (session: EndedSession) => void
  /** Called with a number of forgotten users, once for many of them. */
  readonly forgot: (users: number) => void
}

/** How many users one step handles: about 1 ms of work. */
const USERS_PER_STEP = 500

/** The interval of `Store.recordAlive`, in ms. A crash can make `lastSeen` of online users too early by this much. */
const ALIVE_EVERY_MS = 4_000

/** How long forgotten users are counted before their number is reported, in ms. */
const FORGOT_COUNT_MS = 5_000

/**
 * The commands. Each one tells `presence` what happened and when, and passes what that changed to the store and to
 * the change feed. It does not depend on sockets or messages.
 */
export class Tracker {
  readonly #ports: TrackerPorts
  /** The last call of `Store.recordAlive`, in awake time. */
  #aliveAt = Number.NEGATIVE_INFINITY
  /** The number of forgotten users that was not reported yet, and the awake time of the first of them. */
  #forgotten = 0
  #forgottenSince = 0
  readonly #erasures: Erasures
  #stopped = false
  #isHandingOver = false
  #connections: EndedElsewhere | undefined

  constructor(ports: TrackerPorts) {
    this.#ports = ports
    const { log, presence, feed } = ports
    log.listen((facts, agreed) => {
      feed.append(presence.apply(facts, agreed?.own, agreed?.isLoaded), agreed?.seq)
      if (agreed) this.#follow(agreed)
    })
    this.#erasures = new Erasures({ ...ports, publish: decision => this.#publish(decision) })
  }

  /** Names the one who closes connections. */
  listen(connections: EndedElsewhere): void {
    this.#connections = connections
  }

  /**
   * Opens a session. `arrival` may contain a name and a choice of its user.
   *
   * @returns a promise that resolves when all nodes see the session; `undefined` if they do
   */
  open({ userId, sessionId, isNamed }: NewSession, arrival: Arrival): Promise<void> | undefined {
    if (this.#stopped) return undefined
    const { presence, clock } = this.#ports
    const session = { id: sessionId, named: isNamed }
    return this.#place(presence.open(userId, session, clock.now(), arrival), sessionId, true)
  }

  /** Ends a session that its client has closed. That is also its last sign of life. */
  leave({ userId, sessionId }: UserSession): void {
    if (this.#stopped) return
    const { presence, clock } = this.#ports
    const now = clock.now()
    presence.heard(userId, now)
    this.#publish(presence.leave(userId, sessionId, now))
  }

  /**
   * Leases a session on this node, or renews it: presence without a connection. Without a renewal within `ttlMs` it is
   * lost. A leased session of another node moves to this one. In a cluster another node takes over the leased sessions
   * of a node that is lost or stops; otherwise they survive a restart.
   *
   * @returns why that is not possible, or the session
   */
  lease({ userId, sessionId }: UserSession, terms: LeaseTerms): LeaseRefusal | LeasedSession {
    if (this.#stopped || this.#isHandingOver) return 'stopping'
    const { presence, clock, log, store } = this.#ports
    if (log.refusedMs(userId) > 0) return 'refused'
    const leased = presence.lease(userId, sessionId, terms, clock.now())
    if (typeof leased === 'string') return leased
    const { isNew, isTold, decision } = leased
    // Then nothing is decided but the new end.
    if (!isTold) {
      for (const record of decision.records) store.put(record)
      return { isNew, placed: undefined }
    }
    // Only the first call waits: while Redis does not answer, renewals must not fill the memory.
    return { isNew, placed: this.#place(decision, sessionId, isNew) }
  }

  /**
   * Ends one session on whatever node it is, as if it was left: a leased one, a held one, or a connected one, whose
   * connection is closed. Without such a session nothing changes.
   *
   * @returns a promise that resolves when it has ended on all nodes; `undefined` if it has
   */
  endSession(session: UserSession): Promise<void> | undefined {
    if (this.#stopped) return undefined
    const here = this.#endHere(session, true)
    const elsewhere = this.#ports.log.endSession(session)
    return here && elsewhere ? Promise.all([here, elsewhere]).then(() => {}) : (here ?? elsewhere)
  }

  /**
   * Ends all sessions of a user on all nodes, also those that are held, and closes their connections. The user may come
   * back.
   *
   * @param refuseMs for how long the user may not come back, in ms. See `canRefuse`
   * @returns a promise that resolves when all nodes have ended them; `undefined` if they have
   */
  endSessions(userId: UserId, refuseMs?: number): Promise<void> | undefined {
    return this.#ports.log.kick(userId, refuseMs)
  }

  /** Whether sessions can be ended, and users erased; see {@link FactLog.hasRoom}. */
  get canEnd(): boolean {
    return this.#ports.log.hasRoom
  }

  /** Whether a user can be refused; see {@link FactLog.canRefuse}. */
  canRefuse(userId: UserId): boolean {
    return this.#ports.log.canRefuse(userId)
  }

  /**
   * Erases a user on all nodes: ends all sessions, and forgets everything about the user, also what is stored. A user
   * who connects again is a new one.
   *
   * @returns a promise that resolves when that is done, also on the disk. It rejects if the disk fails, and the store
   * tries again by itself. It also rejects if this node stops before it has read that the user is erased
   */
  async erase(userId: UserId): Promise<void> {
    await this.#ports.log.erase(userId)
    if (this.#stopped) throw new Error('the server has stopped')
    await this.#erasures.whenDone(userId)
  }

  /** Marks a session as lost: its connection broke, and the client may come back. */
  lose({ userId, sessionId }: UserSession): void {
    if (this.#stopped) return
    const { presence, clock } = this.#ports
    this.#publish(presence.lose(userId, sessionId, clock.now()))
  }

  /** Records that a client has given a sign of life now. */
  heard({ userId, sessionId }: UserSession): void {
    const { presence, clock } = this.#ports
    presence.heard(userId, clock.now(), sessionId)
  }

  /** Sets the choice of a user. */
  setStatus({ userId, sessionId }: UserSession, choice: Choice): ChosenStatus {
    const { presence, clock } = this.#ports
    const now = clock.now()
    const placed = this.#stopped
      ? undefined
      : this.#place(presence.setStatus(userId, choice, now), sessionId, true)
    return { madeAt: presence.chosenAt(userId) ?? now, placed }
  }

  /**
   * Sets the choice of a user for a backend, as if a client of the user did. The user may be on any node. A choice with
   * an end may also be for a user without a session: it applies when the user comes.
   *
   * @returns why that is not possible, or the choice
   */
  setStatusFor(userId: UserId, choice: Choice): 'no_session' | 'stopping' | ChosenFor {
    if (this.#stopped) return 'stopping'
    const { presence, clock, log } = this.#ports
    if (presence.hasSession(userId)) {
      // No session has this id, so all connections of the user are told.
      const { placed } = this.setStatus({ userId, sessionId: '' }, choice)
      return { isSet: placed?.then(() => true) }
    }
    const decision = presence.setStatusAhead(userId, choice, clock.now())
    if (!decision) return 'no_session'
    this.#publish(decision)
    return { isSet: log.whenCounts(userId, { choice, madeAt: presence.chosenAt(userId) ?? 0 }) }
  }

  /** Reads on until this node knows the sessions that other nodes have opened before; see {@link FactLog.catchUp}. */
  catchUp(): Promise<boolean> | undefined {
    return this.#ports.log.catchUp()
  }

  /** Sets the name of a user. */
  identify(userId: UserId, username: string): void {
    if (this.#stopped) return
    const { presence, clock } = this.#ports
    this.#publish(presence.identify(userId, username, clock.now()))
  }

  /**
   * Sets whether the user is active or idle in a session.
   *
   * @param forMs after this time an active session becomes idle, unless it was set again; `undefined`: never
   */
  setActivity({ userId, sessionId }: UserSession, activity: 'active' | 'idle', forMs?: number): void {
    if (this.#stopped) return
    const { presence, clock } = this.#ports
    this.#publish(presence.setActivity(userId, sessionId, activity, clock.now(), forMs))
  }

  /** Sets whether a session is visible to its user (`active`) or in the background (`inactive`). */
  setVisibility({ userId, sessionId }: UserSession, visibility: 'active' | 'inactive'): void {
    if (this.#stopped) return
    const { presence, clock } = this.#ports
    this.#publish(presence.setVisibility(userId, sessionId, visibility, clock.now()))
  }

  /**
   * Handles users who are due, up to a limit. Returns whether more users are due already.
   *
   * @param now the wall clock, in ms since the epoch
   * @param awake `Clock.awake`, in ms
   */
  advance(now: number, awake: number): boolean {
    if (this.#stopped) return false
    const { presence, store, log } = this.#ports
    this.#publish(presence.advance(now, USERS_PER_STEP))
    const forgotten = log.forgetsStale ? presence.forgetStale(now, USERS_PER_STEP) : NOTHING
    this.#publish(forgotten)
    this.#reportForgotten(forgotten.forgotten.length, awake)
    presence.dropRecovered(now, USERS_PER_STEP)
    this.#erasures.tick(awake)
    if (presence.onlineCount > 0 && awake - this.#aliveAt >= ALIVE_EVERY_MS) {
      store.recordAlive(presence.storedTime(now), presence.knownTime(now))
      this.#aliveAt = awake
    }
    return presence.nextDeadline <= now
  }

  /** Handles a jump of the wall clock by `ms` to `now`; see `Presence.jumped`. */
  jumped(ms: number, now: number): void {
    if (this.#stopped) return
    const { presence, store } = this.#ports
    this.#publish(presence.jumped(ms, now))
    // The time that was stored before was read from another clock.
    if (presence.onlineCount > 0) store.recordAlive(presence.storedTime(now), presence.knownTime(now))
  }

  /** Excludes `ms` from all durations; see `Presence.leaveOut`. */
  leaveOut(ms: number): void {
    this.#ports.presence.leaveOut(ms)
  }

  /** Handles a suspension of `ms` that ended at `now`; see `Presence.suspended`. */
  suspended(ms: number, now: number): void {
    this.#ports.presence.suspended(ms, now)
  }

  /** Leases no sessions from now on: other nodes take over those of this node. */
  handOver(): void {
    this.#isHandingOver = true
  }

  /** Ignores all commands from now on, so that the last save has the state before the connections are closed. */
  stop(): void {
    this.#stopped = true
  }

  get isStopped(): boolean {
    return this.#stopped
  }

  #endHere({ userId, sessionId }: UserSession, isAwaited: boolean): Promise<void> | undefined {
    const { presence, clock } = this.#ports
    const decision = presence.endSession(userId, sessionId, clock.now())
    const isKnown = decision.ended.length > 0
    const placed = this.#place(decision, undefined, isAwaited && isKnown)
    // The connection last: it must not count as lost.
    if (isKnown) this.#connections?.ended({ userId, sessionId })
    return placed
  }

  /** Follows what the nodes of a cluster agree on, besides the facts. */
  #follow({
    archived,
    forgotten,
    unnamed,
    choices,
    moved,
    orphaned,
    kicked,
    erased,
    ended,
    heard,
    paced,
    agoMs,
  }: Agreed): void {
    const { presence, clock } = this.#ports
    const now = clock.now()
    presence.applyArchived(archived)
    presence.applyForgotten(forgotten)
    presence.changedElsewhere(paced, now, agoMs)
    for (const { userId, at } of heard) presence.heardElsewhere(userId, at)
    if (!this.#stopped) {
      for (const { userId, shown, chosen } of choices) {
        this.#publish(presence.learnChoice(userId, shown, chosen, now))
      }
      for (const { userId, username } of unnamed) this.#publish(presence.identify(userId, username, now))
      for (const { userId, sessionId } of moved) this.#publish(presence.endMoved(userId, sessionId, now))
      for (const leases of orphaned) this.#publish(presence.takeOver(leases, now))
      for (const userId of erased) {
        this.#erasures.begin(userId)
        this.#publish(presence.endErased(userId, now))
      }
      for (const userId of kicked) this.#publish(presence.endSessions(userId, now))
      for (const session of ended) void this.#endHere(session, false)
      this.#erasures.advance()
    }
    // The connections last: they must not count as lost.
    for (const session of moved) this.#connections?.moved(session)
    for (const userId of kicked) this.#connections?.kicked(userId)
    if (this.#stopped) for (const session of ended) this.#connections?.ended(session)
  }

  #reportForgotten(users: number, awake: number): void {
    if (this.#forgotten === 0) this.#forgottenSince = awake
    this.#forgotten += users
    if (this.#forgotten === 0 || awake - this.#forgottenSince < FORGOT_COUNT_MS) return
    this.#ports.forgot(this.#forgotten)
    this.#forgotten = 0
  }

  /** Publishes a decision that nobody waits for. */
  #publish(decision: Decision): void {
    void this.#place(decision)
  }

  /**
   * The only exit: passes what was decided to the store and to the log, which passes it on to the change feed. Returns
   * what `FactLog.append` returns.
   */
  #place(decision: Decision, bySession?: string, isAwaited = false): Promise<void> | undefined {
    const { facts, records, forgotten, choices, ended } = decision
    const { store, feed, log } = this.#ports
    for (const session of ended) this.#ports.ended(session)
    for (const record of records) store.put(record)
    for (const userId of forgotten) store.delete(userId)
    for (const choice of choices) feed.chosen(choice, bySession)
    return log.append(facts, decision, isAwaited)
  }
}
