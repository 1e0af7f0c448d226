import type { Command, ServerInfo } from './command.ts'
import type { AppendReply, NodeId } from './entry.ts'
import type { Member } from './member.ts'
import type { Changed } from './outbox.ts'
import type { RedisConnection, RedisInfo } from './redis.ts'
import { explainRedisError } from './redis-check.ts'
import { isRefusal } from './redis-client.ts'

/** The part of a member that a link drives. */
export type Driven = Pick<
  Member,
  | 'start'
  | 'tick'
  | 'changed'
  | 'stop'
  | 'connected'
  | 'disconnected'
  | 'failed'
  | 'toldTime'
  | 'answered'
  | 'entriesRead'
  | 'loaded'
  | 'audited'
  | 'nextTick'
>

export interface RedisLinkOptions {
  readonly member: Driven
  /** The id of the member. */
  readonly node: NodeId
  /** Opens a connection, or rejects in bounded time. */
  readonly connect: () => Promise<RedisConnection>
  /** Whether the connections use TLS: for what is told about errors. */
  readonly isTls?: boolean
  /** The clock of the member, in ms: one that is never set, such as `performance.now`. */
  readonly now: () => number
  /**
   * Told why Redis can't be used. The same reason is told at most once per minute, because a member tries again several
   * times a second.
   */
  readonly report: (failure: RedisFailure) => void
}

/** Why Redis could not be used. */
export interface RedisFailure {
  /** For people: what was wrong, and what to do. It has no password. */
  readonly text: string
  /** When it happened last, by the clock of the link. */
  readonly at: number
}

/** How an append ended: what the script has answered, or `failed` if there was no answer or an error. */
export type AppendOutcome = AppendReply['reply'] | 'failed'

/** How long one try to connect may take, in ms. */
const TRY_MS = 1_500
/** How long the wait between two tries is, in ms. It is random, so that nodes do not all try at the same moment. */
const PAUSE_MS = { least: 100, most: 400 } as const
const REPORT_AGAIN_MS = 60_000
/** Reasons that are remembered at most, so that texts that always differ take no memory. */
const MAX_REASONS = 100

type Input = (now: number) => Command[]

/**
 * Joins a member of a cluster and Redis: carries out what the member asks, gives it the answers, and wakes it up in
 * time. All inputs of the member go through it, one after the other: the member may cause an input while it takes one.
 */
