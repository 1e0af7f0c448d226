import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { endAll, start } from './children.ts'
import type { Contender } from './contenders/contenders.ts'
import type { Answer, Count, Order, Target } from './load/orders.ts'
import { twoCores } from './system.ts'

/** How long an order may take: twice the slowest one, a storm on a naive server (30–60 s). */
const ORDER_WITHIN_MS = 120_000

/** How often a starting server is asked whether it is ready, in ms. */
const POLL_MS = 50

/** The root directory of this repository. */
const ROOT = join(import.meta.dirname, '../..')

const LOAD = join(import.meta.dirname, 'load/main.ts')
const PRELOAD = pathToFileURL(join(import.meta.dirname, 'contenders/preload.ts')).href

/** The cores of the servers and of the load generators, if the system can pin processes. */
export const cores = twoCores()

let profiles: string | undefined

/** Makes every server write a CPU profile into this directory at the end of its run. */
export function profileInto(dir: string): void {
  profiles = dir
}

/** Whether servers write a CPU profile when they end. */
export function isProfiled(): boolean {
  return profiles !== undefined
}

/** The directories of unfinished runs. */
const scratches = new Set<string>()

/** Ends all runs synchronously, for the exit of this process. */
export function clearAll(): void {
  endAll()
  for (const scratch of scratches) rmSync(scratch, { recursive: true, force: true })
}

/** Creates a directory for a run, with the logs of its processes. */
export async function createScratch(): Promise<string> {
  const scratch = await mkdtemp(join(tmpdir(), 'who-is-online-bench-'))
  scratches.add(scratch)
  return scratch
}

export async function removeScratch(scratch: string): Promise<void> {
  await rm(scratch, { recursive: true, force: true })
  scratches.delete(scratch)
}

/** How a contender is started. */
interface ServerStart {
  port: number
  scratch: string
  /** The name of its log in `scratch`. */
  log: string
  /** Its environment in addition to that of the contender. */
  env: Record<string, string>
  /** Node flags. */
  nodeArgs: string[]
}

/** Starts the process of a contender, on the core of the servers. */
export function startServer(
  contender: Contender,
  { port, scratch, log, env, nodeArgs }: ServerStart,
): ChildProcess {
  return start({
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
    env: { ...contender.env(scratch), PORT: String(port), ...env },
    core: cores?.server,
    output: join(scratch, log),
  })
}

/** Starts a load generator, on the other core. */
export function startLoad(target: Target, scratch: string): ChildProcess {
  return start({
    program: LOAD,
    nodeArgs: [],
    args: [JSON.stringify(target)],
    env: {},
    core: cores?.load,
    output: join(scratch, 'load.log'),
  })
}

/**
 * Waits until a server answers that it is ready.
 *
 * @returns how long that took, in seconds, with the resolution of the polls; `undefined` if it did not start in time
 */
export async function untilReady(
  server: ChildProcess,
  port: number,
  withinMs: number,
): Promise<number | undefined> {
  const began = performance.now()
  for (const until = began + withinMs; performance.now() < until; ) {
    if (server.exitCode !== null || server.pid === undefined) break
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
    await answer?.arrayBuffer()
    if (answer?.status === 200) return (performance.now() - began) / 1000
    await sleep(POLL_MS)
  }
  return undefined
}

/**
 * Gives an order to a load generator.
 *
 * @throws Error if the order fails or takes too long, or if one of the servers ends
 */
export async function ask(
  order: Order,
  load: ChildProcess,
  servers: readonly ChildProcess[],
  scratch: string,
): Promise<Count> {
  const stop = new AbortController()
  const { signal } = stop
  const timer = setTimeout(() => stop.abort(), ORDER_WITHIN_MS)
  const ends = (child: ChildProcess, failed: string) =>
    once(child, 'exit', { signal }).then(() => ({ failed }))
  try {
    load.send(order)
    const answer: Answer = await Promise.race([
      once(load, 'message', { signal }).then(([message]) => message as Answer),
      ends(load, 'the load generator ended unexpectedly'),
      ...servers.map(server => ends(server, 'the server died')),
    ])
    if ('count' in answer) return answer.count
    const errors = await Promise.all(['server.log', 'load.log'].map(log => lastError(scratch, log)))
    throw new Error(`${answer.failed}; ${errors.join(' ')}`)
  } catch (error) {
    if (signal.aborted) throw new Error(`${order.do} took longer than ${ORDER_WITHIN_MS / 1000} s`)
    throw error
  } finally {
    clearTimeout(timer)
    stop.abort()
  }
}

/** The last line about an error that a process printed, without paths of this machine. */
export async function lastError(scratch: string, log: string): Promise<string> {
  const lines = (await readFile(join(scratch, log), 'utf8')).trim().split('\n')
  const words = lines.findLast(line => /error/i.test(line)) ?? lines.at(-1) ?? ''
  return words.trim().replaceAll(ROOT, '').replaceAll(scratch, '').slice(0, 300)
}

/** Lets a server collect its garbage. The second collection frees what the finalizers of the first one released. */
export async function collectGarbage(server: ChildProcess): Promise<void> {
  for (let times = 0; times < 2; times++) {
    server.kill('SIGUSR2')
    await sleep(100)
  }
}

/** A value of the `/metrics` of a server; `undefined` if it has none. */
export async function metric(port: number, name: string): Promise<number | undefined> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
  const found = new RegExp(`^${name} (\\S+)$`, 'm').exec(await answer.text())
  return found ? Number(found[1]) : undefined
}

/** The difference of two readings; `undefined` if one of them is. */
export function difference(after: number | undefined, before: number | undefined): number | undefined {
  return after === undefined || before === undefined ? undefined : after - before
}
