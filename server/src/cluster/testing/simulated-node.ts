import type { UserId } from '@who-is-online/protocol/words'
import type { Command, Host, MemberEvent, UserItems } from '../command.ts'
import { KINDS } from '../compose.ts'
import type { FactItem, NodeFact, NodeId, RegisterItem, RegisterKey } from '../entry.ts'
import type { Member } from '../member.ts'
import { BEAT_MS } from '../members.ts'
import type { Changed } from '../outbox.ts'
import { userOf } from '../registers.ts'
import { ReferenceFold } from './reference-fold.ts'
import type { RedisClient, SimulatedRedis } from './simulated-redis.ts'
import type { Random, VirtualTime } from './virtual-time.ts'

/** A node that is paused or cut for longer may be lost for the others. */
const LONG_MS = 8_000
/** After a fault, others may read so much later that the node was lost: it has to connect, and they have to read. */
const HEALED_MS = 3_000
/**
 * Faults with a shorter time between them are one fault. Packets that were lost may arrive so much later, so the node
 * may not have written in that time.
 */
const GAP_MS = 3_000
/**
 * How long a fault has effects. TCP sends a lost packet again after the fault, each time later. After 3 s without an
 * own entry, the node connects again, and that takes less than a second.
 */
const CALM_AFTER_MS = 4_000
/** How long a lost session is held. */
const GRACE_MS = 5_000
/** How long a node waits for the first answer on new connections. */
const TRY_MS = 1_500
/** How long a load may take. */
const LOAD_MS = 3_000
/** In the simulation, the log is trimmed early, so that long pauses are longer. */
const KEEP_MS = 20_000

/** What a node and its network path share with the world. */
export interface Surroundings {
  readonly time: VirtualTime
  readonly random: Random
  readonly redis: SimulatedRedis
  readonly Member: typeof Member
  /** Something has happened on a node. */
  readonly happened: (node: SimulatedNode, event: MemberEvent) => void
}

export interface Session {
  readonly id: string
  readonly userId: UserId
  readonly openedAt: number
  readonly node: SimulatedNode
  isHeld: boolean
  isOver: boolean
  /** When its fact was read back on its node; Infinity before. */
  placedAt: number
}

interface Awaited {
  readonly name: string
  batch: number
  readonly done: () => void
}

/** One of the two connections, as the node sees it. Packets arrive late, but in their order. */
interface Connection {
  readonly client: RedisClient
  isOpen: boolean
  /** Whether nothing arrives at the node any more, and at Redis only much later. */
  isSilent: boolean
  /** Whether Redis still gets what was sent before the connection was given up. */
  readonly isFlushed: boolean
  lastToRedis: number
  lastToNode: number
}

/** A process of the server: the real member, with a simple host, behind a network with faults. */
export class SimulatedNode implements Host {
  readonly #world: Surroundings
  readonly id: NodeId
  readonly member: Member
  readonly fold = new ReferenceFold()
  readonly sessions = new Map<string, Session>()
  isDead = false
  isStopped = false
  pausedUntil = 0
  cutUntil = 0
  slowUntil = 0
  lossyUntil = 0
  /** Faults of this node without a quiet time between them. */
  #faultsFrom = Number.NEGATIVE_INFINITY
  faultsUntil = Number.NEGATIVE_INFINITY
  /** Faults that were long enough for others to take this node for lost. */
  readonly #long: { readonly from: number; readonly until: number }[] = []
  /** The nodes that were lost here for good reason, and have not asserted since. */
  readonly excused = new Set<NodeId>()
  /** When this node was last seen at the end of the log. */
  caughtUpAt = 0
  /** The registers that were set here. */
  readonly #own = new Map<RegisterKey, string>()
  /** The registers that were not read since the last epoch began. */
  #unrepeated = new Set<RegisterKey>()
  #awaited: Awaited[] = []
  #writing: Connection | undefined
  #reading: Connection | undefined
  #connectId = 0
  #tickAt = Number.POSITIVE_INFINITY
  /** Each process has a clock of its own. */
  readonly #clockOffset: number
  /** The users whose facts this node has changed to nothing, and how. */
  readonly #causes = new Map<UserId, FactItem[2]>()

