import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { type Engine, type RunningRedis, startRedis } from '@who-is-online/testing/start-redis'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test, vi } from 'vitest'
import { connectRedis } from './redis.ts'
import type { LinkedNode } from './testing/linked-node.ts'
import { lost, PATIENCE, ready, seesAll } from './testing/ready-nodes.ts'

// The real member on a real Redis. The times are those of the protocol, and the machine may be busy.

const TIMEOUT_MS = 90_000

async function started(engine: Engine): Promise<RunningRedis> {
  const redis = await startRedis(engine)
  onTestFinished(redis.stop)
  return redis
}

describeOnEngines('RedisLink', engine => {
  test(
    'a node that ends without a word is lost for the others after nine beats, and one that lives is not',
    async () => {
      const redis = await started(engine)
      const [a, b, c] = (await ready(redis.url, ['a', 'b', 'c'])) as [LinkedNode, LinkedNode, LinkedNode]
      const beats = a.count('beat')
      await b.link.close()
      await vi.waitFor(() => expect(lost(a)).toEqual(['b']), PATIENCE)
      // One beat may have been on its way.
      expect(a.count('beat') - beats).toBeGreaterThanOrEqual(8)
      expect([a.usersOf('b'), a.usersOf('c')]).toEqual([[], ['user-c']])
      await vi.waitFor(() => expect(lost(c)).toEqual(['b']), PATIENCE)
      expect([...a.failures, ...c.failures]).toEqual([])
    },
    TIMEOUT_MS,
  )

  test(
    'while Redis is paused the nodes are away, and then they are back with all that happened',
    async () => {
      const redis = await started(engine)
      const [a, b] = (await ready(redis.url, ['a', 'b'])) as [LinkedNode, LinkedNode]
      const all = [a, b]
      const epochs = all.map(node => node.count('epoch'))
      redis.pause()
      a.open('ann')
      await vi.waitFor(() => expect(all.map(node => node.count('away'))).toEqual([1, 1]), PATIENCE)
      expect(a.link.lastFailure?.text).toMatch(/timed out|not reachable|closed|does not answer/i)
      expect(b.usersOf('a'), 'the view is frozen').toEqual(['user-a'])
      // The control: nobody is back before Redis is.
      await new Promise(resolve => setTimeout(resolve, 2_000))
      expect(all.map(({ member }) => member.isAway)).toEqual([true, true])
      redis.resume()
      await vi.waitFor(() => expect(all.map(node => node.count('back'))).toEqual([1, 1]), PATIENCE)
      await vi.waitFor(() => expect(b.usersOf('a')).toEqual(['ann', 'user-a']), PATIENCE)
      expect(
        all.map(node => node.count('epoch')),
        'it is the same Redis',
      ).toEqual(epochs)
      expect([...lost(a), ...lost(b)]).toEqual([])
    },
    TIMEOUT_MS,
  )

  test(
    'after Redis was killed and has started empty, a new epoch begins, and all say again what they know',
    async () => {
      const redis = await started(engine)
      const nodes = await ready(redis.url, ['a', 'b'])
      const before = nodes.map(({ member }) => member.place?.epoch ?? 0)
      await redis.kill()
      await vi.waitFor(
        () => expect(nodes[0]?.link.lastFailure?.text).toMatch(/ECONNREFUSED|closed/),
        PATIENCE,
      )
      await redis.restart()
      await vi.waitFor(() => {
        for (const [index, { member }] of nodes.entries()) {
          expect(member.place?.epoch).toBeGreaterThan(before[index] ?? 0)
          expect([member.isQuiet, member.isAway]).toEqual([true, false])
        }
      }, PATIENCE)
      await seesAll(nodes)
      const connection = await connectRedis(redis.url, 'test')
      onTestFinished(() => connection.close())
      await vi.waitFor(async () => {
        const { facts } = await connection.load()
        expect([...facts].map(([node, users]) => [node, [...users.keys()]]).sort()).toEqual([
          ['a', ['user-a']],
          ['b', ['user-b']],
        ])
      }, PATIENCE)
      expect(nodes.flatMap(lost)).toEqual([])
    },
    TIMEOUT_MS,
  )

  test(
    'entries and keys of other programs stop nobody, and a refusal of Redis is told',
    async () => {
      const redis = await started(engine)
      const [a, b] = (await ready(redis.url, ['a', 'b'])) as [LinkedNode, LinkedNode]
      const client = new Redis({ port: redis.port, protocol: 2 })
      onTestFinished(() => client.disconnect())
      const loads = [a.count('loaded'), b.count('loaded')]
      await client.xadd('{test}:log', `${a.member.place?.epoch}-*`, 'hello', 'world')
      a.open('ann')
      await vi.waitFor(() => expect(b.usersOf('a')).toEqual(['ann', 'user-a']), PATIENCE)
      expect([a.count('loaded'), b.count('loaded')]).toEqual(loads)
      // With the time as its number, it is after all that nodes can append in this epoch.
      await client.xadd('{test}:log', '*', 'hello', 'world')
      a.open('bob')
      await vi.waitFor(() => expect(b.usersOf('a')).toEqual(['ann', 'bob', 'user-a']), PATIENCE)

      await client.config('SET', 'maxmemory', '1mb')
      a.open('eve')
      await vi.waitFor(() => expect(a.count('away')).toBe(1), PATIENCE)
      expect(a.link.lastFailure?.text).toMatch(/^OOM .*raise its maxmemory/)
      expect(a.failures.filter(({ text }) => text.startsWith('OOM'))).toHaveLength(1)
      await client.config('SET', 'maxmemory', '0')
      await vi.waitFor(() => expect(b.usersOf('a')).toEqual(['ann', 'bob', 'eve', 'user-a']), PATIENCE)
    },
    TIMEOUT_MS,
  )
})
