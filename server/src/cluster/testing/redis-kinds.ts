import { type Engine, type RunningRedis, startRedis } from '@who-is-online/testing/start-redis'
import { Redis } from 'ioredis'
import { expect, onTestFinished, vi } from 'vitest'

/** How long an election, and what depends on it, may take. The machine may be busy. */
export const PATIENCE = { timeout: 20_000, interval: 100 }

function clientOf({ port }: RunningRedis, password = ''): Redis {
  const client = new Redis({ port, password, protocol: 2, retryStrategy: () => null })
  client.on('error', () => {})
  onTestFinished(() => client.disconnect())
  return client
}

async function started(engine: Engine, ...args: string[]): Promise<RunningRedis> {
  const redis = await startRedis(engine, args)
  onTestFinished(redis.stop)
  return redis
}

/** A Redis Cluster of two masters, each with half of the slots. It ends with the test. */
export async function startCluster(
  engine: Engine,
): Promise<{ readonly url: string; readonly clients: Redis[]; readonly masters: RunningRedis[] }> {
  const masters = await Promise.all(
    [0, 1].map(() => started(engine, '--cluster-enabled', 'yes', '--cluster-node-timeout', '2000')),
  )
  const clients = masters.map(master => clientOf(master))
  const [first, second] = clients
  await first?.call('CLUSTER', 'ADDSLOTSRANGE', '0', '8191')
  await second?.call('CLUSTER', 'ADDSLOTSRANGE', '8192', '16383')
  await first?.call('CLUSTER', 'MEET', '127.0.0.1', `${masters[1]?.port}`)
  await vi.waitFor(async () => {
    for (const client of clients) {
      expect(await client.call('CLUSTER', 'INFO')).toContain('cluster_state:ok')
      expect(await client.call('CLUSTER', 'SLOTS')).toHaveLength(2)
    }
  }, PATIENCE)
  return { url: `redis-cluster://127.0.0.1:${masters[0]?.port}`, clients, masters }
}

/**
 * A master and a replica, and a sentinel that watches them. They end with the test.
 *
 * @param password what the sentinel asks for
 */
export async function startSentinel(
  engine: Engine,
  password = '',
): Promise<{
  readonly url: string
  readonly master: RunningRedis
  /** `isReady` waits until the replica has the log, and can become the master. */
  readonly replica: { readonly isReady: () => Promise<void> }
}> {
  const master = await started(engine)
  const replica = await started(engine, '--replicaof', `127.0.0.1 ${master.port}`)
  const sentinel = await started(engine, '--sentinel', '--requirepass', password)
  const monitor = clientOf(sentinel, password)
  const times = ['down-after-milliseconds', '500', 'failover-timeout', '3000']
  await monitor.call('SENTINEL', 'MONITOR', 'main', '127.0.0.1', `${master.port}`, '1')
  await monitor.call('SENTINEL', 'SET', 'main', ...times)
  const client = clientOf(replica)
  const isReady = (): Promise<void> =>
    vi.waitFor(async () => {
      expect(await client.exists('{test}:log')).toBe(1)
      // Only a replica that the sentinel knows can be promoted.
      expect(await monitor.call('SENTINEL', 'REPLICAS', 'main')).toHaveLength(1)
    }, PATIENCE)
  const login = password === '' ? '' : `:${password}@`
  // The first sentinel of the list does not answer.
  const url = `redis-sentinel://${login}127.0.0.1:1,127.0.0.1:${sentinel.port}/main`
  return { url, master, replica: { isReady } }
}
