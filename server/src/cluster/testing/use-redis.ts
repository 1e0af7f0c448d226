import { type Engine, startRedis } from '@who-is-online/testing/start-redis'
import { Redis } from 'ioredis'
import { afterAll, beforeAll } from 'vitest'
import { connectRedis, type RedisConnection } from '../redis.ts'

/** A Redis of the tests of one `describe`. Its members can be used in tests, and not before. */
export interface UsedRedis {
  /** A client of its own, to prepare and to look. */
  readonly client: Redis
  /** The connection of a node with the prefix `test`. */
  readonly connection: RedisConnection
}

/** Starts an engine for the tests of a `describe`, and connects to it. */
export function useRedis(engine: Engine): UsedRedis {
  let client: Redis
  let connection: RedisConnection
  let stop: () => Promise<void>
  beforeAll(async () => {
    const redis = await startRedis(engine)
    stop = () => redis.stop()
    client = new Redis({ port: redis.port, protocol: 2 })
    connection = await connectRedis(redis.url, 'test')
  })
  afterAll(async () => {
    client.disconnect()
    await connection.close()
    await stop()
  })
  return {
    get client() {
      return client
    },
    get connection() {
      return connection
    },
  }
}
