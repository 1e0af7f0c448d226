import { TestClient } from '@who-is-online/testing/client'
import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { type RunningCluster, startCluster } from '@who-is-online/testing/start-cluster'
import type { RunningServer } from '@who-is-online/testing/start-server'
import { Redis } from 'ioredis'
import { afterEach, expect, onTestFinished, test } from 'vitest'

// What is left of a person in Redis, and on the nodes.

const PATIENCE = { timeout: 20_000, interval: 100 }
const ERASED = 'erased-person'

/** The keys of Redis that contain a text anywhere. */
async function keysWith(client: Redis, text: string): Promise<string[]> {
  const found: string[] = []
  for (const key of await client.keys('*')) {
    const type = await client.type(key)
    const content =
      type === 'stream'
        ? await client.xrange(key, '-', '+')
        : type === 'hash'
          ? await client.hgetall(key)
          : await client.get(key)
    if (key.includes(text) || JSON.stringify(content).includes(text)) found.push(key)
  }
  return found.toSorted()
}

describeOnEngines('erasing', engine => {
  let cluster: RunningCluster | undefined
  afterEach(() => cluster?.stop())

  test('[E20] an erased person is on no node and in no register at once, and soon not in the stream of changes', async () => {
    cluster = await startCluster(engine, 2, { settings: { AUTH_WATCH: 'all' } })
    const client = new Redis({ port: cluster.redis.port, protocol: 2 })
    onTestFinished(() => client.disconnect())
    const [a, b] = cluster.nodes as [RunningServer, RunningServer]
    const watcher = await TestClient.v2(b, 'watcher')
    await watcher.ask({ type: 'subscribe', userIds: [ERASED] }, 'presence_state')
    const onA = await TestClient.v2(a, ERASED)
    await onA.ask({ type: 'identify', username: 'Erika' }, 'ack')
    const onB = await TestClient.v2(b, ERASED)
    await onB.ask({ type: 'set_status', status: 'busy' }, 'status_updated')
    const keys = ['{wio}:changes', '{wio}:log', '{wio}:users']
    await expect.poll(() => keysWith(client, ERASED), PATIENCE).toEqual(expect.arrayContaining(keys))

    const call = (node: RunningServer, init?: RequestInit) =>
      fetch(`${node.origin}/api/v1/users/${ERASED}`, init)
    expect((await call(a, { method: 'DELETE' })).status).toBe(204)
    expect([(await onA.closed).code, (await onB.closed).code]).toEqual([4403, 4403])
    // The log is trimmed after two minutes. It has the erasure itself.
    expect(await keysWith(client, ERASED)).not.toContain('{wio}:users')
    for (const node of [a, b]) {
      await expect
        .poll(async () => (await call(node)).json(), PATIENCE)
        .toEqual({ userId: ERASED, status: 'offline', lastSeen: null })
    }
    await expect
      .poll(async () => (await watcher.next('presence_diff'))['users'], PATIENCE)
      .toEqual([{ userId: ERASED, status: 'offline', lastSeen: null }])
    await expect.poll(() => keysWith(client, ERASED), PATIENCE).toEqual(['{wio}:log'])

    // Who connects again is a new user.
    const again = await TestClient.v2(b, ERASED)
    const { users } = await watcher.ask({ type: 'get_users', userIds: [ERASED] }, 'users')
    expect(users[0]).toMatchObject({ status: 'online' })
    expect(users[0]).not.toHaveProperty('username')
    await again.leave()
  })

  test('[E20 E7 E12] a person who hides, or is on no node, leaves nothing either, and nobody stays who came just before', async () => {
    cluster = await startCluster(engine, 2)
    const client = new Redis({ port: cluster.redis.port, protocol: 2 })
    onTestFinished(() => client.disconnect())
    const [a, b] = cluster.nodes as [RunningServer, RunningServer]
    const hidden = await TestClient.v2(b, ERASED, { status: 'offline' })
    hidden.socket.terminate()
    const gone = await TestClient.v2(b, 'gone-person')
    await gone.ask({ type: 'identify', username: 'Gone' }, 'ack')
    await gone.leave()
    const registers = () => client.hkeys('{wio}:users')
    await expect.poll(registers, PATIENCE).toEqual(expect.arrayContaining([`c:${ERASED}`, 's:gone-person']))
    for (const userId of [ERASED, 'gone-person', 'nobody']) {
      const { status } = await fetch(`${a.origin}/api/v1/users/${userId}`, { method: 'DELETE' })
      expect(status).toBe(204)
    }
    expect(await registers()).toEqual([])

    // A node that is asked at once may not have read the session yet: 204 is told only of what has ended.
    const call = (node: RunningServer, path: string, method = 'GET', body?: string) =>
      fetch(`${node.origin}/api/v1/users/${path}`, {
        method,
        ...(body !== undefined && { body, headers: { 'content-type': 'application/json' } }),
      })
    for (let i = 0; i < 10; i++) {
      for (const what of ['/sessions/agent', '/sessions', '']) {
        const user = `bot-${i}${what.length}`
        const leased = await call(a, `${user}/sessions/agent`, 'PUT', '{"ttlMs":60000}')
        expect(leased.status).toBe(200)
        expect((await call(b, `${user}${what}`, 'DELETE')).status).toBe(204)
        const { sessions } = (await (await call(a, `${user}/sessions`)).json()) as { sessions: unknown[] }
        expect([what, sessions]).toEqual([what, []])
      }
    }
  })
})
