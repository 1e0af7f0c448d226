import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TestClient } from '@who-is-online/testing/client'
import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { type RunningCluster, startCluster } from '@who-is-online/testing/start-cluster'
import { type RunningServer, runServer, temporaryDir } from '@who-is-online/testing/start-server'
import { Redis } from 'ioredis'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'

// Users who are forgotten leave nothing in Redis, and nodes agree on who is forgotten.

const PATIENCE = { timeout: 30_000, interval: 100 }
const DAY_MS = 86_400_000

describeOnEngines('forgetting', engine => {
  let cluster: RunningCluster | undefined
  afterEach(() => cluster?.stop())

  async function started(count: number, settings = {}): Promise<RunningCluster & { readonly client: Redis }> {
    cluster = await startCluster(engine, count, { settings: { AUTH_WATCH: 'all', ...settings } })
    const client = new Redis({ port: cluster.redis.port, protocol: 2 })
    onTestFinished(() => client.disconnect())
    return { ...cluster, client }
  }

  /** Imports users who were last seen some days ago, with a name. */
  async function importUsers(
    { redis }: RunningCluster,
    users: Readonly<Record<string, number>>,
  ): Promise<void> {
    const dir = temporaryDir()
    onTestFinished(dir.remove)
    mkdirSync(join(dir.path, 'data'))
    const rows = Object.entries(users).map(([userId, days]) => {
      const lastSeen = new Date(Date.now() - days * DAY_MS).toISOString()
      return [userId, { userId, status: 'offline', lastSeen, username: `Name of ${userId}` }]
    })
    writeFileSync(join(dir.path, 'data', 'user_state.json'), JSON.stringify(Object.fromEntries(rows)))
    const { code, output } = await runServer(dir.path, { REDIS_URL: redis.url }, ['cluster-import'])
    expect([code, output]).toEqual([0, expect.stringMatching(/imported/)])
  }

  async function connect(node: RunningServer, userId: string, query = {}): Promise<TestClient> {
    const client = await TestClient.v2(node, userId, query)
    onTestFinished(() => client.socket.terminate())
    return client
  }

  async function known(node: RunningServer, asker: TestClient): Promise<string[]> {
    expect(node.origin).toBeDefined()
    const { users } = await asker.ask({ type: 'list_users', limit: 1_000 }, 'users')
    return users.map(({ userId }: { userId: string }) => userId).toSorted()
  }

  test('[I9] stale users leave all nodes and Redis, also when the eldest member has changed; those who are present stay', async () => {
    const { nodes, client, redis, start, stop } = await started(2)
    const [first, second] = nodes as [RunningServer, RunningServer]
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`old-${index}`, 400]))
    await importUsers({ nodes, redis, start, stop }, { ...many, ann: 1 })
    const rows = () => client.hkeys('{wio}:users')
    await vi.waitFor(async () => expect((await rows()).toSorted()).toEqual(['n:ann', 's:ann']), PATIENCE)
    const askers = [await connect(first, 'asker-1'), await connect(second, 'asker-2')] as const
    for (const [index, node] of nodes.entries()) {
      await vi.waitFor(
        async () =>
          expect(await known(node, askers[index] as TestClient)).toEqual(['ann', 'asker-1', 'asker-2']),
        PATIENCE,
      )
    }
    const forgot = () =>
      nodes.filter(({ output }) => /users who were not seen .* were forgotten/.test(output()))
    await vi.waitFor(() => expect(forgot()).toHaveLength(1), PATIENCE)

    // One of the two is the eldest; each of them is ended once.
    for (const index of [0, 1]) {
      await (nodes[index] as RunningServer).end('SIGKILL')
      await importUsers({ nodes, redis, start, stop }, { [`older-${index}`]: 400, bob: 2 })
      await vi.waitFor(async () => expect(await rows()).not.toContain(`s:older-${index}`), PATIENCE)
      expect(await rows()).toContain('s:bob')
      await start(index)
    }
    expect((await rows()).filter(key => key.includes('old'))).toEqual([])
  }, 180_000)

  test('[I9] with more than MAX_KNOWN_USERS, users are forgotten everywhere, but none who is present on any node', async () => {
    const { nodes, client } = await started(2, { MAX_KNOWN_USERS: 8 })
    const [first, second] = nodes as [RunningServer, RunningServer]
    const asker = await connect(second, 'asker')
    await connect(second, 'visible', { username: 'Visible' })
    const hidden = await connect(second, 'hidden')
    await hidden.ask({ type: 'set_status', status: 'offline' }, 'status_updated')
    for (let user = 0; user < 40; user++)
      await (await connect(first, `user-${user}`, { username: 'U' })).leave()
    const users = async () => new Set((await client.hkeys('{wio}:users')).map(key => key.slice(2)))
    await vi.waitFor(async () => expect((await users()).size).toBeLessThanOrEqual(8), PATIENCE)
    expect([...(await users())]).toEqual(expect.arrayContaining(['asker', 'visible', 'hidden']))
    await vi.waitFor(async () => {
      const ids = await known(second, asker)
      expect(ids).toEqual(expect.arrayContaining(['asker', 'hidden', 'visible']))
      expect(ids.length).toBeLessThanOrEqual(8)
    }, PATIENCE)
    const { users: seen } = await asker.ask({ type: 'get_users', userIds: ['visible', 'hidden'] }, 'users')
    expect(seen).toMatchObject([
      { userId: 'visible', status: 'online', username: 'Visible' },
      { userId: 'hidden', status: 'offline' },
    ])
  }, 120_000)
})
