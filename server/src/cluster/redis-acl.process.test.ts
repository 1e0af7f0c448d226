import { readFileSync } from 'node:fs'
import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { type Engine, startRedis } from '@who-is-online/testing/start-redis'
import { Redis } from 'ioredis'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { EPOCH, request } from './append.suite.ts'
import { connectRedis } from './redis.ts'
import { explainRedisError } from './redis-check.ts'

// The permissions that the documentation lists are enough, and each of them is needed.

const PAGE = new URL('../../../docs/redis-acl.md', import.meta.url)
const [SINGLE = '', CLUSTER = ''] =
  readFileSync(PAGE, 'utf8').match(/(?<=^ACL SETUSER who-is-online ).*$/gm) ?? []
const FORMS = { single: SINGLE.split(' '), cluster: [...SINGLE.split(' '), ...CLUSTER.split(' ')] } as const

/** It gives the connections a name, and Redis is used without it too. */
const OPTIONAL = '+client|setname'

/** How long a Redis Cluster may take to be ready. */
const PATIENCE = { timeout: 20_000, interval: 50 }

/** Uses all that a node needs, with all kinds of content. */
async function useAll(url: string): Promise<void> {
  const connection = await connectRedis(url, 'wio')
  try {
    const fact = { p: 1, n: 1, h: EPOCH, s: {} } as const
    const about = { name: 'A', version: '1.0.0' }
    const registers = [['n:ann', '000000000000001|a|"Ann"']] as const
    const place = { epoch: EPOCH, seq: EPOCH }
    await connection.info()
    await connection.probe()
    await connection.time()
    await connection.load()
    const requests = [
      request('epoch', 1, { epoch: undefined, newEpoch: EPOCH }),
      request('join', 2, { body: { about } }),
      request('say', 3, { oldest: place, body: { facts: [['ann', fact, 'opened']], registers } }),
      request('say', 4, { body: { facts: [['ann', null, 'left']] } }),
      request('join', 1, { node: 'b', body: { about } }),
      request('lost', 5, { knownBatch: 1, body: { subject: 'b' } }),
    ]
    for (const asked of requests) expect(await connection.append(asked)).toMatchObject({ reply: 'appended' })
    expect(await connection.read(place, 10)).toHaveLength(requests.length - 1)
    const { registers: kept } = await connection.load()
    expect([...kept]).toEqual(registers)
    expect(await connection.audit('a')).toEqual({ nodes: new Map([['a', 5]]), ownFacts: 0 })
  } finally {
    await connection.close()
  }
}

describeOnEngines('the permissions in docs/redis-acl.md', engine => {
  describe.each(['single', 'cluster'] as const)('%s', kind => {
    test('are enough, and each is needed', async () => {
      const { client, url } = await started(engine, kind)
      const rules = FORMS[kind].map(rule => rule.replace('>PASSWORD', '>secret'))
      expect(rules.length).toBeGreaterThan(15)
      const allow = async (allowed: readonly string[]): Promise<void> => {
        await client.call('ACL', 'SETUSER', 'who-is-online', 'reset', ...allowed)
        await client.flushall('SYNC')
        await client.script('FLUSH')
      }
      await allow(rules)
      await client.call('ACL', 'LOG', 'RESET')
      await useAll(url)
      expect(await client.call('ACL', 'LOG'), 'refused although nobody noticed').toEqual([])
      const refused: string[] = []
      const needed = rules.filter(rule => /^[+~]/.test(rule) && rule !== OPTIONAL)
      for (const rule of needed) {
        await allow(rules.filter(other => other !== rule))
        await useAll(url).then(
          () => {},
          error => refused.push(explainRedisError(error)),
        )
        const isWrite = ['+hset', '+hdel', '+unlink'].includes(rule)
        if (isWrite) expect(await client.exists('{wio}:log'), `${rule} is missed before a write`).toBe(0)
      }
      // Without it, the client waits until the connection is given up.
      const text = (rule: string) => (rule === '+cluster|info' ? 'no answer' : 'lacks a permission')
      expect(refused).toEqual(needed.map(rule => expect.stringContaining(text(rule))))
    }, 60_000)
  })
})

async function started(engine: Engine, kind: 'single' | 'cluster'): Promise<{ client: Redis; url: string }> {
  const redis = await startRedis(
    engine,
    kind === 'cluster' ? ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'] : [],
  )
  onTestFinished(redis.stop)
  const client = new Redis({ port: redis.port, protocol: 2 })
  onTestFinished(() => client.disconnect())
  const url = redis.url.replace('//', '//who-is-online:secret@')
  if (kind === 'single') return { client, url }
  await client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
  await vi.waitFor(async () => {
    expect(await client.call('CLUSTER', 'INFO')).toContain('cluster_state:ok')
  }, PATIENCE)
  return { client, url: url.replace('redis:', 'redis-cluster:') }
}
