import type { StreamEntry } from '../../changes/change-stream.ts'
import type { Place as ChangePlace } from '../../changes/feed.ts'
import type { StreamCommand } from '../../changes/stream-keeper.ts'
import type { Command } from '../command.ts'
import type { NodeId } from '../entry.ts'
import type { Member } from '../member.ts'
import type { Changed } from '../outbox.ts'
import type { RedisClient, SimulatedRedis } from './simulated-redis.ts'
import { Random, type VirtualTime } from './virtual-time.ts'

/** How long a node waits for the first answer on new connections. */
const TRY_MS = 1_500
/** How long a load may take. */
const LOAD_MS = 3_000
/** How long a command of the stream of changes may take. */
const STREAM_MS = 1_500

/** What the path between a node and Redis shares with the world. */
export interface Network {
  readonly time: VirtualTime
  readonly random: Random
  readonly redis: SimulatedRedis
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
  /** When the last command of the stream of changes arrives at Redis. */
  lastOfStream: number
}

type Input = (now: number) => Command[]

/** Joins a member and the simulated Redis, as `RedisLink` does, over a network with faults. */
export class SimulatedLink {
  readonly #node: NodeId
  readonly #member: Member
  readonly #world: Network
  isDead = false
  pausedUntil = 0
  cutUntil = 0
  slowUntil = 0
  lossyUntil = 0
  readonly #inputs: Input[] = []
  #isTaking = false
  #writing: Connection | undefined
  #reading: Connection | undefined
  #connectId = 0
  #tickAt = Number.POSITIVE_INFINITY
  /** Each process has a clock of its own. */
  readonly #clockOffset: number
  /** For the stream of changes, so that it does not change what a seed does. */
  readonly #ownRandom: Random

  constructor(node: NodeId, member: Member, world: Network) {
    this.#node = node
    this.#member = member
    this.#world = world
    this.#clockOffset = world.random.between(1, 1_000_000_000)
    this.#ownRandom = new Random(this.#clockOffset)
  }

  start(): void {
    this.#take(now => this.#member.start(now))
  }

  changed(changed: Changed): void {
    this.#take(now => this.#member.changed(changed, now))
  }

  stop(): void {
    this.#take(now => this.#member.stop(now))
  }

  kill(): void {
    this.isDead = true
    for (const connection of this.#connections()) connection.isOpen = false
  }

  /** The connections break, as when Redis ends. */
  breakConnections(): void {
    for (const connection of this.#connections()) {
      if (!connection.isOpen) continue
      this.#deliver(connection, () => {
        connection.isOpen = false
        this.#take(now => this.#member.disconnected(now))
      })
    }
  }

  /** The connections that are open go silent. New ones work. */
  silence(): void {
    for (const connection of this.#connections()) connection.isSilent = true
  }

  /** The time of the clock of Redis, in ms since the epoch, as the member knows it. */
  get redisTime(): number {
    return this.#member.knowsTime ? this.#member.redisTime(this.#memberNow) : 0
  }

  /** Runs something on this node: when a pause is over, and never after its end. */
  after(ms: number, run: () => void): void {
    this.#at(this.#now + ms, run)
  }

  /**
   * Executes a command of the stream of changes, on the connection for writes. `failed` is called without an answer,
   * after a while.
   */
  changes(
    command: StreamCommand,
    answered: (answer: ChangePlace | undefined | readonly StreamEntry[]) => void,
    failed: () => void,
  ): void {
    const connection = this.#writing
    if (!connection?.isOpen) return failed()
    let isOver = false
    const end = (then: () => void) => () => {
      if (!isOver) then()
      isOver = true
    }
    const late = connection.isSilent ? this.#ownRandom.between(2_000, 12_000) : 0
    const at = Math.max(connection.lastOfStream, this.#now + this.#latency(this.#ownRandom) + late)
    connection.lastOfStream = at
    this.#world.time.at(at, () => {
      if (!connection.isOpen && !connection.isFlushed) return
      this.#world.redis.changes(connection.client, command, answer =>
        this.#at(this.#now + this.#latency(this.#ownRandom), () => {
          if (connection.isOpen && !connection.isSilent) end(() => answered(answer))()
        }),
      )
    })
    this.after(STREAM_MS, end(failed))
  }

  // Private

  *#connections(): Generator<Connection> {
    for (const connection of [this.#writing, this.#reading]) if (connection) yield connection
  }

  get #now(): number {
    return this.#world.time.now
  }

  get #memberNow(): number {
    return this.#now + this.#clockOffset
  }

  #at(time: number, run: () => void): void {
    this.#world.time.at(time, () => {
      if (this.isDead) return
      if (this.pausedUntil > this.#now) this.#at(this.pausedUntil, run)
      else run()
    })
  }

  #take(input: Input): void {
    this.#inputs.push(input)
    if (this.#isTaking) return
    this.#isTaking = true
    for (let next = this.#inputs.shift(); next; next = this.#inputs.shift()) {
      for (const command of next(this.#memberNow)) this.#execute(command)
    }
    this.#isTaking = false
    const nextTick = this.#member.nextTick - this.#clockOffset
    if (nextTick >= this.#tickAt) return
    this.#tickAt = nextTick
    this.#at(nextTick, () => {
      if (this.#tickAt !== nextTick) return
      this.#tickAt = Number.POSITIVE_INFINITY
      this.#take(now => this.#member.tick(now))
    })
  }

  #execute(command: Command): void {
    const { redis } = this.#world
    const member = this.#member
    const { id } = command
    if (command.do === 'connect') {
      this.#connectId = id
      for (const connection of this.#connections()) connection.isOpen = false
      this.#try(id)
      return
    }
    const connection = command.do === 'read' ? this.#reading : this.#writing
    if (!connection) throw new Error(`${command.do} without a connection`)
    const { client } = connection
    const reply = (answer: Input) => this.#deliver(connection, () => this.#take(answer))
    this.#send(connection, () => {
      switch (command.do) {
        case 'append':
          redis.append(client, command.request, answer => reply(now => member.answered(id, answer, now)))
          break
        case 'read':
          redis.read(client, command.after, command.count, entries =>
            reply(now => member.entriesRead(id, entries, now)),
          )
          break
        case 'load':
          redis.load(client, loaded => reply(now => member.loaded(id, loaded, now)))
          break
        case 'time':
          redis.clockOf(client, time => reply(now => member.toldTime(id, time, now)))
          break
        case 'audit':
          redis.audit(client, this.#node, audit => reply(now => member.audited(id, audit, now)))
      }
    })
    if (command.do === 'load') this.after(LOAD_MS, () => this.#take(now => member.failed(id, now)))
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
      lastOfStream: 0,
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
          this.#take(now => this.#member.connected(id, info, now))
        }),
      ),
    )
    this.after(TRY_MS, () => {
      if (isConnected) return
      writing.isOpen = false
      again(0)
    })
  }

  #latency(random = this.#world.random): number {
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
