import { type Engine, type RunningRedis, startRedis } from './start-redis.ts'
import { type RunningServer, type ServerSettings, startServer, temporaryDir } from './start-server.ts'

/** A Redis and the servers that share it. */
export interface RunningCluster {
  readonly redis: RunningRedis
  /** The nodes by index; one that was ended stays until it is started again. */
  readonly nodes: readonly RunningServer[]
  /** Starts a node again, or one more, and waits until it is ready. */
  readonly start: (index: number) => Promise<RunningServer>
  readonly stop: () => Promise<void>
}

export interface ClusterOptions {
  readonly settings?: ServerSettings
  /** Settings of the Redis. */
  readonly redisArgs?: readonly string[]
  /** Where the nodes find Redis, if not at its own address; given that address. */
  readonly through?: (url: string) => string
}

/** How long a node may take until it knows all users, in ms. */
const READY_MS = 30_000
const LOOK_MS = 50

/** Starts a Redis and as many nodes, and waits until all are ready. */
export async function startCluster(
  engine: Engine,
  count: number,
  { settings = {}, redisArgs = [], through = url => url }: ClusterOptions = {},
): Promise<RunningCluster> {
  const redis = await startRedis(engine, redisArgs)
  const nodes: RunningServer[] = []
  const dirs = new Map<number, ReturnType<typeof temporaryDir>>()
  const start = async (index: number): Promise<RunningServer> => {
    const dir = dirs.get(index) ?? temporaryDir()
    dirs.set(index, dir)
    const before = nodes[index]
    const node = await startServer(dir.path, {
      REDIS_URL: through(redis.url),
      NODE_NAME: `node-${index + 1}`,
      ...(before ? { PORT: before.port } : {}),
      ...settings,
    })
    nodes[index] = node
    await untilReady(node)
    return node
  }
  const stop = async (): Promise<void> => {
    redis.resume()
    await Promise.all(nodes.map(node => node.end('SIGKILL')))
    await redis.stop()
    for (const dir of dirs.values()) dir.remove()
  }
  try {
    await Promise.all(Array.from({ length: count }, (_, index) => start(index)))
  } catch (error) {
    await stop()
    throw error
  }
  return { redis, nodes, start, stop }
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
