import { ChangeStreamModel } from '../../changes/change-stream.model.ts'
import type { StreamEntry } from '../../changes/change-stream.ts'
import type { Place as ChangePlace } from '../../changes/feed.ts'
import type { StreamCommand } from '../../changes/stream-keeper.ts'
import type { Audit, ServerInfo } from '../command.ts'
import type { AppendReply, AppendRequest, Entry, Loaded, NodeId, Place } from '../entry.ts'
import { isBefore } from '../place.ts'
import type { RedisModel } from '../redis.model.ts'
import type { Random, VirtualTime } from './virtual-time.ts'

/** The time of Redis when the simulation begins. */
const START = Date.UTC(2030, 0, 1)
const SNAPSHOT_EVERY = 64
const BLOCK_MS = 1_000
/**
 * How long after a fault of Redis a node may need to connect. A connection that was opened at its beginning is silent,
 * and is given up after 3 s.
 */
export const RECONNECT_MS = 4_000

/** What a connection is for Redis. */
export interface RedisClient {
  /** Which process of Redis it is connected to. */
  readonly run: number
}

interface Write {
  /** Whether it is one of the log, and not of the stream of changes. */
  readonly isOfLog: boolean
  readonly run: (data: Data) => void
}

/** What Redis holds. */
interface Data {
  readonly model: RedisModel
  readonly stream: ChangeStreamModel
}

interface Parked {
  readonly client: RedisClient
  readonly after: Place
  readonly count: number
  readonly reply: (entries: readonly Entry[]) => void
}

/** A process of Redis that can hang, restart and lose its last writes. */
export class SimulatedRedis {
  readonly #Model: typeof RedisModel
  readonly #time: VirtualTime
  readonly #random: Random
  model: RedisModel
  stream = new ChangeStreamModel()
  run = 1
  /** By how much the clock is wrong. */
  #skew = 0
  wasWrong = false
  state: 'up' | 'hung' | 'down' = 'up'
  /** When the last fault began, and when it ends or has ended. */
  faultFrom = Number.NEGATIVE_INFINITY
  faultUntil = Number.NEGATIVE_INFINITY
  /** When writes were lost. */
  readonly losses: number[] = []
  #parked: Parked[] = []
  #backlog: (() => void)[] = []
  /** The state some writes ago, and all writes since. */
  #snapshot: Data
  #previousSnapshot: Data
  #writes: Write[] = []
  #previousWrites: Write[] = []

  constructor(Model: typeof RedisModel, time: VirtualTime, random: Random) {
    this.#Model = Model
    this.#time = time
    this.#random = random
    this.model = new Model()
    this.#snapshot = this.#previousSnapshot = { model: new Model(), stream: new ChangeStreamModel() }
  }

  get clock(): number {
    return this.rightClock + this.#skew
  }

  /** The time of a clock that is always right: that of all nodes. */
  get rightClock(): number {
    return START + this.#time.now
  }

  /** Whether there is no fault, and nodes have had the time to connect again after the last one. */
  get isCalm(): boolean {
    return this.state === 'up' && this.#time.now > this.faultUntil + RECONNECT_MS
  }

  // Commands. A reply is given later, or never.

  info(client: RedisClient, reply: (info: ServerInfo) => void): void {
    this.#run(client, () => reply({ server: `run ${this.run}`, end: this.model.end }))
  }

  clockOf(client: RedisClient, reply: (time: number) => void): void {
    this.#run(client, () => reply(this.clock))
  }

