import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { type RunningNodes, startNodes } from '@who-is-online/testing/start-cluster'
import { afterEach, expect, test } from 'vitest'
import type { Crowd } from './cluster/crowd.ts'
import { CROWD_SETTINGS, crowdOf, pause } from './cluster/crowd-of.ts'
import { type ReplicatedRedis, startRedisCluster, startSentinels } from './cluster/redis-kinds.ts'

// The master of Redis dies or hangs, and a replica takes over, with thousands of clients. CLUSTER_USERS makes it
// smaller.

const USERS = Number(process.env['CLUSTER_USERS'] ?? 3_000)
const CHANGES_PER_SECOND = 100
const TIMEOUT_MS = 5 * 60_000

const KINDS = { Sentinel: startSentinels, 'a Redis Cluster': startRedisCluster } as const

const FAULTS = {
  killed: ({ master }: ReplicatedRedis) => master.kill(),
  // It does not close its connections, so only the lack of answers shows that it has failed.
  hung: async ({ master }: ReplicatedRedis) => master.pause(),
} as const

const CASES = (['Sentinel', 'a Redis Cluster'] as const).flatMap(kind =>
  (['killed', 'hung'] as const).map(fault => ({ kind, fault })),
)

describeOnEngines('several nodes with replicas of Redis', engine => {
  let redis: ReplicatedRedis | undefined
  let nodes: RunningNodes | undefined
  let crowd: Crowd | undefined

  afterEach(async () => {
    crowd?.stop()
    await nodes?.stop()
    await redis?.stop()
  })

  test.each(CASES)(
    '[I2 I3 I7] $kind whose master is $fault: nobody is cut or falsely offline, no choice is lost, and all is right 5 s after a client can write again',
    async ({ kind, fault }) => {
      redis = await KINDS[kind](engine)
      nodes = await startNodes(redis.url, 3, CROWD_SETTINGS)
      crowd = crowdOf(nodes, USERS).crowd
      await crowd.start()
      await crowd.converged(10_000)
      const stop = crowd.change(crowd.users, CHANGES_PER_SECOND)
      await pause(2_000)
      const begun = performance.now()
      await FAULTS[fault](redis)
      await redis.takenOver()
      const takenOverMs = Math.round(performance.now() - begun)
      stop()
      const ms = await crowd.converged(5_000)
      if (fault === 'hung') {
        // The old master goes on where it stopped, and must not be believed.
        redis.master.resume()
        const stopAgain = crowd.change(crowd.users, CHANGES_PER_SECOND)
        await pause(3_000)
        stopAgain()
        await crowd.converged(5_000)
      }
      expect(crowd.falseOffline).toEqual([])
      expect(crowd.users.flatMap(({ closes }) => closes)).toEqual([])
      expect(crowd.observers.flatMap(({ faults }) => faults)).toEqual([])
      const away = nodes.nodes.filter(({ output }) => output().includes('Redis cannot be used')).length
      process.stderr.write(
        `${kind}, master ${fault}: ${USERS} users, a client could write after ${takenOverMs} ms, ` +
          `all was right ${ms} ms later; ${away} of 3 nodes had noticed\n`,
      )
      // The negative control: the nodes have lost their Redis.
      expect(away).toBe(3)
    },
    TIMEOUT_MS,
  )
})
