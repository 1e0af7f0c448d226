import { TestClient } from '@who-is-online/testing/client'
import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { until } from '@who-is-online/testing/shell-server'
import { type RunningCluster, startCluster } from '@who-is-online/testing/start-cluster'
import type { RunningServer } from '@who-is-online/testing/start-server'
import { afterEach, expect, test } from 'vitest'
import { type Balancer, startBalancer } from '../scripts/cluster/balancer.ts'
import type { Crowd } from './cluster/crowd.ts'
import { CROWD_SETTINGS, crowdOf, pause } from './cluster/crowd-of.ts'
import { SdkCrowd } from './cluster/sdk-crowd.ts'

// All nodes are restarted one after the other, with thousands of clients. CLUSTER_USERS and CLUSTER_ROUNDS make it
// smaller.

const USERS = Number(process.env['CLUSTER_USERS'] ?? 3_000)
const ROUNDS = Number(process.env['CLUSTER_ROUNDS'] ?? 5)
const SDK_CLIENTS = 100
/** How many users who choose, and how many who do nothing, each of these clients watches. */
const WATCHED = 25
const CHANGES_PER_SECOND = 100
const STOP_MS = 10_000
const TIMEOUT_MS = 20 * 60_000

describeOnEngines('several nodes', engine => {
  let cluster: RunningCluster | undefined
  let balancer: Balancer | undefined
  let crowd: Crowd | undefined
  let sdk: SdkCrowd | undefined

  afterEach(async () => {
    sdk?.close()
    crowd?.stop()
    await balancer?.close()
    await cluster?.stop()
  })

  test(
    '[I2 I4 I6] a rolling restart: users who do nothing cause no change, and clients resume on another node',
    async () => {
      cluster = await startCluster(engine, 3, { settings: CROWD_SETTINGS })
      const { nodes } = cluster
      /** From which number on each node can resume: nothing is older than what it knew when it was ready. */
      const since = await Promise.all(nodes.map(placeOf))
      const targets = nodes.map(({ port }, i) => ({ name: `node-${i + 1}`, port }))
      // It checks when the test asks, so that the test knows from when on a node gets clients.
      const front = await startBalancer({ port: 0, targets, checkMs: 10_000_000 })
      balancer = front
      const made = crowdOf(cluster, USERS)
      crowd = made.crowd
      await crowd.start()
      const active = crowd.users.filter((_, i) => i % 2 === 0)
      const quiet = crowd.users.filter((_, i) => i % 2 === 1)
      const some = (users: typeof active, from: number) =>
        Array.from({ length: WATCHED }, (_, i) => users[(from + i) % users.length]?.userId ?? '')
      const clients = new SdkCrowd(`ws://127.0.0.1:${front.port}/ws`, SDK_CLIENTS, i => [
        ...some(active, i * WATCHED),
        ...some(quiet, i * WATCHED),
      ])
      sdk = clients
      await until('all clients are live', () => clients.isLive, 20_000)
      await crowd.converged(10_000)
      crowd.forget()
      const passive = new Set([...quiet.map(({ userId }) => userId), ...clients.userIds])
      const stop = crowd.change(active, CHANGES_PER_SECOND)

      const stopTimes: number[] = []
      let within = 0
      let recovered = 0
      for (let round = 0; round < ROUNDS; round++) {
        for (const [index, node] of [...nodes.entries()]) {
          const before = clients.resumes.length
          made.down.add(node)
          const begun = performance.now()
          const ended = node.end('SIGTERM')
          await pause(100)
          await front.check()
          expect(await ended).toBe(0)
          stopTimes.push(Math.round(performance.now() - begun))
          expect(stopTimes.at(-1)).toBeLessThan(STOP_MS)
          // Places from this number on are known by the two nodes to which the clients can go.
          const horizon = Math.max(...since.filter((_, i) => i !== index))
          since[index] = await placeOf(await cluster.start(index))
          const backAt = performance.now()
          made.down.delete(node)
          await front.check()
          await until('all clients are live', () => clients.isLive, 20_000)
          const known = clients.resumes
            .slice(before)
            .filter(({ at, since: { seq } }) => seq >= (at < backAt ? horizon : Math.max(...since)))
          expect(
            known.filter(resume => !resume.recovered),
            `round ${round}, node ${index + 1}, ${JSON.stringify(since)}`,
          ).toEqual([])
          within += known.length
          recovered += clients.resumes.slice(before).filter(resume => resume.recovered).length
          await pause(2_000)
        }
      }
      stop()
      await crowd.converged(10_000)
      const told = crowd.observers.flatMap(observer => observer.told)
      expect(told.filter(({ userId }) => passive.has(userId))).toEqual([])
      // The negative control: the observers were told of those who chose.
      expect(told.length).toBeGreaterThan(ROUNDS * CHANGES_PER_SECOND)
      expect(crowd.falseOffline).toEqual([])
      const users = new Map(crowd.users.map(user => [user.userId, user]))
      expect(clients.differences(userId => users.get(userId)?.choice ?? 'offline')).toEqual([])
      const all = clients.resumes.length
      expect(all).toBeGreaterThan(ROUNDS * SDK_CLIENTS * 0.9)
      process.stderr.write(
        `${ROUNDS} rounds, ${USERS} users: each stop took up to ${Math.max(...stopTimes)} ms; of ${all} resumes ` +
          `${recovered} were recovered, all of the ${within} within the horizon of both other nodes\n`,
      )
      // The others came to a node that had started after the last change that they had been told. About 3 % do.
      expect(recovered / all).toBeGreaterThan(0.8)
    },
    TIMEOUT_MS,
  )
})

/** The number of the last change that a node knows. It is ready, so it tells a place that all nodes know. */
async function placeOf(node: RunningServer): Promise<number> {
  const client = await TestClient.open(`${node.url}?userId=horizon&status=offline`, {
    protocols: ['who-is-online.v2'],
  })
  const { epoch, seq } = await client.next('welcome')
  await client.leave()
  expect(epoch).toMatch(/^\d+$/)
  return seq
}
