import { type Engine, type RunningRedis, startRedis } from './start-redis.ts'
import {
  type Launch,
  type RunningServer,
  type ServerSettings,
  startServer,
  temporaryDir,
} from './start-server.ts'

/** The servers that share a Redis. */
export interface RunningNodes {
  /** The nodes by index; one that was ended stays until it is started again. */
  readonly nodes: readonly RunningServer[]
  /** Starts a node again, or one more, and waits until it is ready. */
  readonly start: (index: number) => Promise<RunningServer>
  readonly stop: () => Promise<void>
}

/** A Redis and the servers that share it. */
export interface RunningCluster extends RunningNodes {
  readonly redis: RunningRedis
}

export interface ClusterOptions {
  readonly settings?: ServerSettings
  /** Settings of the Redis. */
  readonly redisArgs?: readonly string[]
  /** Where a node finds Redis, if not at its own address; given that address. */
  readonly through?: (url: string, index: number) => string | Promise<string>
  /** How the nodes are started. */
  readonly launch?: Launch
}

/** How long a node may take until it knows all users, in ms. */
const READY_MS = 30_000
const LOOK_MS = 50

/** Starts a Redis and as many nodes, and waits until all are ready. */
export async function startCluster(
  engine: Engine,
  count: number,
  { settings = {}, redisArgs = [], through = url => url, launch }: ClusterOptions = {},
): Promise<RunningCluster> {
  const redis = await startRedis(engine, redisArgs)
  try {
    const nodes = await startNodes(index => through(redis.url, index), count, settings, launch)
    const stop = async (): Promise<void> => {
      redis.resume()
      await nodes.stop()
      await redis.stop()
    }
    return { ...nodes, redis, stop }
  } catch (error) {
    await redis.stop()
    throw error
  }
}

/**
 * Starts as many nodes that share a Redis which runs, and waits until all are ready.
 *
 * @param redisUrl where all nodes find Redis, or where each does
 */
export async function startNodes(
  redisUrl: string | ((index: number) => string | Promise<string>),
  count: number,
  settings: ServerSettings = {},
  launch?: Launch,
): Promise<RunningNodes> {
  const nodes: RunningServer[] = []
  const dirs = new Map<number, ReturnType<typeof temporaryDir>>()
  const start = async (index: number): Promise<RunningServer> => {
    const dir = dirs.get(index) ?? temporaryDir()
    dirs.set(index, dir)
    const before = nodes[index]
    const own = {
      REDIS_URL: typeof redisUrl === 'string' ? redisUrl : await redisUrl(index),
      NODE_NAME: `node-${index + 1}`,
      ...(before ? { PORT: before.port } : {}),
    }
    const node = await startServer(dir.path, { ...own, ...settings }, [], launch)
    nodes[index] = node
    await untilReady(node)
    return node
  }
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map(node => node.end('SIGKILL')))
    for (const dir of dirs.values()) dir.remove()
  }
  try {
    await Promise.all(Array.from({ length: count }, (_, index) => start(index)))
  } catch (error) {
    await stop()
    throw error
  }
  return { nodes, start, stop }
}

/** Waits until a node answers that it is ready. */
export async function untilReady({
  origin,
  output,
}: Pick<RunningServer, 'origin' | 'output'>): Promise<void> {
  const until = performance.now() + READY_MS
  while (performance.now() < until) {
    const response = await fetch(`${origin}/readyz`).catch(() => undefined)
    if (response?.status === 200) return
    await new Promise(resolve => setTimeout(resolve, LOOK_MS))
  }
  throw new Error(`the node is not ready:\n${output()}`)
}
