import type { Command, Host } from './command.ts'
import { isTime } from './place.ts'
import { RedisClock } from './redis-clock.ts'

/** Without an own entry for this long, Redis is away. */
const AWAY_MS = 3_000
/** While Redis is away, a new connection gets this long. */
const TRY_MS = 1_500
/** After a command has failed, the next one waits this long. */
export const RETRY_MS = 100
/** A longer time between two inputs means that the process did not run. */
const SUSPENDED_MS = 2_000
const ASK_TIME_MS = 30_000

type WithoutId<C> = C extends Command ? Omit<C, 'id'> : never

/**
 * The connection to Redis with its watchdog, and the commands that the adapter gets. That a connection is open proves
 * nothing: Redis answers if own entries are read back. If one takes too long, Redis is away, and a new connection is
 * tried. It has the clock of Redis too, which is asked after each connect.
 */
export class WatchedConnection {
  readonly clock = new RedisClock()
  readonly #host: Pick<Host, 'happened'>
  #commands: Command[] = []
  #lastId = 0
  #connectId = 0
  #isConnected = false
  #server: string | undefined
  #isAway = false
  /** Since when an own entry has not come back. */
  #waitingSince: number | undefined
  #timeId = 0
  /** Whether Redis has told its time on this connection. After a restart, its clock may be another one. */
  #isTimeKnown = false
  #askedTimeAt = Number.NEGATIVE_INFINITY

  /** @param host told when Redis is away, and when it is back */
  constructor(host: Pick<Host, 'happened'>) {
    this.#host = host
  }

  // Commands

  /** Gives the adapter a command. Returns its id. */
  send(command: WithoutId<Command>): number {
    const id = ++this.#lastId
    this.#commands.push({ ...command, id } as Command)
    return id
  }

  /** The commands since the last call. */
  takeCommands(): Command[] {
    const commands = this.#commands
    this.#commands = []
    return commands
  }

  // Connection

  get isConnected(): boolean {
    return this.#isConnected
  }

  /** The server of the last connection; see `ServerInfo`. */
  get server(): string | undefined {
    return this.#server
  }

  /** Gives up this connection, and opens another one. */
  connect(): void {
    this.#isConnected = false
    this.#timeId = 0
    this.#isTimeKnown = false
    this.#connectId = this.send({ do: 'connect' })
  }

  /** Returns whether this answers the last `connect`. Then the connection gets its time, and Redis is asked for its. */
  connected(id: number, server: string, now: number): boolean {
    if (id !== this.#connectId || this.#isConnected) return false
    this.#isConnected = true
    this.#server = server
    this.#waitingSince = now
    this.#askTime(now)
    return true
  }

  // Watchdog

  get isAway(): boolean {
    return this.#isAway
  }

  /** When the connection is given up; infinite if no own entry has to come back. */
  get deadline(): number {
    if (this.#waitingSince === undefined) return Number.POSITIVE_INFINITY
    return this.#waitingSince + (this.#isAway && this.#isConnected ? TRY_MS : AWAY_MS)
  }

  /** An own entry has to come back from now on, if none had to before. */
  startWaiting(now: number): void {
    this.#waitingSince ??= now
  }

  /** No own entry has to come back. */
  stopWaiting(): void {
    this.#waitingSince = undefined
  }

  /** An own entry has come back. */
  cameBack(): void {
    this.#waitingSince = undefined
    if (!this.#isAway) return
    this.#isAway = false
    this.#host.happened({ what: 'back' })
  }

  /** So many ms have passed since the last input. A time in which the process did not run does not count. */
  passed(ms: number): void {
    if (ms >= SUSPENDED_MS && this.#waitingSince !== undefined) this.#waitingSince += ms
  }

  /** Whether the connection must be replaced, because an own entry has not come back in time. */
  watch(now: number): boolean {
    if (this.#waitingSince === undefined || now < this.deadline) return false
    this.#waitingSince = undefined
    if (!this.#isAway) {
      this.#isAway = true
      this.#host.happened({ what: 'away' })
    }
    return this.#isConnected
  }

  // Clock

  get isTimeKnown(): boolean {
    return this.#isTimeKnown
  }

  askTimeIfDue(now: number): void {
    if (now >= this.#askedTimeAt + ASK_TIME_MS) this.#askTime(now)
  }

  /** Redis has told its time, in ms since the epoch. */
  toldTime(id: number, time: number, now: number): void {
    if (id !== this.#timeId || !isTime(time)) return
    this.clock.answered(this.#askedTimeAt, now, time)
    this.#isTimeKnown = true
  }

  /** A command has failed. If it has asked for the time, it is asked again soon. */
  failed(id: number, now: number): void {
    if (id === this.#timeId) this.#askedTimeAt = now + RETRY_MS - ASK_TIME_MS
  }

  #askTime(now: number): void {
    this.#askedTimeAt = now
    this.#timeId = this.send({ do: 'time' })
  }
}
