import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { type Engine, type RunningRedis, startRedis } from '@who-is-online/testing/start-redis'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test, vi } from 'vitest'
import { APPEND_RULES, EPOCH, request } from './append.suite.ts'
import { connectRedis, type RedisConnection } from './redis.ts'

// The same commands on a Redis Cluster, which redirects them, and behind sentinels, which fail over.

/** How long an election, and what depends on it, may take. The machine may be busy. */
const PATIENCE = { timeout: 20_000, interval: 100 }
const TIMEOUT_MS = 60_000

const start = { epoch: 0, seq: 0 }

function clientOf({ port }: RunningRedis): Redis {
  const client = new Redis({ port, protocol: 2, retryStrategy: () => null })
  client.on('error', () => {})
  onTestFinished(() => client.disconnect())
  return client
}

async function started(engine: Engine, ...args: string[]): Promise<RunningRedis> {
  const redis = await startRedis(engine, args)
  onTestFinished(redis.stop)
  return redis
}

async function connect(url: string, prefix = 'test'): Promise<RedisConnection> {
  const connection = await connectRedis(url, prefix)
  onTestFinished(() => connection.close())
  return connection
}

describeOnEngines('connectRedis', engine => {
  /** Two masters, each with half of the slots. */
  async function cluster(): Promise<{ url: string; clients: Redis[] }> {
    const nodes = await Promise.all(
      [0, 1].map(() => started(engine, '--cluster-enabled', 'yes', '--cluster-node-timeout', '2000')),
    )
    const clients = nodes.map(clientOf)
    const [first, second] = clients
    await first?.call('CLUSTER', 'ADDSLOTSRANGE', '0', '8191')
    await second?.call('CLUSTER', 'ADDSLOTSRANGE', '8192', '16383')
    await first?.call('CLUSTER', 'MEET', '127.0.0.1', `${nodes[1]?.port}`)
    await vi.waitFor(async () => {
      for (const client of clients) {
        expect(await client.call('CLUSTER', 'INFO')).toContain('cluster_state:ok')
        expect(await client.call('CLUSTER', 'SLOTS')).toHaveLength(2)
      }
    }, PATIENCE)
    return { url: `redis-cluster://127.0.0.1:${nodes[0]?.port}`, clients }
  }

  test(
    'all rules hold on a Redis Cluster, and each prefix is on one of its nodes',
    async () => {
      const { url, clients } = await cluster()
      for (const [index, [, check]] of APPEND_RULES.entries()) {
        const connection = await connect(url, `test-${index}`)
        const log = async () => [...(await connection.read(start, 1_000)).entries]
        await check({ append: connection.append, load: connection.load, log })
        await connection.close()
      }
      const sizes = await Promise.all(clients.map(client => client.dbsize()))
      expect(Math.min(...sizes), 'the rows of some prefixes are on each node').toBeGreaterThan(0)
    },
    TIMEOUT_MS,
  )

  test(
    'questions go to the node that has the keys',
    async () => {
      const { url, clients } = await cluster()
      // `{b}` and `{a}` are in the first and in the second half of the slots.
      for (const [index, prefix] of ['b', 'a'].entries()) {
        const connection = await connect(url, prefix)
        const { runId } = await connection.info()
        expect(await clients[index]?.info('server')).toContain(runId)
        expect(Math.abs((await connection.time()) - Date.now())).toBeLessThan(1_000)
      }
    },
    TIMEOUT_MS,
  )

  test(
    'behind sentinels, a new connection finds the new master after a failover',
    async () => {
      const printed = vi.spyOn(console, 'error')
      const master = await started(engine)
      const replica = await started(engine, '--replicaof', `127.0.0.1 ${master.port}`)
      const sentinel = await started(engine, '--sentinel')
      const monitor = clientOf(sentinel)
      await monitor.call('SENTINEL', 'MONITOR', 'main', '127.0.0.1', `${master.port}`, '1')
      await monitor.call(
        'SENTINEL',
        'SET',
        'main',
        'down-after-milliseconds',
        '500',
        'failover-timeout',
        '3000',
      )
      const url = `redis-sentinel://127.0.0.1:1,127.0.0.1:${sentinel.port}/main`
      const before = await connect(url)
      const { replicationId } = await before.info()
      await before.append(request('epoch', 1, { epoch: undefined, newEpoch: EPOCH }))
      await vi.waitFor(async () => {
        expect(await clientOf(replica).exists('{test}:log')).toBe(1)
        // Only a replica that the sentinel knows can be promoted.
        expect(await monitor.call('SENTINEL', 'REPLICAS', 'main')).toHaveLength(1)
      }, PATIENCE)
      await master.kill()
      await expect(before.append(request('beat', 2))).rejects.toThrow()
      const after = await vi.waitFor(async () => {
        const connection = await connect(url)
        expect((await connection.info()).replicationId).not.toBe(replicationId)
        return connection
      }, PATIENCE)
      expect(await after.append(request('beat', 2))).toMatchObject({ place: { seq: EPOCH + 1 } })
      expect(printed).not.toHaveBeenCalled()
    },
    TIMEOUT_MS,
  )
})