  constructor(id: NodeId, world: Surroundings) {
    this.id = id
    this.#world = world
    this.#clockOffset = world.random.between(1, 1_000_000_000)
    this.member = new world.Member(
      { node: id, about: { name: id, version: '1' }, keepMs: KEEP_MS, restartGraceMs: 0 },
      this,
    )
    this.#input(now => this.member.start(now))
  }

  // Host

  compose(userId: UserId, batch: number, isAssertion: boolean): UserItems {
    const registers: RegisterItem[] = []
    this.#compose(userId, batch)
    for (const kind of KINDS) {
      const key: RegisterKey = `${kind}:${userId}`
      this.#compose(key, batch)
      const value = this.#newest(key)
      if (value !== undefined && (isAssertion || value !== this.fold.registers.get(key)))
        registers.push([key, value])
    }
    return { fact: [userId, this.factOf(userId), this.#causes.get(userId) ?? 'opened'], registers }
  }

  register(key: RegisterKey): string | undefined {
    return this.#newest(key)
  }

  users(): Set<UserId> {
    return new Set(Array.from(this.sessions.values(), ({ userId }) => userId))
  }

  usersOf(node: NodeId): Iterable<UserId> {
    return this.fold.facts.get(node)?.keys() ?? []
  }

  unrepeatedRegisters(): Iterable<RegisterKey> {
    return this.#unrepeated
  }

  happened(event: MemberEvent): void {
    const { fold } = this
    switch (event.what) {
      case 'loaded':
        fold.load(event.loaded)
        this.#unrepeated = this.#allRegisters()
        this.#repeated(event.loaded.registers as ReadonlyMap<RegisterKey, string>)
        break
      case 'assertionBegan':
        fold.begin(event.node)
        break
      case 'assertionEnded':
        fold.end(event.node)
        break
      case 'nodeLost':
        fold.lost(event.node)
        break
      case 'entry': {
        const { node, body } = event.entry
        for (const [userId, fact] of body.facts) fold.merge(node, userId, fact)
        fold.mergeRegisters(body.registers)
        this.#repeated(body.registers)
        break
      }
      case 'epoch':
        this.#unrepeated = this.#allRegisters()
        break
      case 'placed':
        this.#placed(event.batch)
        break
      case 'stopped':
        this.isStopped = true
    }
    this.#world.happened(this, event)
  }

  // What happens here

  /** @param placed is called when all see it */
  open(session: Session, placed: () => void): void {
    this.sessions.set(session.id, session)
    this.#causes.set(session.userId, 'opened')
    this.#await(session.userId, () => {
      session.placedAt = this.#now
      placed()
    })
    this.#change({ users: [session.userId] })
  }

  end(session: Session, cause: 'left' | 'lost'): void {
    if (session.isOver) return
    session.isOver = true
    if (this.isDead) return
    this.sessions.delete(session.id)
    this.#causes.set(session.userId, cause)
    const lastSeen: RegisterKey = `s:${session.userId}`
    this.#store(lastSeen, String(this.#world.redis.clock))
    this.#change({ users: [session.userId] })
  }

  /** The connection of a session is lost. The session is held. */
  lose(session: Session): void {
    if (session.isOver || session.isHeld) return
    session.isHeld = true
    this.#change({ users: [session.userId] })
    this.after(GRACE_MS, () => this.end(session, 'lost'))
  }

  /** Sets a register. Returns its value. */
  set(key: RegisterKey, content: string, placed: () => void): string {
    const value = this.#store(key, content)
    this.#await(key, placed)
    this.#change({ users: [userOf(key)] })
    return value
  }

