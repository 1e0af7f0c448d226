import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { expect, test } from 'vitest'
import { useRedis } from '../cluster/testing/use-redis.ts'
import { placesSuite } from './places.suite.ts'
import { createRedisPlaces } from './redis-places.ts'

const KEY = '{test}:hooks'

describeOnEngines('places in Redis', engine => {
  const redis = useRedis(engine)
  let opened = 0

  const open = () => createRedisPlaces(redis.connection, `owner-${++opened}`)

  placesSuite(async () => {
    await redis.client.flushall('SYNC')
    return {
      open,
      content: async () => JSON.stringify(await redis.client.hgetall(KEY)),
      async damage(text) {
        const fields = (await redis.client.hkeys(KEY)).filter(field => field !== 'owner')
        for (const field of fields) await redis.client.hset(KEY, field, text)
      },
    }
  })

  test('[M8] only the node that has loaded last can save, so a node that was suspended sends no new batch', async () => {
    await redis.client.flushall('SYNC')
    const url = 'http://app/a'
    const place = (seq: number) => ({ since: { epoch: '5', seq } })
    const [suspended, next] = [open(), open()]
    await suspended.load(url)
    await suspended.save(url, place(1))
    expect(await next.load(url)).toEqual(place(1))
    await expect(suspended.save(url, place(2))).rejects.toThrow('another node')
    await next.save(url, place(3))
    expect(await open().load(url)).toEqual(place(3))
    // Redis has lost everything, and with it who may save. Then the node whose turn it is goes on.
    await redis.client.flushall('SYNC')
    await next.save(url, place(4))
    expect(await open().load(url)).toEqual(place(4))
  })
})