export class RedisLink {
  readonly #options: RedisLinkOptions
  readonly #inputs: Input[] = []
  #isTaking = false
  #timer: ReturnType<typeof setTimeout> | undefined
  /** For when the timer is set. */
  #timerAt = Number.POSITIVE_INFINITY
  #connection: RedisConnection | undefined
  /** The `connect` that counts; `undefined` when it is done. */
  #connectId: number | undefined
  #triedAt = Number.NEGATIVE_INFINITY
  #pause: ReturnType<typeof setTimeout> | undefined
  /** What must end before nothing is open any more. */
  readonly #closing = new Set<Promise<unknown>>()
  #isClosed = false
  /** Whether there has been a connection that works. */
  #wasUsed = false
  #lastFailure: RedisFailure | undefined
  readonly #appends: Record<AppendOutcome, number> = {
    appended: 0,
    duplicate: 0,
    epoch: 0,
    lost: 0,
    alive: 0,
    failed: 0,
  }
  /** What earlier connections have ignored. */
  #ignoredBefore = 0
  readonly #reportedAt = new Map<string, number>()

  constructor(options: RedisLinkOptions) {
    this.#options = options
  }

  /** Starts the member. */
  start(): void {
    this.#take(now => this.#options.member.start(now))
  }

  /** Tells the member what has changed on this node. */
  changed(changed: Changed): void {
    this.#take(now => this.#options.member.changed(changed, now))
  }

  /** Lets the member tell the others that it stops. */
  stop(): void {
    this.#take(now => this.#options.member.stop(now))
  }

  /** Ends everything. The member gets no more inputs. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#inputs.length = 0
    clearTimeout(this.#timer)
    this.#disconnect()
    while (this.#closing.size > 0) await Promise.allSettled(this.#closing)
  }

  /** Runs a script; see `RedisConnection.run`. @throws Error also while there is no connection */
  async run(script: string, key: string, args: readonly string[]): Promise<unknown> {
    if (!this.#connection) throw new Error('Redis does not answer')
    return this.#connection.run(script, key, args)
  }

  /** Why Redis could not be used, the last time. It stays when Redis can be used again. */
  get lastFailure(): RedisFailure | undefined {
    return this.#lastFailure
  }

  /** How many appends have ended in each way. */
  get appends(): Readonly<Record<AppendOutcome, number>> {
    return this.#appends
  }

  /** How many entries, registers and rows were ignored on all connections; see `RedisConnection.ignored`. */
  get ignored(): number {
    return this.#ignoredBefore + (this.#connection?.ignored ?? 0)
  }

  // Inputs

  #take(input: Input): void {
    if (this.#isClosed) return
    this.#inputs.push(input)
    if (this.#isTaking) return
    this.#isTaking = true
    try {
      for (let next = this.#inputs.shift(); next; next = this.#inputs.shift()) {
        for (const command of next(this.#options.now())) this.#execute(command)
      }
    } finally {
      this.#isTaking = false
    }
    this.#schedule()
  }

  /** Sets the timer. One that is set for earlier stays: it is cheaper to tick once too often. */
  #schedule(): void {
    const { member, now } = this.#options
    const at = member.nextTick
    if (this.#isClosed || at >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = at
    // A timer may end a part of a millisecond early.
    this.#timer = setTimeout(
      () => {
        this.#timerAt = Number.POSITIVE_INFINITY
        this.#take(time => member.tick(time))
      },
      Math.max(0, Math.ceil(at - now())),
    )
  }

  // Commands

  #execute(command: Command): void {
    if (this.#isClosed) return
    const { id } = command
    const { member, node } = this.#options
    if (command.do === 'connect') {
      this.#disconnect()
      this.#connectId = id
      // A connection that fails as soon as it is open must not lead to tries without a pause.
      const pause = this.#triedAt + randomPause() - this.#options.now()
      if (pause > 0) this.#pause = setTimeout(() => this.#try(id), pause)
      else this.#try(id)
      return
    }
    const connection = this.#connection
    // The connection has just failed, and the member is told in the next input.
    if (!connection) return
    switch (command.do) {
      case 'append':
        return this.#carry(connection, id, this.#counted(connection.append(command.request)), (reply, now) =>
          member.answered(id, reply, now),
        )
      case 'read':
        return this.#carry(connection, id, connection.read(command.after, command.count), (entries, now) =>
          member.entriesRead(id, entries, now),
        )
      case 'load':
        return this.#carry(connection, id, connection.load(), (loaded, now) => member.loaded(id, loaded, now))
      case 'time':
        return this.#carry(connection, id, connection.time(), (time, now) => member.toldTime(id, time, now))
      case 'audit':
        return this.#carry(connection, id, connection.audit(node), (audit, now) =>
          member.audited(id, audit, now),
        )
    }
  }

  #counted(answer: Promise<AppendReply>): Promise<AppendReply> {
    answer.then(
      ({ reply }) => this.#appends[reply]++,
      () => this.#appends.failed++,
    )
    return answer
  }

  #carry<Answer>(
    connection: RedisConnection,
    id: number,
    answer: Promise<Answer>,
    give: (answer: Answer, now: number) => Command[],
  ): void {
    void answer.then(
      value => this.#take(now => give(value, now)),
      error => this.#failed(connection, id, error),
    )
  }

  #failed(connection: RedisConnection, id: number, error: Error): void {
    if (this.#isClosed || connection !== this.#connection) return
    this.#keep(error)
    // Redis has refused it, and the connection goes on. Any other error means that the connection does not work.
    if (isRefusal(error)) this.#take(now => this.#options.member.failed(id, now))
    else this.#lose(connection)
  }

  // Connections

  #disconnect(): void {
    this.#connectId = undefined
    clearTimeout(this.#pause)
    const connection = this.#connection
    this.#connection = undefined
    if (!connection) return
    this.#ignoredBefore += connection.ignored
    this.#until(connection.close())
  }

  /** A connection has closed or does not work any more. */
  #lose(connection: RedisConnection): void {
    if (connection !== this.#connection) return
    this.#disconnect()
    this.#take(now => this.#options.member.disconnected(now))
  }

  #try(id: number): void {
    this.#triedAt = this.#options.now()
    let isOver = false
    /** Ends the try. Returns whether it still counts. */
    const end = (): boolean => {
      clearTimeout(timeout)
      const counts = !isOver && this.#connectId === id
      isOver = true
      return counts
    }
    const fail = (error: unknown): void => {
      if (!end()) return
      this.#keep(error)
      this.#pause = setTimeout(() => this.#try(id), randomPause())
    }
    const timeout = setTimeout(() => fail(new Error(`Redis does not answer within ${TRY_MS} ms`)), TRY_MS)
    const attempt = this.#open().then(({ connection, info }) => {
      if (end()) this.#use(connection, id, info)
      else this.#until(connection.close())
    }, fail)
    this.#until(attempt)
  }

  async #open(): Promise<{ connection: RedisConnection; info: RedisInfo }> {
    const connection = await this.#options.connect()
    try {
      const info = await connection.info()
      // What a replica has may be older than what this node knows.
      if (info.isReplica) throw new Error('READONLY this Redis is a replica')
      await connection.probe()
      return { connection, info }
    } catch (error) {
      await connection.close()
      throw error
    }
  }

  #use(connection: RedisConnection, id: number, { server, end }: ServerInfo): void {
    this.#connectId = undefined
    this.#connection = connection
    this.#wasUsed = true
    void connection.closed.then(() => {
      if (connection !== this.#connection) return
      this.#keep(new Error('Redis has closed the connection'))
      this.#lose(connection)
    })
    this.#take(now => this.#options.member.connected(id, { server, end }, now))
  }

  #until(promise: Promise<unknown>): void {
    this.#closing.add(promise)
    void promise.finally(() => this.#closing.delete(promise))
  }

  // Failures

  #keep(error: unknown): void {
    if (this.#isClosed) return
    const at = this.#options.now()
    const failure = { text: explainRedisError(error, this.#options.isTls && !this.#wasUsed), at }
    this.#lastFailure = failure
    if (at - (this.#reportedAt.get(failure.text) ?? Number.NEGATIVE_INFINITY) < REPORT_AGAIN_MS) return
    if (this.#reportedAt.size >= MAX_REASONS) this.#reportedAt.clear()
    this.#reportedAt.set(failure.text, at)
    this.#options.report(failure)
  }
}

function randomPause(): number {
  return PAUSE_MS.least + Math.random() * (PAUSE_MS.most - PAUSE_MS.least)
}
