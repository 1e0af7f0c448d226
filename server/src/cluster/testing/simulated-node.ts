import type { UserId } from '@who-is-online/protocol/words'
import { ClusterFeed } from '../../changes/cluster-feed.ts'
import type { NumberedChange } from '../../changes/feed.ts'
import { type StreamCommand, StreamKeeper } from '../../changes/stream-keeper.ts'
import type { Choice } from '../../presence/choice.ts'
import type { LeaseRefusal, LeaseTerms } from '../../presence/lease.ts'
import type { PresenceOptions } from '../../presence/options.ts'
import type { Presence } from '../../presence/presence.ts'
import type { SeenUser } from '../../presence/view.ts'
import { SystemClock } from '../../time/clock.ts'
import { type ChosenStatus, Tracker } from '../../tracker.ts'
import type { ClusterLog } from '../cluster-log.ts'
import type { MemberEvent } from '../command.ts'
import type { NodeId } from '../entry.ts'
import type { Member } from '../member.ts'
import { presentNow } from '../present-now.ts'
import { FaultTimes } from './fault-times.ts'
import { type Network, SimulatedLink } from './simulated-link.ts'

/** In the simulation, the log is trimmed early, so that long pauses are longer. */
const KEEP_MS = 20_000
/** How often a node handles what is due, as the ticker does. */
const TICK_MS = 100
/** How often clients give signs of life. A node may count on one within 30 s. */
const PING_MS = 10_000
/** How long a node that stops waits until other nodes have its leased sessions. */
const HAND_OVER_MS = 500
/** How many changes a node keeps for clients that resume. */
const RECENT_CHANGES = 1_000

/** What a node shares with the world. */
export interface Surroundings extends Network {
  readonly parts: {
    readonly Member: typeof Member
    readonly ClusterLog: typeof ClusterLog
    readonly Presence: typeof Presence
    /** A control replaces it. */
    readonly Keeper?: typeof StreamKeeper
  }
  readonly options: PresenceOptions
  /** Something has happened on a node. */
  readonly happened: (node: SimulatedNode, event: MemberEvent) => void
  /** A command of the stream of changes was executed. */
  readonly stored: (node: SimulatedNode, command: StreamCommand) => void
  /** Others see users differently on a node. */
  readonly changed: (node: SimulatedNode, changes: readonly NumberedChange[]) => void
  /** A session has ended on its node. */
  readonly ended: (session: Session) => void
  /** All sessions of a user were ended on a node. */
  readonly kicked: (node: SimulatedNode, userId: UserId) => void
}

/** A session of a client on one node. */
export interface Session {
  readonly id: string
  readonly userId: UserId
  readonly node: SimulatedNode
  /** By the clock of the node, in ms since the epoch. */
  openedAt: number
  isHeld: boolean
  isOver: boolean
  /** Whether the client has closed it. */
  hasLeft?: true
  /** When its fact was read back on its node; Infinity before. */
  placedAt: number
}

/** A process of the server: its member, log, presence and tracker, behind a network with faults. */
export class SimulatedNode {
  readonly id: NodeId
  readonly member: Member
  readonly log: ClusterLog
  readonly presence: Presence
  readonly feed: ClusterFeed
  readonly keeper: StreamKeeper
  readonly faults: FaultTimes
  readonly link: SimulatedLink
  /** The sessions that the node has, by their ids. */
  readonly sessions = new Map<string, Session>()
  isStopped = false
  /** The nodes that were lost here for good reason, and have not asserted since. */
  readonly excused = new Set<NodeId>()
  /** How often this node has loaded what Redis holds, instead of reading all entries. */
  loads = 0
  readonly startedAt: number
  /** When this node was last seen at the end of the log. */
  caughtUpAt = 0
  readonly #world: Surroundings
  readonly #clock: SystemClock
  readonly #tracker: Tracker

