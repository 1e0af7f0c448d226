import { type ChildProcess, spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '@who-is-online/testing/free-port'
import { type Engine, type RunningRedis, startRedis } from '@who-is-online/testing/start-redis'
import { end } from './children.ts'
import type { Contender } from './contenders/contenders.ts'
import type { Count, Order } from './load/orders.ts'
import {
  ask,
  collectGarbage,
  cores,
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
import { RawRedis } from './raw-redis.ts'
import { checkOpenFiles } from './stage.ts'
import { cpuSeconds, residentBytes } from './system.ts'

/** How long a node may take to start: the first one waits five seconds for others. */
const READY_WITHIN_MS = 60_000

/** The nodes of a run: a server without a Redis, or as many nodes with one. */
export type ClusterSize = 'single' | number

interface ClusterNeeds {
  size: ClusterSize
  engine: Engine
  /** Maximum number of client sockets at the same time. */
  sockets: number
  /** Node flags for the nodes. */
  nodeArgs?: string[]
  /** Prepares the Redis before the first node starts. */
  prepare?: (redis: RawRedis) => Promise<void>
}

/** What a period has cost, in seconds of CPU; `undefined` if the system does not report it. */
export interface ClusterCost {
  wallSeconds: number
  /** The node that takes the changes. */
  first: number | undefined
  /** The other nodes, on average. */
  other: number | undefined
  redis: number | undefined
  /** All of them: they share a core. */
  all: number | undefined
  /** What Redis has done; `undefined` without one. */
  work: { sent: number; executed: number; entries: number } | undefined
}

/** A node of a run. */
interface StageNode {
  readonly server: ChildProcess
  readonly port: number
  readonly readySeconds: number
}

/** Nodes, their Redis and a load generator, for one run. */
export class ClusterStage {
  readonly #scratch: string
  readonly #nodes: StageNode[] = []
  /** Also those that are not ready. */
  readonly #servers: ChildProcess[] = []
  #redis: RunningRedis | undefined
  #connection: RawRedis | undefined
  #load: ChildProcess | undefined

  private constructor(scratch: string) {
    this.#scratch = scratch
  }

  /** Starts the processes, calls `play`, and ends the processes in every case. */
  static async with<T>(
    contender: Contender,
    needs: ClusterNeeds,
    play: (stage: ClusterStage) => Promise<T>,
  ): Promise<T> {
    checkOpenFiles(needs.sockets)
    const stage = new ClusterStage(await createScratch())
    try {
      await stage.#set(contender, needs)
      return await play(stage)
    } finally {
      await stage.#clear()
    }
  }

  /** The ports of the nodes. The load generator connects to the first one, unless an order says otherwise. */
  get ports(): number[] {
    return this.#nodes.map(({ port }) => port)
  }

  /** The time from the start of the last node until it was ready, in seconds. */
  get readySeconds(): number {
    return this.#last.readySeconds
  }

  /** Gives an order to the load generator, and measures all other processes meanwhile. */
  async measure(order: Order): Promise<{ count: Count; cost: ClusterCost }> {
    const load = this.#load
    if (!load) throw new Error('there is no load generator')
    const measured = await this.#costOf(() => ask(order, load, this.#servers, this.#scratch))
    return { count: measured.result, cost: measured.cost }
  }

  /** Measures a time without changes. */
  async rest(seconds: number): Promise<ClusterCost> {
    return (await this.#costOf(() => sleep(seconds * 1000))).cost
  }

  /** Resident memory of the last node after garbage collection, in bytes. */
  async residentBytes(): Promise<number | undefined> {
    await collectGarbage(this.#last.server)
    return residentBytes(this.#last.server.pid ?? 0)
  }

  /** A value of the `/metrics` of the last node. */
  metric(name: string): Promise<number | undefined> {
    return metric(this.#last.port, name)
  }

  get #last(): StageNode {
    const last = this.#nodes.at(-1)
    if (!last) throw new Error('there is no node')
    return last
  }

  async #set(contender: Contender, { size, engine, nodeArgs = [], prepare }: ClusterNeeds): Promise<void> {
    const env: Record<string, string> = {}
    if (size !== 'single') {
      this.#redis = await startRedis(engine)
      this.#connection = await RawRedis.connect(this.#redis.port)
      if (cores) spawnSync('taskset', ['-a', '-c', '-p', String(cores.server), String(this.#redis.pid)])
      await prepare?.(this.#connection)
      env['REDIS_URL'] = this.#redis.url
    }
    const startNode = async (number: number): Promise<void> => {
      const port = await freePort()
      const scratch = `${this.#scratch}/node-${number}`
      // The log of the first node is where errors are looked for.
      const log = number === 1 ? 'server.log' : `server-${number}.log`
      const node = { ...contender, env: () => contender.env(scratch) }
      const server = startServer(node, { port, scratch: this.#scratch, log, env, nodeArgs })
      this.#servers.push(server)
      const readySeconds = await untilReady(server, port, READY_WITHIN_MS)
      if (readySeconds === undefined)
        throw new Error(`node ${number} did not start: ${await lastError(this.#scratch, log)}`)
      this.#nodes.push({ server, port, readySeconds })
    }
    // The first one begins the log. It takes the changes, so it must be the first in the list.
    const count = size === 'single' ? 1 : size
    if (count > 0) await startNode(1)
    const others = Array.from({ length: Math.max(0, count - 1) }, (_, index) => startNode(index + 2))
    await Promise.all(others)
    const [port = 0] = this.ports
    this.#load = startLoad({ port, wireFormat: contender.wireFormat }, this.#scratch)
  }

  async #costOf<T>(work: () => Promise<T>): Promise<{ result: T; cost: ClusterCost }> {
    const pids = this.#nodes.map(({ server }) => server.pid ?? 0)
    const redisPid = this.#redis?.pid
    const read = async () => ({
      at: performance.now(),
      nodes: pids.map(cpuSeconds),
      redis: redisPid === undefined ? 0 : cpuSeconds(redisPid),
      work: await this.#connection?.work(),
    })
    const before = await read()
    const result = await work()
    const after = await read()
    const nodes = after.nodes.map((seconds, index) => difference(seconds, before.nodes[index]))
    const [first, ...others] = nodes
    const redis = difference(after.redis, before.redis)
    const cost: ClusterCost = {
      wallSeconds: (after.at - before.at) / 1000,
      first,
      other: others.length === 0 ? undefined : scaled(total(others), 1 / others.length),
      redis: this.#redis && redis,
      all: total([...nodes, redis]),
      work: after.work &&
        before.work && {
          sent: after.work.sent - before.work.sent,
          executed: after.work.executed - before.work.executed,
          entries: after.work.entries - before.work.entries,
        },
    }
    return { result, cost }
  }

  async #clear(): Promise<void> {
    if (this.#load) await end(this.#load)
    await Promise.all(this.#servers.map(server => end(server, isProfiled())))
    this.#connection?.close()
    await this.#redis?.stop()
    await removeScratch(this.#scratch)
  }
}

/** The sum; `undefined` if a part is. */
function total(parts: readonly (number | undefined)[]): number | undefined {
  let sum = 0
  for (const part of parts) {
    if (part === undefined) return undefined
    sum += part
  }
  return sum
}

/** A value times a factor; `undefined` if there is no value. */
export function scaled(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor
}
