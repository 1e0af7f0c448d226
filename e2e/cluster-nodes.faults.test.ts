import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { type RunningCluster, startCluster } from '@who-is-online/testing/start-cluster'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Crowd, Observer } from './cluster/crowd.ts'
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
})