  #allRegisters(): Set<RegisterKey> {
    return new Set([...(this.fold.registers.keys() as Iterable<RegisterKey>), ...this.#own.keys()])
  }

  #repeated(registers: Iterable<readonly [RegisterKey, string]>): void {
    for (const [key, value] of registers) {
      if (value >= (this.#newest(key) ?? '')) this.#unrepeated.delete(key)
    }
  }

  /** Stores the value of a register with a stamp that is greater than that of the known value. */
  #store(key: RegisterKey, content: string): string {
    const known = this.#newest(key)
    const knownStamp = known === undefined ? 0 : Number(known.split('|')[0])
    const stamp = Math.max(this.member.redisTime(this.#memberNow), knownStamp + 1)
    const value = `${String(stamp).padStart(15, '0')}|${this.id}|${content}`
    this.#own.set(key, value)
    return value
  }

  /** The greatest value that was set or read here. */
  #newest(key: RegisterKey): string | undefined {
    const values = [this.#own.get(key) ?? '', this.fold.registers.get(key) ?? '']
    return values.toSorted().at(-1) || undefined
  }

  kill(): void {
    this.isDead = true
    for (const session of this.sessions.values()) session.isOver = true
    for (const connection of [this.#writing, this.#reading]) if (connection) connection.isOpen = false
  }

  stop(): void {
    this.#input(now => this.member.stop(now))
  }

  /** A fault of this node from now on. */
  disturb(ms: number): void {
    const { faultFrom, faultUntil } = this.#world.redis
    // A fault of Redis may have kept the node from coming back.
    const last =
      faultFrom < this.faultsUntil + GAP_MS ? Math.max(this.faultsUntil, faultUntil) : this.faultsUntil
    // A beat of a judge that was composed during a fault of Redis counts too.
    const before = this.#now < faultUntil + BEAT_MS ? Math.max(faultFrom, this.#now - BEAT_MS) : this.#now
    if (this.#now > last + GAP_MS) this.#faultsFrom = before
    this.faultsUntil = Math.max(this.faultsUntil, this.#now + ms)
    if (this.faultsUntil - this.#faultsFrom < LONG_MS) return
    this.#long.push({ from: this.#faultsFrom + LONG_MS, until: this.faultsUntil + HEALED_MS })
  }

  /** The connections break, as when Redis ends. */
  breakConnections(): void {
    for (const connection of [this.#writing, this.#reading]) {
      if (!connection?.isOpen) continue
      this.#deliver(connection, () => {
        connection.isOpen = false
        this.#input(now => this.member.disconnected(now))
      })
    }
  }

  /** The connections that are open go silent. New ones work. */
  silence(): void {
    for (const connection of [this.#writing, this.#reading]) if (connection) connection.isSilent = true
  }

  // Queries

  /**
   * Whether others may take this node for lost: it had faults for long without a quiet time. A reader that had not
   * caught up since then may read about it later.
   */
  isExcusedFor(reader: SimulatedNode): boolean {
    const now = this.#now
    const { faultFrom, faultUntil } = this.#world.redis
    return this.#long.some(({ from, until }) => {
      // A fault of Redis may keep the node from coming back.
      const last = faultFrom < until ? Math.max(until, faultUntil + HEALED_MS) : until
      return now > from && (now < last || reader.caughtUpAt < last)
    })
  }

  get isCalm(): boolean {
    return !this.isDead && this.#now > this.faultsUntil + CALM_AFTER_MS
  }

  /** What this node knows of a user; null if it has no session. */
  factOf(userId: UserId): NodeFact | null {
    const own = [...this.sessions.values()].filter(session => session.userId === userId)
    if (own.length === 0) return null
    const s = Object.fromEntries(own.map(({ id, openedAt }) => [id, openedAt]))
    const live = own.filter(({ isHeld }) => !isHeld)
    return { p: 1, n: live.length, h: Math.max(...own.map(({ openedAt }) => openedAt)), s }
  }

  // Running

  after(ms: number, run: () => void): void {
    this.#at(this.#now + ms, run)
  }

  get #now(): number {
    return this.#world.time.now
  }

  get #memberNow(): number {
    return this.#now + this.#clockOffset
  }

  /** Runs something on this node: when a pause is over, and never after its end. */
  #at(time: number, run: () => void): void {
    this.#world.time.at(time, () => {
      if (this.isDead) return
      if (this.pausedUntil > this.#now) this.#at(this.pausedUntil, run)
      else run()
    })
  }

  #change(changed: Changed): void {
    this.#input(now => this.member.changed(changed, now))
  }

  #input(input: (now: number) => Command[]): void {
    for (const command of input(this.#memberNow)) this.#execute(command)
    const nextTick = this.member.nextTick - this.#clockOffset
    if (nextTick >= this.#tickAt) return
    this.#tickAt = nextTick
    this.#at(nextTick, () => {
      if (this.#tickAt !== nextTick) return
      this.#tickAt = Number.POSITIVE_INFINITY
      this.#input(now => this.member.tick(now))
    })
  }

  #await(name: string, done: () => void): void {
    this.#awaited.push({ name, batch: Number.POSITIVE_INFINITY, done })
  }

  #compose(name: string, batch: number): void {
    for (const awaited of this.#awaited) if (awaited.name === name) awaited.batch = batch
  }

  #placed(batch: number): void {
    const placed = this.#awaited.filter(awaited => awaited.batch <= batch)
    this.#awaited = this.#awaited.filter(awaited => awaited.batch > batch)
    for (const { done } of placed) this.after(0, done)
  }

  // The adapter

  #execute(command: Command): void {
    const { redis } = this.#world
    const { id } = command
    if (command.do === 'connect') {
      this.#connectId = id
      for (const connection of [this.#writing, this.#reading]) if (connection) connection.isOpen = false
      this.#try(id)
      return
    }
    const connection = command.do === 'read' ? this.#reading : this.#writing
    if (!connection) throw new Error(`${command.do} without a connection`)
    const { client } = connection
    const reply = (answer: (now: number) => Command[]) => this.#deliver(connection, () => this.#input(answer))
    this.#send(connection, () => {
      switch (command.do) {
        case 'append':
          redis.append(client, command.request, answer => reply(now => this.member.answered(id, answer, now)))
          break
        case 'read':
          redis.read(client, command.after, command.count, entries =>
            reply(now => this.member.entriesRead(id, entries, now)),
          )
          break
        case 'load':
          redis.load(client, loaded => reply(now => this.member.loaded(id, loaded, now)))
          break
        case 'time':
          redis.clockOf(client, time => reply(now => this.member.toldTime(id, time, now)))
          break
        case 'audit':
          redis.audit(client, this.id, audit => reply(now => this.member.audited(id, audit, now)))
      }
    })
    if (command.do === 'load') this.after(LOAD_MS, () => this.#input(now => this.member.failed(id, now)))
  }

  #try(id: number): void {
    if (this.#connectId !== id) return
    const { redis, random } = this.#world
    const connect = () => ({
      client: { run: redis.run },
      isOpen: true,
      isSilent: false,
      isFlushed: random.chance(0.5),
      lastToRedis: 0,
      lastToNode: 0,
    })
    const again = (ms: number) => this.after(ms + random.between(100, 400), () => this.#try(id))
    if (redis.state === 'down') return again(1)
    const writing = connect()
    let isConnected = false
    this.#send(writing, () =>
      redis.info(writing.client, info =>
        this.#deliver(writing, () => {
          if (this.#connectId !== id) return
          isConnected = true
          this.#writing = writing
          this.#reading = connect()
          this.#input(now => this.member.connected(id, info, now))
        }),
      ),
    )
    this.after(TRY_MS, () => {
      if (isConnected) return
      writing.isOpen = false
      again(0)
    })
  }

  #latency(): number {
    const { random } = this.#world
    let ms = random.between(0, 2)
    if (this.#now < this.slowUntil) ms += random.between(5, 400)
    // TCP sends a lost packet again, later each time.
    if (this.#now < this.lossyUntil) for (let wait = 200; random.chance(0.2); wait *= 2) ms += wait
    return Math.max(ms, this.cutUntil - this.#now)
  }

  #send(connection: Connection, run: () => void): void {
    const late = connection.isSilent ? this.#world.random.between(2_000, 12_000) : 0
    const at = Math.max(connection.lastToRedis, this.#now + this.#latency() + late)
    connection.lastToRedis = at
    this.#world.time.at(at, () => {
      if (connection.isOpen || connection.isFlushed) run()
    })
  }

  #deliver(connection: Connection, run: () => void): void {
    const at = Math.max(connection.lastToNode, this.#now + this.#latency())
    connection.lastToNode = at
    this.#at(at, () => {
      if (connection.isOpen && !connection.isSilent) run()
    })
  }
}