  constructor(id: NodeId, world: Surroundings) {
    const { time, redis, parts } = world
    this.id = id
    this.#world = world
    this.startedAt = time.now
    this.faults = new FaultTimes(redis)
    this.#clock = new SystemClock(
      () => world.redis.rightClock,
      () => time.now,
    )
    this.log = new parts.ClusterLog(
      id,
      event => this.#happened(event),
      world.options.keepMs,
      world.options.hiddenKeepMs,
    )
    const about = { name: id, version: '1' }
    this.member = new parts.Member({ node: id, about, keepMs: KEEP_MS, restartGraceMs: 0 }, this.log)
    this.link = new SimulatedLink(id, this.member, world)
    this.presence = new parts.Presence(world.options, this.log.elsewhere)
    this.feed = new ClusterFeed({ places: this.log, recent: RECENT_CHANGES, report: rethrow })
    this.keeper = new (parts.Keeper ?? StreamKeeper)(this.feed)
    this.feed.listen({ changed: changes => world.changed(this, changes) })
    this.#tracker = new Tracker({
      presence: this.presence,
      log: this.log,
      feed: this.feed,
      store: { put: () => {}, delete: () => {}, recordAlive: () => {}, purge: async () => {} },
      clock: this.#clock,
      ended: ({ sessionId }) => this.#ended(sessionId),
      forgot: () => {},
    })
    this.#tracker.listen({ kicked: userId => world.kicked(this, userId), ended: () => {}, moved: () => {} })
    this.#clock.listen({
      suspended: (ms, now) => this.#tracker.suspended(ms, now),
      jumped: (ms, now) => this.#tracker.jumped(ms, now),
      corrected: ms => this.#tracker.leaveOut(ms),
    })
    this.presence.restore([], this.#clock.now())
    const access = {
      member: this.member,
      changed: this.link.changed.bind(this.link),
      time: () => this.link.redisTime,
    }
    this.log.attach(
      access,
      presentNow(this.presence, () => this.#clock.now()),
    )
  }

  start(): void {
    this.link.start()
    this.#tick()
    this.#hear()
  }

  // What happens here

  /** @param placed is called when all see it */
  open(session: Session, placed: () => void): void {
    const { userId, id } = session
    const replaced = this.sessions.get(id)
    if (replaced) replaced.isOver = true
    this.sessions.set(id, session)
    const opened = this.#tracker.open({ userId, sessionId: id, isNamed: true }, {})
    session.openedAt = this.presence.present(userId).sessions[id] ?? 0
    this.#await(opened, () => {
      session.placedAt = this.#now
      placed()
    })
  }

  /** The client closes the session. */
  leave(session: Session): void {
    if (!this.#has(session)) return
    session.hasLeft = true
    this.#tracker.leave({ userId: session.userId, sessionId: session.id })
  }

  /** The connection of a session is lost. The session is held. */
  lose(session: Session): void {
    if (session.isHeld || !this.#has(session)) return
    session.isHeld = true
    this.#tracker.lose({ userId: session.userId, sessionId: session.id })
  }

  choose(session: Session, choice: Choice, placed: () => void): ChosenStatus {
    const chosen = this.#tracker.setStatus({ userId: session.userId, sessionId: session.id }, choice)
    this.#await(chosen.placed, placed)
    return chosen
  }

  /** A backend sets the status of a user. `done` is called with whether it was set. */
  chooseFor(userId: UserId, choice: Choice, done: (isSet: boolean) => void): void {
    const chosen = this.#tracker.setStatusFor(userId, choice)
    if (typeof chosen === 'string') return this.link.after(0, () => done(false))
    if (!chosen.isSet) return this.link.after(0, () => done(true))
    void chosen.isSet.then(isSet => this.link.after(0, () => done(isSet)))
  }

  rename(userId: UserId, username: string): void {
    this.#tracker.identify(userId, username)
  }

  setActivity(session: Session, activity: 'active' | 'idle'): void {
    this.#tracker.setActivity({ userId: session.userId, sessionId: session.id }, activity)
  }

  /** @param placed is called when all nodes have ended the sessions of the user */
  kick(userId: UserId, placed: () => void): void {
    this.#await(this.#tracker.endSessions(userId), placed)
  }

  /** @param placed is called when no node has the session */
  endSession(userId: UserId, sessionId: string, placed: () => void): void {
    this.#await(this.#tracker.endSession({ userId, sessionId }), placed)
  }

  /** @returns why that is not possible, or whether the session is new */
  lease(userId: UserId, sessionId: string, terms: LeaseTerms): LeaseRefusal | boolean {
    const leased = this.#tracker.lease({ userId, sessionId }, terms)
    return typeof leased === 'string' ? leased : leased.isNew
  }

  /** As the core stops: other nodes take over the leased sessions first. */
  stop(): void {
    this.isStopped = true
    this.#tracker.handOver()
    const handedOver = this.log.handOver()
    let isEnding = false
    const end = (): void => {
      if (isEnding) return
      isEnding = true
      this.#tracker.stop()
      this.link.stop()
    }
    if (!handedOver) return end()
    void handedOver.then(() => this.link.after(0, end))
    this.link.after(HAND_OVER_MS, end)
  }

  kill(): void {
    this.link.kill()
    for (const session of this.sessions.values()) session.isOver = true
  }

  // Queries

  get isDead(): boolean {
    return this.link.isDead
  }

  get isCalm(): boolean {
    return !this.isDead && this.faults.isOver(this.#now)
  }

  /** Whether others may take this node for lost. */
  isExcusedFor(reader: SimulatedNode): boolean {
    return this.faults.isExcused(this.#now, reader.caughtUpAt)
  }

  /** A fault of this node from now on. */
  disturb(ms: number): void {
    this.faults.add(ms, this.#now)
  }

  /** A user as others see them here. */
  see(userId: UserId): SeenUser {
    // A sign of life of an unknown user only tells the time.
    this.presence.heard('nobody', this.#clock.now())
    return this.presence.see(userId)
  }

  isPresent(userId: UserId): boolean {
    return this.presence.see(userId).status !== 'offline'
  }

  // Private

  get #now(): number {
    return this.#world.time.now
  }

  #tick(): void {
    // A sign of life of an unknown user only tells the time.
    this.presence.heard('nobody', this.#clock.now())
    // Without a deadline, it would only look for users to forget.
    if (this.presence.nextDeadline <= this.#clock.now()) {
      while (this.#tracker.advance(this.#clock.now(), this.#clock.awake()));
    }
    this.#keepChanges()
    this.link.after(TICK_MS, () => this.#tick())
  }

  /** Executes the commands of the stream of changes. */
  #keepChanges(): void {
    const { standing } = this.log
    const stands = standing && { ...standing, isStopping: false }
    const command = this.keeper.next(stands, this.#now)
    if (!command) return
    this.link.changes(
      command,
      answer => {
        this.keeper.answered(answer, this.#now)
        this.#world.stored(this, command)
        this.#keepChanges()
      },
      () => this.keeper.failed(this.#now),
    )
  }

  /** The clients answer pings. */
  #hear(): void {
    for (const { userId, id, isHeld } of this.sessions.values()) {
      if (!isHeld) this.#tracker.heard({ userId, sessionId: id })
    }
    this.link.after(PING_MS, () => this.#hear())
  }

  #has(session: Session): boolean {
    return !this.isDead && this.sessions.get(session.id) === session
  }

  #ended(sessionId: string): void {
    const session = this.sessions.get(sessionId)
    if (!session) return
    session.isOver = true
    this.sessions.delete(sessionId)
    this.#world.ended(session)
  }

  #await(placed: Promise<void> | undefined, done: () => void): void {
    if (placed) void placed.then(() => this.link.after(0, done))
    else this.link.after(0, done)
  }

  #happened(event: MemberEvent): void {
    // What waits for a promise runs before the next event.
    if (event.what === 'placed' || event.what === 'reached') this.#world.time.settle()
    if (event.what === 'stopped') this.isStopped = true
    if (event.what === 'loaded') this.loads++
    this.#world.happened(this, event)
  }
}

function rethrow(error: unknown): never {
  throw error
}
