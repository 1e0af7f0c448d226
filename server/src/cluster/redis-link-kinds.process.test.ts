import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { expect, test, vi } from 'vitest'
import { lost, PATIENCE, ready, seesAll } from './testing/ready-nodes.ts'
import { startCluster, startSentinel } from './testing/redis-kinds.ts'

const TIMEOUT_MS = 90_000

describeOnEngines('RedisLink', engine => {
  test(
    'behind sentinels, the nodes go on with the new master in a new epoch, and nobody is lost',
    async () => {
      const { url, master, replica } = await startSentinel(engine)
      const nodes = await ready(url, ['a', 'b'])
      await replica.isReady()
      const before = nodes.map(({ member }) => member.place?.epoch ?? 0)
      await master.kill()
      nodes[0]?.open('ann')
      await vi.waitFor(() => {
        for (const [index, { member }] of nodes.entries()) {
          expect(member.place?.epoch).toBeGreaterThan(before[index] ?? 0)
          expect([member.isQuiet, member.isAway]).toEqual([true, false])
        }
        expect(nodes[1]?.usersOf('a')).toContain('ann')
      }, PATIENCE)
      await seesAll(nodes)
      expect(nodes.flatMap(lost)).toEqual([])
    },
    TIMEOUT_MS,
  )

  test(
    'on a Redis Cluster, the nodes are away while the master of their keys is paused, and then they are back',
    async () => {
      const { url, clients, masters } = await startCluster(engine)
      const nodes = await ready(url, ['a', 'b'])
      const sizes = await Promise.all(clients.map(client => client.dbsize()))
      const [owner, other] = sizes[0] === 0 ? [masters[1], masters[0]] : masters
      // The control: the other master is not needed.
      other?.pause()
      nodes[0]?.open('eve')
      await vi.waitFor(() => expect(nodes[1]?.usersOf('a')).toContain('eve'), PATIENCE)
      other?.resume()
      owner?.pause()
      nodes[0]?.open('ann')
      await vi.waitFor(() => expect(nodes.map(node => node.member.isAway)).toEqual([true, true]), PATIENCE)
      owner?.resume()
      await vi.waitFor(() => {
        expect(nodes.map(node => node.member.isAway)).toEqual([false, false])
        expect(nodes[1]?.usersOf('a')).toContain('ann')
      }, PATIENCE)
      expect(nodes.flatMap(lost)).toEqual([])
    },
    TIMEOUT_MS,
  )
})
