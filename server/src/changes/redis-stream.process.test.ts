import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { type RunningRedis, startRedis } from '@who-is-online/testing/start-redis'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectRedis, type RedisConnection } from '../cluster/redis.ts'
import { changeStreamSuite } from './change-stream.suite.ts'
import { createRedisStream } from './redis-stream.ts'

describeOnEngines('the stream of changes', engine => {
  let redis: RunningRedis
  let client: Redis
  let connection: RedisConnection
  beforeAll(async () => {
    redis = await startRedis(engine)
    client = new Redis({ port: redis.port, protocol: 2 })
    connection = await connectRedis(redis.url, 'test')
  })
  afterAll(async () => {
    client.disconnect()
    await connection.close()
    await redis.stop()
  })

  changeStreamSuite(async () => {
    await client.flushall('SYNC')
    return createRedisStream(connection)
  })

  test('[N12] a key of another program is an error, and another stream takes its place', async () => {
    await client.flushall('SYNC')
    const stream = createRedisStream(connection)
    const to = { epoch: '5', seq: 6 }
    const request = { expected: undefined, entries: [], to, dropped: 0 }
    await client.set('{test}:changes', 'x')
    expect(await stream.end()).toBeUndefined()
    await expect(stream.store({ ...request, beginAt: undefined })).rejects.toThrow('WRONGTYPE')
    expect(await stream.store({ ...request, beginAt: 6 })).toEqual(to)
  })
})
