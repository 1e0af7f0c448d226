import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '@who-is-online/testing/free-port'
import { type Balancer, startBalancer } from './balancer.ts'
import { redisCommand, untilRedisAnswers } from './local-redis.ts'
import { Program } from './program.ts'

/** The Redis of a cluster: the program of one to start, or the URL of one that runs. */
export type RedisChoice = { readonly program: string } | { readonly url: string }

/** What a cluster on this machine consists of. */
export interface LocalClusterOptions {
  readonly redis: RedisChoice
  /** How many nodes. */
  readonly size: number
  /** The port of the balancer. With 0 the system picks a free port. */
  readonly port: number
  /** The command that starts a node. */
  readonly server: readonly [program: string, ...args: string[]]
  /** The environment of the nodes, besides what this cluster sets. */
  readonly env: NodeJS.ProcessEnv
  readonly print: (line: string) => void
}

/** A node of a cluster on this machine. */
export interface LocalNode {
  readonly name: string
  readonly port: number
  readonly program: Program
}

/** A cluster that runs on this machine. */
export interface LocalCluster {
  readonly nodes: readonly LocalNode[]
  readonly redisUrl: string
  /** Absent if the Redis was not started by this command. */
  readonly redis?: Program
  readonly balancer: Balancer
  /** Ends everything that was started, and removes all files. */
  readonly stop: () => Promise<void>
}

/** How long all nodes together may take to be ready, in ms. */
const START_MS = 60_000

/**
 * Starts a Redis if none is given, nodes that share it, and a balancer in front of them. Resolves when all nodes are
 * ready. If something fails, it ends what was started and rejects.
 *
 * @param signal ends the start
 */
export async function startLocalCluster(
  options: LocalClusterOptions,
  signal?: AbortSignal,
): Promise<LocalCluster> {
  const { print, redis: choice } = options
  const dir = mkdtempSync(join(tmpdir(), 'who-is-online-cluster-'))
  const programs: Program[] = []
  let balancer: Balancer | undefined
  const stop = async (): Promise<void> => {
    await balancer?.close()
    // Nodes say that they leave, so Redis ends last.
    await Promise.all(programs.filter(({ name }) => name !== 'redis').map(program => program.stop()))
    await programs.find(({ name }) => name === 'redis')?.stop()
    rmSync(dir, { recursive: true, force: true, maxRetries: 10 })
  }
  const started = (program: Program): Program => {
    programs.push(program)
    program.start()
    return program
  }
  try {
    const redisPort = 'program' in choice ? await freePort() : undefined
    const redisUrl = 'url' in choice ? choice.url : `redis://127.0.0.1:${redisPort}`
    const redis =
      'program' in choice && redisPort !== undefined
        ? started(redisProgram(choice.program, redisPort, join(dir, 'redis'), print))
        : undefined
    if (redis && redisPort !== undefined) await untilRedisAnswers(redisPort, () => redis.state !== 'ended')

    const names = Array.from({ length: options.size }, (_, index) => `node${index + 1}`)
    const nodes: LocalNode[] = []
    for (const name of names) {
      const port = await freePort()
      nodes.push({
        name,
        port,
        program: started(nodeProgram(name, port, redisUrl, join(dir, name), options)),
      })
    }
    balancer = await startBalancer({ port: options.port, targets: nodes })
    await untilReady(nodes, balancer, signal)
    return { nodes, redisUrl, ...(redis && { redis }), balancer, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function redisProgram(path: string, port: number, dir: string, print: (line: string) => void): Program {
  mkdirSync(dir)
  return new Program({
    name: 'redis',
    command: redisCommand(path, port, dir),
    env: process.env,
    cwd: dir,
    print,
    startAgain: 'Start it again with: redis start',
  })
}

function nodeProgram(
  name: string,
  port: number,
  redisUrl: string,
  dir: string,
  { server: [program, ...args], env, print }: LocalClusterOptions,
): Program {
  mkdirSync(dir)
  const settings = {
    PORT: `${port}`,
    HOST: '127.0.0.1',
    REDIS_URL: redisUrl,
    // These nodes let in everybody, so they must not become members of a cluster that already uses this Redis.
    REDIS_PREFIX: env['REDIS_PREFIX'] || 'wio-try',
    NODE_NAME: name,
    LOG_LEVEL: env['LOG_LEVEL'] ?? 'info',
    // A node that is killed soon after the start is missed after ten seconds, not only after the restart grace.
    RESTART_GRACE_MS: env['RESTART_GRACE_MS'] ?? '0',
    // Its files, and no .env, are in its working directory.
    DATA_DIR: undefined,
    LOG_DIR: undefined,
  }
  return new Program({
    name,
    command: [program, ...args, '--dev'],
    env: { ...env, ...settings },
    cwd: dir,
    print,
    startAgain: `Start it again with: start ${name.slice('node'.length)}`,
  })
}

async function untilReady(
  nodes: readonly LocalNode[],
  balancer: Balancer,
  signal: AbortSignal | undefined,
): Promise<void> {
  const end = performance.now() + START_MS
  for (;;) {
    await balancer.check()
    const waiting = nodes.filter(({ name }) => !balancer.isReady(name))
    if (waiting.length === 0) return
    signal?.throwIfAborted()
    const ended = waiting.find(({ program }) => program.state === 'ended')
    if (ended) throw new Error(`${ended.name} did not start: its lines above say why`)
    if (performance.now() > end) throw new Error(`${waiting[0]?.name} was not ready within 60 s`)
    await sleep(100)
  }
}