  append(client: RedisClient, request: AppendRequest, reply: (answer: AppendReply) => void): void {
    this.#run(client, () => {
      const { end } = this.model
      const answer = this.model.append(request)
      if (answer.reply === 'appended') {
        if (end && !isBefore(end, answer.place))
          throw new Error('XADD refuses an id that is not beyond the last one')
        this.#written({ isOfLog: true, run: ({ model }) => void model.append(request) })
        this.#wake()
      }
      reply(answer)
    })
  }

  read(client: RedisClient, after: Place, count: number, reply: (entries: readonly Entry[]) => void): void {
    this.#run(client, () => {
      const entries = this.#entries(after, count)
      if (entries.length > 0) return reply(entries)
      const parked = { client, after, count, reply }
      this.#parked.push(parked)
      this.#time.after(BLOCK_MS, () =>
        this.#run(client, () => {
          if (!this.#parked.includes(parked)) return
          this.#parked = this.#parked.filter(other => other !== parked)
          reply([])
        }),
      )
    })
  }

  /** The end of the log is read first, and the rest some time later. */
  load(client: RedisClient, reply: (loaded: Loaded) => void): void {
    this.#run(client, () => {
      const { end } = this.model
      this.#time.after(this.#random.between(0, 40), () =>
        this.#run(client, () => {
          const { nodes, ...rest } = this.model.load()
          // The order of a hash says nothing.
          reply({ ...rest, nodes: new Map(this.#random.shuffled(nodes)), end })
        }),
      )
    })
  }

  audit(client: RedisClient, node: NodeId, reply: (audit: Audit) => void): void {
    this.#run(client, () => {
      const ownFacts = this.model.facts.get(node)?.size ?? 0
      reply({ nodes: new Map(this.#random.shuffled(this.model.nodes)), ownFacts })
    })
  }

  /** A command of the stream of changes. */
  changes(
    client: RedisClient,
    command: StreamCommand,
    reply: (answer: ChangePlace | undefined | readonly StreamEntry[]) => void,
  ): void {
    this.#run(client, () => {
      const { stream } = this
      if (command.do === 'end') return reply(stream.end)
      if (command.do === 'read') return reply(stream.read(command.after, command.count))
      const { request } = command
      const end = stream.store(request)
      if (end?.epoch === request.to.epoch && end.seq === request.to.seq) {
        this.#written({ isOfLog: false, run: ({ stream }) => void stream.store(request) })
      }
      reply(end)
    })
  }

  // Faults

  hang(ms: number): void {
    this.state = 'hung'
    this.faultFrom = this.#time.now
    this.faultUntil = this.#time.now + ms
    this.#time.after(ms, () => {
      this.state = 'up'
      for (const run of this.#backlog.splice(0)) run()
    })
  }

  /** The process ends, and another one starts after `ms`, without its last writes. */
  restart(ms: number, lost: number | 'all'): void {
    this.state = 'down'
    this.run++
    // Perhaps it starts on another host, after a failover.
    if (this.#random.chance(0.2)) {
      this.#skew = this.#random.pick([0, 500, -500, 3_600_000, -3_600_000])
      this.wasWrong = true
    }
    this.#parked = []
    this.#backlog = []
    this.faultFrom = this.#time.now
    this.faultUntil = this.#time.now + ms
    if (lost === 'all') this.#empty()
    else if (lost > 0) this.#lose(lost)
    this.#time.after(ms, () => {
      this.state = 'up'
    })
  }

  flush(): void {
    this.faultFrom = this.#time.now
    this.faultUntil = this.#time.now
    this.#empty()
  }

  #empty(): void {
    this.losses.push(this.#time.now)
    this.model = new this.#Model()
    this.stream = new ChangeStreamModel()
    this.#snapshot = this.#previousSnapshot = this.#copy({ model: this.model, stream: this.stream })
    this.#writes = []
    this.#previousWrites = []
  }

  #lose(count: number): void {
    this.losses.push(this.#time.now)
    const writes = [...this.#previousWrites, ...this.#writes]
    for (let left = count; left > 0 && writes.length > 0; ) if (writes.pop()?.isOfLog) left--
    const data = this.#copy(this.#previousSnapshot)
    this.model = data.model
    this.stream = data.stream
    this.#snapshot = this.#previousSnapshot
    this.#previousWrites = []
    this.#writes = writes
    for (const write of writes) write.run(data)
  }

  // Private

  #run(client: RedisClient, command: () => void): void {
    if (client.run !== this.run || this.state === 'down') return
    if (this.state === 'hung') this.#backlog.push(() => this.#run(client, command))
    else command()
  }

  #entries(after: Place, count: number): Entry[] {
    const { log } = this.model
    let first = log.length
    while (first > 0 && isBefore(after, (log[first - 1] as Entry).place)) first--
    return log.slice(first, first + count)
  }

  #written(write: Write): void {
    this.#writes.push(write)
    if (!write.isOfLog || this.#writes.filter(({ isOfLog }) => isOfLog).length < SNAPSHOT_EVERY) return
    this.#previousSnapshot = this.#snapshot
    this.#previousWrites = this.#writes
    this.#snapshot = this.#copy({ model: this.model, stream: this.stream })
    this.#writes = []
  }

  /** Answers reads that wait for an entry. */
  #wake(): void {
    const parked = this.#parked
    this.#parked = []
    for (const read of parked) {
      const entries = this.#entries(read.after, read.count)
      if (entries.length > 0) read.reply(entries)
      else this.#parked.push(read)
    }
  }

  #copy({ model, stream }: Data): Data {
    const copy = new this.#Model()
    const facts = Array.from(model.facts, ([node, users]) => [node, new Map(users)] as const)
    Object.assign(copy, {
      log: [...model.log],
      end: model.end,
      epoch: model.epoch,
      server: model.server,
      nodes: new Map(model.nodes),
      facts: new Map(facts),
      registers: new Map(model.registers),
    })
    return { model: copy, stream: stream.clone() }
  }
}
