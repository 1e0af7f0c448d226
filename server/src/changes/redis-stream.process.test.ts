import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { expect, test } from 'vitest'
import { useRedis } from '../cluster/testing/use-redis.ts'
import { changeStreamSuite } from './change-stream.suite.ts'
import { createRedisStream } from './redis-stream.ts'

describeOnEngines('the stream of changes', engine => {
  const redis = useRedis(engine)

  changeStreamSuite(async () => {
    await redis.client.flushall('SYNC')
    return createRedisStream(redis.connection)
  })

  test('[N12] a key of another program is an error, and another stream takes its place', async () => {
    await redis.client.flushall('SYNC')
    const stream = createRedisStream(redis.connection)
    const to = { epoch: '5', seq: 6 }
    const request = { expected: undefined, entries: [], to, dropped: 0 }
    await redis.client.set('{test}:changes', 'x')
    expect(await stream.end()).toBeUndefined()
    await expect(stream.store({ ...request, beginAt: undefined })).rejects.toThrow('WRONGTYPE')
    expect(await stream.store({ ...request, beginAt: 6 })).toEqual(to)
  })
})
