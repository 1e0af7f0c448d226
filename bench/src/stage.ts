import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { constants, setPriority } from 'node:os'
import { freePort } from '@who-is-online/testing/free-port'
import { end } from './children.ts'
import type { Contender } from './contenders/contenders.ts'
import type { Count, Order, Target } from './load/orders.ts'
import {
  ask,
  collectGarbage,
  createScratch,
  difference,
  isProfiled,
  lastError,
  metric,
  removeScratch,
  startLoad,
  startServer,
  untilReady,
} from './processes.ts'
import { cpuSeconds, displacedSeconds, openFilesLimit, residentBytes } from './system.ts'

/** How long a server may take to start. */
const READY_WITHIN_MS = 15_000

/** How long a server may take to stop: it saves up to a million users. */
const STOP_WITHIN_MS = 30_000

/** Open files of a process in addition to its client sockets. */
const OTHER_FILES = 100

/** The counts of the load generator, and what they cost the server. */
export interface Measured {
  count: Count
  /** CPU seconds of the server; `undefined` if the system does not report them. */
  cpuSeconds: number | undefined
  /** How long the server waited for its core; `undefined` if the system does not report it. */
  displacedSeconds: number | undefined
  /** The time from the order to its answer. */
  wallSeconds: number
}

/** The load generators, in the order of their start. */
const LOADS = ['first', 'second', 'third'] as const
type Load = (typeof LOADS)[number]

/** The requirements of a run. */
interface Needs {
  /** Maximum number of client sockets at the same time. */
  sockets: number
  /** Whether the contender must not broadcast arrivals. */
  silent?: boolean
  /** Node flags for the server. */
  nodeArgs?: string[]
  /** How many load generators there are. All but the first have a higher priority on the shared core. Default: 1. */
  loads?: number
}

/** A server and a load generator, for one run. */
export class Stage {
  readonly contender: Contender
  /** Whether this server broadcasts arrivals. */
  readonly broadcastsArrivals: boolean
  readonly #server: ChildProcess
  readonly #loads: readonly ChildProcess[]
  readonly #scratch: string
  readonly #port: number
  /**
   * The time from the start of the server until it was ready, in seconds, with the resolution of the polls.
   */
  readySeconds = 0

  private constructor(
    contender: Contender,
    broadcastsArrivals: boolean,
    server: ChildProcess,
    loads: readonly ChildProcess[],
    scratch: string,
    port: number,
  ) {
    this.contender = contender
    this.broadcastsArrivals = broadcastsArrivals
    this.#server = server
    this.#loads = loads
    this.#scratch = scratch
    this.#port = port
  }

  /** Starts the processes, calls `play`, and ends the processes in every case. */
  static async with<T>(contender: Contender, needs: Needs, play: (stage: Stage) => Promise<T>): Promise<T> {
    const stage = await Stage.#set(contender, needs)
    try {
      return await play(stage)
    } finally {
      await stage.#clear()
    }
  }

  static async #set(contender: Contender, needs: Needs): Promise<Stage> {
    const { sockets, silent = false, nodeArgs = [], loads: wanted = 1 } = needs
    checkOpenFiles(sockets)
    const scratch = await createScratch()
    const port = await freePort()
    const target: Target = { port, wireFormat: contender.wireFormat }
    const env = { SILENT: silent ? '1' : '0' }
    const server = startServer(contender, { port, scratch, log: 'server.log', env, nodeArgs })
    const loads = Array.from({ length: wanted }, () => startLoad(target, scratch))
    // The others measure latency: they must wait for the server, not for the first one on the same core.
    if (wanted > 1 && loads[0]?.pid !== undefined) setPriority(loads[0].pid, constants.priority.PRIORITY_LOW)
    const stage = new Stage(contender, !silent || contender.alwaysTells, server, loads, scratch, port)
    try {
      await stage.#ready(port)
      return stage
    } catch (error) {
      await stage.#clear()
      throw error
    }
  }

  /** Gives an order to a load generator, and measures the CPU time of the server meanwhile. */
  async measure(order: Order, by: Load = 'first'): Promise<Measured> {
    const pid = this.#server.pid ?? 0
    const [cpuBefore, displacedBefore, began] = [cpuSeconds(pid), displacedSeconds(pid), performance.now()]
    const load = this.#loads[LOADS.indexOf(by)]
    if (!load) throw new Error(`there is no ${by} load generator`)
    const count = await ask(order, load, [this.#server], this.#scratch)
    return {
      count,
      cpuSeconds: difference(cpuSeconds(pid), cpuBefore),
      displacedSeconds: difference(displacedSeconds(pid), displacedBefore),
      wallSeconds: (performance.now() - began) / 1000,
    }
  }

  /**
   * Resident memory of the server after garbage collection, in bytes; `undefined` if the system does not
   * report it.
   */
  async residentBytes(): Promise<number | undefined> {
    await collectGarbage(this.#server)
    return residentBytes(this.#server.pid ?? 0)
  }

  /** Stops the server with SIGTERM, so that it saves its state, and waits for its end. */
  async stopServer(): Promise<void> {
    const gone = once(this.#server, 'exit', { signal: AbortSignal.timeout(STOP_WITHIN_MS) })
    this.#server.kill('SIGTERM')
    const [code, signal] = await gone
    if (code !== 0)
      throw new Error(
        `the server ended with ${code ?? signal}: ${await lastError(this.#scratch, 'server.log')}`,
      )
  }

  /** A value of the `/metrics` of the server; `undefined` if it has none. */
  metric(name: string): Promise<number | undefined> {
    return metric(this.#port, name)
  }

  async #ready(port: number): Promise<void> {
    const seconds = await untilReady(this.#server, port, READY_WITHIN_MS)
    if (seconds === undefined)
      throw new Error(`${this.contender.name} did not start: ${await lastError(this.#scratch, 'server.log')}`)
    this.readySeconds = seconds
  }

  async #clear(): Promise<void> {
    await end(this.#server, isProfiled())
    await Promise.all(this.#loads.map(load => end(load)))
    await removeScratch(this.#scratch)
  }
}

/** Checks that this process may open as many sockets. */
export function checkOpenFiles(sockets: number): void {
  const files = openFilesLimit()
  if (files >= sockets + OTHER_FILES) return
  throw new Error(
    `${sockets} sockets need more open files than the ${files} allowed here: raise \`ulimit -n\``,
  )
}
