import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { type RunningCluster, startCluster } from '@who-is-online/testing/start-cluster'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Crowd, CrowdUser, Observer } from './cluster/crowd.ts'
import { CROWD_SETTINGS, crowdOf, pause } from './cluster/crowd-of.ts'

// Nodes that die, freeze and restart, with thousands of clients. CLUSTER_USERS and CLUSTER_KILLS make it smaller.

const USERS = Number(process.env['CLUSTER_USERS'] ?? 3_000)
const KILLS = Number(process.env['CLUSTER_KILLS'] ?? 10)
const CHANGES_PER_SECOND = 100
const TIMEOUT_MS = 15 * 60_000

describeOnEngines('several nodes', engine => {
  let cluster: RunningCluster
  let crowd: Crowd
  let down: ReturnType<typeof crowdOf>['down']

  beforeEach(async () => {
    cluster = await startCluster(engine, 3, { settings: CROWD_SETTINGS })
    ;({ crowd, down } = crowdOf(cluster, USERS))
    await crowd.start()
    await crowd.converged(10_000)
  }, 120_000)

  afterEach(async () => {
    crowd.stop()
    await cluster.stop()
  })

  const observersBut = (index: number) => crowd.observers.filter((_, other) => other !== index) as [Observer]

  test(
    '[I1 I2 I3 N2] kill -9 of a node: its users are gone within 15 s, and those who move cause nothing',
    async () => {
      const times: number[] = []
      for (let kill = 0; kill < KILLS; kill++) {
        const index = kill % 3
        const node = cluster.nodes[index] as RunningCluster['nodes'][number]
        const there = crowd.users.filter(({ url, isWanted }) => isWanted && url === node.url)
        const gone = there.filter((_, i) => i % 2 === 0)
        const others = crowd.users.filter(user => !there.includes(user))
        const stop = crowd.change(others, CHANGES_PER_SECOND)
        crowd.forget()
        down.add(node)
        for (const user of gone) user.vanish()
        await node.end('SIGKILL')
        const begun = performance.now()
        await pause(3_000)
        stop()
        await crowd.converged(15_000 - 3_000, observersBut(index))
        times.push(Math.round(performance.now() - begun))
        const moved = new Set(there.filter(user => !gone.includes(user)).map(({ userId }) => userId))
        const told = observersBut(index).flatMap(observer => observer.told)
        expect(told.filter(({ userId }) => moved.has(userId))).toEqual([])
        await cluster.start(index)
        down.delete(node)
        await Promise.all(gone.map(user => user.connect()))
        await crowd.converged(10_000)
      }
      expect(crowd.falseOffline).toEqual([])
      process.stderr.write(`${KILLS} kills, ${USERS} users: gone after ${times.join(', ')} ms\n`)
    },
    TIMEOUT_MS,
  )

  /** Stops a node for a time, while users of the other nodes choose. Its clients do not notice. */
  async function freeze(index: number, whileFrozen: (there: readonly CrowdUser[]) => Promise<void>) {
    const node = cluster.nodes[index] as RunningCluster['nodes'][number]
    const there = crowd.users.filter(({ url }) => url === node.url)
    const stop = crowd.change(
      crowd.users.filter(user => !there.includes(user)),
      CHANGES_PER_SECOND,
    )
    crowd.excused.add(crowd.observers[index] as Observer)
    crowd.forget()
    process.kill(node.pid, 'SIGSTOP')
    try {
      await whileFrozen(there)
    } finally {
      stop()
      process.kill(node.pid, 'SIGCONT')
    }
    return { there, ms: await crowd.converged(2_000) }
  }

  /** What observers of other nodes were told about some users. */
  const toldElsewhere = (index: number, users: readonly CrowdUser[]) => {
    const userIds = new Set(users.map(({ userId }) => userId))
    return observersBut(index)
      .flatMap(({ told }) => told)
      .filter(({ userId }) => userIds.has(userId))
  }

  const closes = () => crowd.users.flatMap(user => user.closes)

  test(
    '[I1 I2] a node that is frozen for 5 s: others see nothing, and all is right 2 s later',
    async () => {
      const { there, ms } = await freeze(0, () => pause(5_000))
      expect(there.length).toBeGreaterThan(USERS / 4)
      expect(toldElsewhere(0, there)).toEqual([])
      expect(crowd.falseOffline).toEqual([])
      expect(closes()).toEqual([])
      process.stderr.write(`frozen for 5 s, ${USERS} users: right after ${ms} ms\n`)
    },
    TIMEOUT_MS,
  )

  // Nothing is excused here, so this shows too that the test above would notice users who are shown as offline.
  test(
    '[I1 I2] a node that is frozen for 20 s: its users are offline within 15 s, and all is right 2 s later',
    async () => {
      let goneMs = 0
      const { there, ms } = await freeze(1, async there => {
        const begun = performance.now()
        const others = observersBut(1)
        while (others.some(observer => there.some(({ userId }) => observer.statusOf(userId) !== 'offline'))) {
          if (performance.now() - begun > 15_000) break
          await pause(20)
        }
        goneMs = Math.round(performance.now() - begun)
        await pause(20_000 - goneMs)
      })
      expect(goneMs).toBeGreaterThan(8_000)
      expect(goneMs).toBeLessThanOrEqual(15_000)
      // Each of them goes offline once and comes back once, on both other nodes, and nobody else goes offline.
      expect(toldElsewhere(1, there)).toHaveLength(4 * there.length)
      expect(crowd.falseOffline).toHaveLength(2 * there.length)
      expect(closes()).toEqual([])
      process.stderr.write(
        `frozen for 20 s, ${USERS} users: offline after ${goneMs} ms, right after ${ms} ms\n`,
      )
    },
    TIMEOUT_MS,
  )
})
