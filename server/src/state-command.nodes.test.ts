import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TestClient } from '@who-is-online/testing/client'
import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { untilReady } from '@who-is-online/testing/start-cluster'
import { type RunningRedis, startRedis } from '@who-is-online/testing/start-redis'
import {
  type RunningServer,
  runServer,
  type ServerSettings,
  startServer,
  temporaryDir,
} from '@who-is-online/testing/start-server'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'

// The commands `cluster-import` and `cluster-export`, as an operator runs them.

function directory(): string {
  const dir = temporaryDir()
  onTestFinished(dir.remove)
  return dir.path
}

async function started(dir: string, settings: ServerSettings = {}): Promise<RunningServer> {
  const server = await startServer(dir, { AUTH_WATCH: 'all', ...settings })
  onTestFinished(async () => void (await server.end('SIGKILL')))
  await untilReady(server)
  return server
}

/** What a server shows of each user, by id; without the one who asks. */
async function shown(server: RunningServer): Promise<Map<string, { lastSeen: string }>> {
  const client = await TestClient.v2(server, 'asker')
  const { users } = await client.ask({ type: 'list_users' }, 'users')
  await client.leave()
  return new Map(
    users
      .filter(({ userId }: { userId: string }) => userId !== 'asker')
      .map((user: { userId: string }) => [user.userId, user]),
  )
}

async function connect(server: RunningServer, userId: string, query: Record<string, string> = {}) {
  const client = await TestClient.v2(server, userId, query)
  onTestFinished(() => client.socket.terminate())
  return client
}

/** Connects, chooses, and takes the answer. */
async function choose(server: RunningServer, userId: string, choice: object): Promise<TestClient> {
  const client = await connect(server, userId)
  await client.ask({ type: 'set_status', ...choice }, 'status_updated')
  return client
}

