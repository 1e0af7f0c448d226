import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test, vi } from 'vitest'
import { APPEND_RULES, EPOCH, request } from './append.suite.ts'
import { placeText, redisKeys } from './append.ts'
import type { Place } from './entry.ts'
import { connectRedis, type RedisConnection } from './redis.ts'
import { PATIENCE, startCluster, startSentinel } from './testing/redis-kinds.ts'

// The same commands on a Redis Cluster, which redirects them, and behind sentinels, which fail over.

const TIMEOUT_MS = 60_000

const start = { epoch: 0, seq: 0 }

async function connect(url: string, prefix = 'test'): Promise<RedisConnection> {
  const connection = await connectRedis(url, prefix)
  onTestFinished(() => connection.close())
  return connection
}

describeOnEngines('connectRedis', engine => {
  test(
    'all rules hold on a Redis Cluster, and each prefix is on one of its nodes',
    async () => {
      const { url, clients } = await startCluster(engine)
      for (const [index, [, check]] of APPEND_RULES.entries()) {
        const prefix = `test-${index}`
        const connection = await connect(url, prefix)
        const keys = redisKeys(prefix)
        // Only the node that has the key takes it.
        const writeRow = async (field: string, text: string): Promise<void> => {
          await Promise.any(clients.map(client => client.hset(keys.nodes, field, text)))
        }
        const writeEntry = async (place: Place): Promise<void> => {
          await Promise.any(clients.map(client => client.xadd(keys.log, placeText(place), 'a', 'b')))
        }
        const log = async () => [...(await connection.read(start, 1_000))]
        await check({ append: connection.append, load: connection.load, writeRow, writeEntry, log })
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
      const printed = vi.spyOn(console, 'warn')
      const { url: open, clients } = await startCluster(engine)
      // These nodes ask for no password.
      const url = open.replace('://', '://:secret@')
      // `{b}` and `{a}` are in the first and in the second half of the slots.
      for (const [index, prefix] of ['b', 'a'].entries()) {
        const connection = await connect(url, prefix)
        const [runId = ''] = (await connection.info()).server.split(' ')
        expect(await clients[index]?.info('server')).toContain(runId)
        expect(Math.abs((await connection.time()) - Date.now())).toBeLessThan(1_000)
      }
      expect(printed).not.toHaveBeenCalled()
    },
    TIMEOUT_MS,
  )

  test(
    'behind sentinels, a new connection finds the new master after a failover',
    async () => {
      const printed = vi.spyOn(console, 'error')
      const { url, master, replica } = await startSentinel(engine)
      const before = await connect(url)
      const { server } = await before.info()
      await before.append(request('epoch', 1, { epoch: undefined, newEpoch: EPOCH }))
      await replica.isReady()
      await master.kill()
      await expect(before.append(request('beat', 2))).rejects.toThrow()
      const after = await vi.waitFor(async () => {
        const connection = await connect(url)
        expect((await connection.info()).server).not.toBe(server)
        return connection
      }, PATIENCE)
      expect(await after.append(request('beat', 2))).toMatchObject({ place: { seq: EPOCH + 1 } })
      expect(printed).not.toHaveBeenCalled()
    },
    TIMEOUT_MS,
  )

  test(
    'a sentinel gets the login of REDIS_URL, and may have another one, or none, than Redis',
    async () => {
      const printed = vi.spyOn(console, 'warn')
      const { url } = await startSentinel(engine, 'secret')
      expect(await (await connect(url)).info()).toMatchObject({ isReplica: false })
      await expect(connectRedis(url.replace('secret', 'wrong'), 'test')).rejects.toThrow('Redis')
      const { url: open, master } = await startSentinel(engine)
      const admin = new Redis({ port: master.port, protocol: 2 })
      onTestFinished(() => admin.disconnect())
      await admin.acl('SETUSER', 'ann', 'on', '>secret', '~*', '+@all')
      // The sentinel has no such user.
      const asAnn = await connect(open.replace('://', '://ann:secret@'))
      expect(await asAnn.info()).toMatchObject({ isReplica: false })
      expect(printed).not.toHaveBeenCalled()
    },
    TIMEOUT_MS,
  )
})
