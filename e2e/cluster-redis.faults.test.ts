import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { type RunningCluster, startCluster } from '@who-is-online/testing/start-cluster'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Crowd } from './cluster/crowd.ts'
import { CROWD_SETTINGS, crowdOf, pause } from './cluster/crowd-of.ts'
import { redisCommand } from './cluster/redis-command.ts'

// Redis that dies, hangs, loses everything or is full, with thousands of clients. CLUSTER_USERS makes it smaller.

const USERS = Number(process.env['CLUSTER_USERS'] ?? 3_000)
const CHANGES_PER_SECOND = 100
const TIMEOUT_MS = 5 * 60_000

interface Fault {
  readonly name: string
  /** Does the fault. Resolves when Redis can be used again. */
  readonly happen: (cluster: RunningCluster) => Promise<void>
}

const FAULTS: readonly Fault[] = [
  { name: 'is killed and starts again empty', happen: ({ redis }) => redis.restart() },
  {
    name: 'loses all keys',
    happen: async ({ redis }) => void (await redisCommand(redis.port, 'FLUSHALL')),
  },
  {
    name: 'hangs for 5 s',
    async happen({ redis }) {
      redis.pause()
      await pause(5_000)
      redis.resume()
    },
  },
  {
    name: 'hangs for 25 s',
    async happen({ redis }) {
      redis.pause()
      await pause(25_000)
      redis.resume()
    },
  },
  {
    name: 'is away for 60 s and starts again empty',
    async happen({ redis }) {
      await redis.kill()
      await pause(60_000)
      await redis.restart()
    },
  },
  {
    name: 'is full for 10 s',
    async happen({ redis }) {
      await redisCommand(redis.port, 'CONFIG', 'SET', 'maxmemory', '1mb')
      await pause(10_000)
      await redisCommand(redis.port, 'CONFIG', 'SET', 'maxmemory', '0')
    },
  },
]

describeOnEngines('several nodes whose Redis', engine => {
  let cluster: RunningCluster
  let crowd: Crowd

  beforeEach(async () => {
    cluster = await startCluster(engine, 3, { settings: CROWD_SETTINGS })
    ;({ crowd } = crowdOf(cluster, USERS))
    await crowd.start()
    await crowd.converged(10_000)
  }, 120_000)

  afterEach(async () => {
    crowd.stop()
    await cluster.stop()
  })

  test.each(FAULTS)(
    '[I2 I3 I7 N3] $name: no client is cut, nobody is falsely offline, and all is right 5 s later',
    async ({ name, happen }) => {
      const stop = crowd.change(crowd.users, CHANGES_PER_SECOND)
      await pause(2_000)
      await happen(cluster)
      await pause(1_000)
      stop()
      const ms = await crowd.converged(4_000)
      expect(crowd.falseOffline).toEqual([])
      expect(crowd.users.flatMap(({ closes }) => closes)).toEqual([])
      expect(crowd.observers.flatMap(({ faults }) => faults)).toEqual([])
      process.stderr.write(`${name}: ${USERS} users, right ${1_000 + ms} ms after Redis was back\n`)
    },
    TIMEOUT_MS,
  )
})