describeOnEngines('a state file and a cluster', engine => {
  let redis: RunningRedis
  beforeEach(async () => {
    redis = await startRedis(engine)
  })
  afterEach(() => redis.stop())

  const run = (command: string, dir: string, settings: ServerSettings = {}) =>
    runServer(dir, { REDIS_URL: redis.url, ...settings }, [command])
  const nodes = (dirs: readonly string[]) =>
    Promise.all(dirs.map(dir => started(dir, { REDIS_URL: redis.url })))

  test('a single server becomes a cluster and a single server again, and shows the same', async () => {
    const single = directory()
    const first = await started(single)
    const end = new Date(Date.now() + 3_600_000).toISOString()
    const ann = await connect(first, 'ann', { username: 'Ann Ö' })
    const leaving = await choose(first, 'bob', { status: 'busy', text: 'lunch', expiresAt: end })
    const hidden = await choose(first, 'eve', { status: 'offline' })
    await Promise.all([ann.leave(), leaving.leave()])
    // A user who leaves is not hidden any more, but one whose connection is lost is.
    hidden.reset()
    const before = await shown(first)
    expect([...before.keys()].sort()).toEqual(['ann', 'bob', 'eve'])
    expect(await first.end('SIGTERM')).toBe(0)

    const imported = await run('cluster-import', single)
    expect(imported.output).toMatch(/^imported 4 users from .*: \d+ values written, 0 already known/m)
    expect(imported.code).toBe(0)
    const again = await run('cluster-import', single)
    expect(again.output).toMatch(/imported 4 users from .*: 0 values written/)

    const dirs = [directory(), directory()]
    const [one, two] = (await nodes(dirs)) as [RunningServer, RunningServer]
    for (const node of [one, two]) expect(await shown(node)).toEqual(before)
    // The choice with an end and the hidden one apply, as they do on the single server.
    const bob = await TestClient.v2(one, 'bob')
    await expect.poll(async () => (await shown(two)).get('bob')).toMatchObject({ status: 'busy' })
    const eve = await TestClient.v2(two, 'eve')
    const other = await connect(one, 'kim', { username: 'Kim' })
    await expect.poll(async () => (await shown(two)).get('kim')).toMatchObject({ status: 'online' })
    expect((await shown(one)).get('eve')).toMatchObject({ status: 'offline' })

    // Users who are present stay so. Nodes that were killed leave them in Redis.
    const during = await shown(two)
    for (const node of [one, two]) await node.end('SIGKILL')
    for (const client of [bob, eve, other]) client.socket.terminate()
    const back = directory()
    const exported = await run('cluster-export', back)
    // The last session of the one who asks may be in Redis too.
    expect(exported.output).toMatch(/exported 5 users to .*; [34] of them had a session/)
    expect(exported.code).toBe(0)
    const last = await started(back)
    const after = await shown(last)
    for (const [userId, user] of during) {
      const isPresent = userId === 'bob' || userId === 'kim'
      // Signs of life of users who are present are known a little later, and the start of their status is not.
      const ofPresent = isPresent && { lastSeen: expect.any(String), since: null }
      expect(after.get(userId)).toEqual({ ...user, ...ofPresent })
    }
    expect(after.size).toBe(during.size)
    // Eve is hidden when she returns.
    await connect(last, 'eve')
    expect((await shown(last)).get('eve')).toMatchObject({ status: 'offline' })
  }, 120_000)

  test('[N11] leased sessions go to a running cluster and back, and are shown at once', async () => {
    const single = directory()
    const first = await started(single)
    const lease = ({ origin }: RunningServer, userId: string): Promise<Response> =>
      fetch(`${origin}/api/v1/users/${userId}/sessions/agent`, {
        method: 'PUT',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ ttlMs: 600_000, device: 'r2', activity: 'idle' }),
      })
    const leased = async ({ origin }: RunningServer): Promise<unknown> =>
      ((await (await fetch(`${origin}/api/v1/users/bot/sessions`)).json()) as { sessions: unknown[] })
        .sessions[0]
    expect((await lease(first, 'bot')).status).toBe(200)
    const { connectedAt } = (await leased(first)) as { connectedAt: string }
    expect(await first.end('SIGTERM')).toBe(0)
    const [node] = (await nodes([directory()])) as [RunningServer]
    expect((await run('cluster-import', single)).code).toBe(0)
    const session = { sessionId: 'agent', kind: 'lease', device: 'r2', active: false, connectedAt }
    await expect.poll(async () => await leased(node), { timeout: 10_000 }).toMatchObject(session)
    expect((await shown(node)).get('bot')).toMatchObject({ status: 'away' })
    expect(await node.end('SIGTERM')).toBe(0)
    const back = directory()
    expect((await run('cluster-export', back)).code).toBe(0)
    const last = await started(back)
    expect(await leased(last)).toMatchObject(session)
  }, 60_000)

  test('a running cluster keeps what is newer, and learns the rest at once', async () => {
    const single = directory()
    const first = await started(single)
    for (const [userId, username] of [
      ['ann', 'Ann'],
      ['bob', 'Bob'],
    ] as const) {
      await (await connect(first, userId, { username })).leave()
    }
    expect(await first.end('SIGTERM')).toBe(0)
    const [node] = (await nodes([directory()])) as [RunningServer]
    await (await connect(node, 'ann', { username: 'Ann newer' })).leave()
    await expect.poll(async () => (await shown(node)).get('ann')).toMatchObject({ status: 'offline' })
    const { ann } = Object.fromEntries(await shown(node))
    expect((await run('cluster-import', single)).code).toBe(0)
    await expect.poll(async () => (await shown(node)).get('bob')).toMatchObject({ username: 'Bob' })
    expect((await shown(node)).get('ann')).toEqual(ann)
    // The member that has imported is gone already.
    expect(node.output()).toMatch(/a node has left the cluster/)
  }, 120_000)

  test.each(['cluster-import', 'cluster-export'])('%s says what is wrong', async command => {
    const dir = directory()
    const usage = await runServer(dir, { REDIS_URL: redis.url }, [command, '--speed'])
    expect([usage.code, usage.output]).toEqual([64, expect.stringContaining('who-is-online cluster-import')])
    const help = await runServer(dir, {}, [command, '--help'])
    expect([help.code, help.output]).toEqual([0, expect.stringContaining('who-is-online cluster-import')])
    const settings = await runServer(dir, {}, [command])
    expect([settings.code, settings.output]).toEqual([78, expect.stringMatching(/"REDIS_URL" must be set/)])
  })

  test('an import without a state, with a damaged or a locked one, or without Redis changes nothing', async () => {
    const dir = directory()
    const missing = await run('cluster-import', dir)
    expect([missing.code, missing.output]).toEqual([78, expect.stringMatching(/there is no state in /)])
    expect(readdirSync(dir)).toEqual([])

    const server = await started(dir)
    await (await connect(server, 'ann')).leave()
    const locked = await run('cluster-import', dir)
    expect(locked.code).toBe(75)
    expect(await server.end('SIGTERM')).toBe(0)

    const files = () =>
      readdirSync(join(dir, 'data')).map(name => [name, readFileSync(join(dir, 'data', name), 'utf8')])
    const before = files()
    const unreachable = await run('cluster-import', dir, { REDIS_URL: 'redis://127.0.0.1:1' })
    expect([unreachable.code, unreachable.output]).toEqual([
      1,
      expect.stringMatching(/Redis is not reachable/),
    ])
    expect(files()).toEqual(before)

    for (const [name] of before as [string, string][]) writeFileSync(join(dir, 'data', name), 'damaged')
    const damaged = await run('cluster-import', dir)
    expect([damaged.code, damaged.output]).toEqual([78, expect.stringMatching(/user_state/)])
    expect((await run('cluster-export', directory())).output).toMatch(/there are no users in Redis/)
  }, 60_000)

  test('a node that does not use the state file says so, and stops without Redis as if nothing was suspended', async () => {
    const dir = directory()
    const server = await started(dir)
    await (await connect(server, 'ann')).leave()
    expect(await server.end('SIGTERM')).toBe(0)
    expect(server.output()).not.toContain('does not use this state')
    const node = await startServer(dir, { REDIS_URL: 'redis://127.0.0.1:1' })
    expect(await node.end('SIGTERM')).toBe(0)
    expect(node.output()).toMatch(/does not use this state: run cluster-import.*user_state\.json/)
    expect(node.output()).not.toContain('suspended')
  }, 60_000)

  test('an export replaces no state, and writes none without users or without Redis', async () => {
    const dir = directory()
    const empty = await run('cluster-export', dir)
    expect([empty.code, empty.output]).toEqual([78, expect.stringMatching(/there are no users in Redis/)])
    const unreachable = await run('cluster-export', dir, { REDIS_URL: 'redis://127.0.0.1:1' })
    expect([unreachable.code, unreachable.output]).toEqual([
      1,
      expect.stringMatching(/Redis is not reachable/),
    ])
    expect(readdirSync(dir)).toEqual([])

    const server = await started(dir)
    await (await connect(server, 'ann')).leave()
    expect(await server.end('SIGTERM')).toBe(0)
    expect((await run('cluster-import', dir)).code).toBe(0)
    const before = readFileSync(join(dir, 'data', 'user_state.json'), 'utf8')
    const full = await run('cluster-export', dir)
    expect([full.code, full.output]).toEqual([78, expect.stringMatching(/does not replace it/)])
    expect(readFileSync(join(dir, 'data', 'user_state.json'), 'utf8')).toBe(before)
  }, 60_000)
})
