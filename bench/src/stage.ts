import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { constants, setPriority, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { end, endAll, start } from './children.ts'
import type { Contender } from './contenders/contenders.ts'
import type { Answer, Count, Order, Target } from './load/orders.ts'
import { cpuSeconds, displacedSeconds, openFilesLimit, residentBytes, twoCores } from './system.ts'

/** How long a server may take to start. */
const READY_WITHIN_MS = 15_000

/** How long a server may take to stop: it saves up to a million users. */
const STOP_WITHIN_MS = 30_000

/** How long an order may take: twice the slowest one, a storm on a naive server (30–60 s). */
const ORDER_WITHIN_MS = 120_000

/** Open files of a process in addition to its client sockets. */
const OTHER_FILES = 100

/** The root directory of this repository. */
const ROOT = join(import.meta.dirname, '../..')

const LOAD = join(import.meta.dirname, 'load/main.ts')
const PRELOAD = pathToFileURL(join(import.meta.dirname, 'contenders/preload.ts')).href

/** The cores of the server and of the load generator, if the system can pin processes. */
export const cores = twoCores()

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

/** The requirements of a run. */
interface Needs {
  /** Maximum number of client sockets at the same time. */
  sockets: number
  /** Whether the contender must not broadcast arrivals. */
  silent?: boolean
  /** Node flags for the server. */
  nodeArgs?: string[]
  /** Whether there is a second load generator, with a higher priority on the shared core. */
  second?: boolean
}

let profiles: string | undefined

/** Makes every server write a CPU profile into this directory at the end of its run. */
export function profileInto(dir: string): void {
  profiles = dir
}

/** The directories of unfinished runs. */
const scratches = new Set<string>()

/** Ends all runs synchronously, for the exit of this process. */
export function clearAll(): void {
  endAll()
  for (const scratch of scratches) rmSync(scratch, { recursive: true, force: true })
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
    const { sockets, silent = false, nodeArgs = [], second = false } = needs
    const files = openFilesLimit()
    if (files < sockets + OTHER_FILES) {
      throw new Error(
        `${sockets} sockets need more open files than the ${files} allowed here: raise \`ulimit -n\``,
      )
    }
    const scratch = await mkdtemp(join(tmpdir(), 'who-is-online-bench-'))
    scratches.add(scratch)
    const port = await freePort()
    const target: Target = { port, wireFormat: contender.wireFormat }
    const server = start({
      program: resolve(import.meta.dirname, 'contenders', contender.program),
      nodeArgs: [
        '--conditions=@who-is-online/source',
        '--expose-gc',
        '--import',
        PRELOAD,
        ...(profiles ? ['--cpu-prof', `--cpu-prof-dir=${profiles}`] : []),
        ...nodeArgs,
      ],
      args: contender.args,
      env: { ...contender.env(scratch), PORT: String(port), SILENT: silent ? '1' : '0' },
      core: cores?.server,
      output: join(scratch, 'server.log'),
    })
    const loads = Array.from({ length: second ? 2 : 1 }, () =>
      start({
        program: LOAD,
        nodeArgs: [],
        args: [JSON.stringify(target)],
        env: {},
        core: cores?.load,
        output: join(scratch, 'load.log'),
      }),
    )
    // The second one measures latency: it must wait for the server, not for the first one on the same core.
    if (second && loads[0]?.pid !== undefined) setPriority(loads[0].pid, constants.priority.PRIORITY_LOW)
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
  async measure(order: Order, by: 'first' | 'second' = 'first'): Promise<Measured> {
    const pid = this.#server.pid ?? 0
    const [cpuBefore, displacedBefore, began] = [cpuSeconds(pid), displacedSeconds(pid), performance.now()]
    const load = this.#loads[by === 'first' ? 0 : 1]
    if (!load) throw new Error(`there is no ${by} load generator`)
    const count = await this.#ask(order, load)
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
    // The second collection frees what the finalizers of the first one released.
    for (let times = 0; times < 2; times++) {
      this.#server.kill('SIGUSR2')
      await sleep(100)
    }
    return residentBytes(this.#server.pid ?? 0)
  }

  /** Stops the server with SIGTERM, so that it saves its state, and waits for its end. */
  async stopServer(): Promise<void> {
    const gone = once(this.#server, 'exit', { signal: AbortSignal.timeout(STOP_WITHIN_MS) })
    this.#server.kill('SIGTERM')
    const [code, signal] = await gone
    if (code !== 0)
      throw new Error(`the server ended with ${code ?? signal}: ${await this.#lastError('server.log')}`)
  }

  /** A value of the `/metrics` of the server; `undefined` if it has none. */
  async metric(name: string): Promise<number | undefined> {
    const answer = await fetch(`http://127.0.0.1:${this.#port}/metrics`)
    const found = new RegExp(`^${name} (\\S+)$`, 'm').exec(await answer.text())
    return found ? Number(found[1]) : undefined
  }

  async #ready(port: number): Promise<void> {
    const began = performance.now()
    for (const until = performance.now() + READY_WITHIN_MS; performance.now() < until; ) {
      if (this.#server.exitCode !== null || this.#server.pid === undefined) break
      const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
      await answer?.arrayBuffer()
      if (answer?.status === 200) {
        this.readySeconds = (performance.now() - began) / 1000
        return
      }
      await sleep(50)
    }
    throw new Error(`${this.contender.name} did not start: ${await this.#lastError('server.log')}`)
  }

  async #ask(order: Order, load: ChildProcess): Promise<Count> {
    const stop = new AbortController()
    const timer = setTimeout(() => stop.abort(), ORDER_WITHIN_MS)
    try {
      load.send(order)
      const answer: Answer = await Promise.race([
        once(load, 'message', { signal: stop.signal }).then(([message]) => message as Answer),
        once(load, 'exit', { signal: stop.signal }).then(() => ({
          failed: 'the load generator ended unexpectedly',
        })),
        once(this.#server, 'exit', { signal: stop.signal }).then(() => ({ failed: 'the server died' })),
      ])
      if ('count' in answer) return answer.count
      throw new Error(
        `${answer.failed}; ${await this.#lastError('server.log')} ${await this.#lastError('load.log')}`,
      )
    } catch (error) {
      if (stop.signal.aborted) throw new Error(`${order.do} took longer than ${ORDER_WITHIN_MS / 1000} s`)
      throw error
    } finally {
      clearTimeout(timer)
      stop.abort()
    }
  }

  async #clear(): Promise<void> {
    await end(this.#server, profiles !== undefined)
    await Promise.all(this.#loads.map(load => end(load)))
    await rm(this.#scratch, { recursive: true, force: true })
    scratches.delete(this.#scratch)
  }

  /** The last line about an error that a process printed, without paths of this machine. */
  async #lastError(log: string): Promise<string> {
    const lines = (await readFile(join(this.#scratch, log), 'utf8')).trim().split('\n')
    const words = lines.findLast(line => /error/i.test(line)) ?? lines.at(-1) ?? ''
    return words.trim().replaceAll(ROOT, '').replaceAll(this.#scratch, '').slice(0, 300)
  }
}

function difference(after: number | undefined, before: number | undefined): number | undefined {
  return after === undefined || before === undefined ? undefined : after - before
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}
