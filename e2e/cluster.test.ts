import { TestClient } from '@who-is-online/testing/client'
import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { until } from '@who-is-online/testing/shell-server'
import { type RunningCluster, startCluster } from '@who-is-online/testing/start-cluster'
import { startRedis } from '@who-is-online/testing/start-redis'
import { type RunningServer, runServer, startServer } from '@who-is-online/testing/start-server'
import { useTemporaryDir } from '@who-is-online/testing/use-temporary-dir'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startOldRedis } from './cluster/old-redis.ts'

// Two nodes that share a Redis, as clients see them.

const V2 = ['who-is-online.v2']

interface User {
  readonly userId: string
  readonly status: string
  readonly username?: string
  readonly since?: string | null
}

const dir = useTemporaryDir()

async function readyz({ origin }: RunningServer): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${origin}/readyz`)
  return { status: response.status, body: await response.json() }
}

const READY = { status: 200, body: { status: 'ready', cluster: 'ok' } }

describeOnEngines('two nodes', engine => {
  let cluster: RunningCluster
  let a: RunningServer
  let b: RunningServer

  beforeAll(async () => {
    cluster = await startCluster(engine, 2, { settings: { MAX_CONNECTIONS_PER_USER: 3 } })
    ;[a, b] = cluster.nodes as [RunningServer, RunningServer]
  }, 60_000)

  afterAll(() => cluster.stop())

  async function connect(node: RunningServer, userId: string, query = {}): Promise<TestClient> {
    const client = await TestClient.v2(node, userId, query)
    onTestFinished(() => client.socket.terminate())
    return client
  }

  /** A client that nobody sees. */
  const observe = (node: RunningServer) => connect(node, 'observer', { status: 'offline' })

  async function statusOf(client: TestClient, userId: string): Promise<User> {
    const { users } = await client.ask({ type: 'get_users', userIds: [userId] }, 'users')
    return users[0]
  }

  const shows = (client: TestClient, userId: string, user: Partial<User>) =>
    until(`${userId} is ${JSON.stringify(user)}`, async () => {
      const is = await statusOf(client, userId)
      return Object.entries(user).every(([name, value]) => is[name as keyof User] === value)
    })

  /** The changes of one user that a client was told, until it is told a change of another one. */
  async function toldUntil(client: TestClient, userId: string, last: string): Promise<User[]> {
    const told: User[] = []
    for (;;) {
      const { users } = (await client.next('presence_diff')) as { users: User[] }
      told.push(...users.filter(user => user.userId === userId))
      if (users.some(user => user.userId === last)) return told
    }
  }

  test('[I1] both are ready, and show the same users and counts', async () => {
    expect(await readyz(a)).toEqual(READY)
    expect(await readyz(b)).toEqual(READY)
    await connect(a, 'list-1')
    await connect(b, 'list-2', { status: 'busy' })
    const [onA, onB] = [await observe(a), await observe(b)]
    for (const observer of [onA, onB]) {
      await shows(observer, 'list-1', { status: 'online' })
      await shows(observer, 'list-2', { status: 'busy' })
    }
    const listOf = async (client: TestClient) => {
      const { users } = await client.ask({ type: 'list_users' }, 'users')
      return (users as User[]).map(({ userId, status }) => `${userId} ${status}`)
    }
    const list = await listOf(onA)
    expect(list).toEqual(expect.arrayContaining(['list-1 online', 'list-2 busy']))
    expect(await listOf(onB)).toEqual(list)
    const countOf = async (client: TestClient) =>
      (await client.ask({ type: 'get_online_count' }, 'online_count')).count
    expect(await countOf(onA)).toBe(2)
    expect(await countOf(onB)).toBe(2)
  })

  test('[E18] both nodes show the same start of a status', async () => {
    const kim = await connect(a, 'since-kim')
    const [onA, onB] = [await observe(a), await observe(b)]
    for (const status of ['online', 'busy']) {
      if (status === 'busy') await kim.ask({ type: 'set_status', status }, 'status_updated')
      for (const observer of [onA, onB]) await shows(observer, 'since-kim', { status })
      const { since } = await statusOf(onA, 'since-kim')
      expect(since).toMatch(/Z$/)
      expect((await statusOf(onB, 'since-kim')).since).toBe(since)
    }
  })

  test('[I4] a client that was told everything on one node resumes on the other one with exactly what it missed', async () => {
    const kim = await connect(a, 'resume-kim')
    await connect(a, 'resume-lou')
    const before = await observe(a)
    await shows(before, 'resume-kim', { status: 'online' })
    await shows(before, 'resume-lou', { status: 'online' })
    const userIds = ['resume-kim', 'resume-lou']
    const { epoch, seq } = await before.ask({ type: 'subscribe', userIds }, 'presence_state')
    before.socket.terminate()
    await kim.ask({ type: 'set_status', status: 'busy' }, 'status_updated')

    const after = await observe(b)
    await shows(after, 'resume-kim', { status: 'busy' })
    const since = { epoch, seq }
    expect(await after.ask({ type: 'subscribe', userIds, since }, 'presence_state')).toMatchObject({
      recovered: true,
      users: [{ userId: 'resume-kim', status: 'busy' }],
    })
    // The negative control: a place of no node.
    const unknown = { epoch: '1', seq }
    const state = await after.ask({ type: 'subscribe', userIds, since: unknown }, 'presence_state')
    expect(state).toMatchObject({ recovered: false })
    expect(state.users).toHaveLength(2)
  })

  test('[I4] the place of a welcome is good on the other node too', async () => {
    const open = await TestClient.open(`${a.url}?userId=observer&status=offline`, { protocols: V2 })
    const { epoch, seq } = await open.next('welcome')
    open.socket.terminate()
    await connect(b, 'welcome-kim')
    const after = await observe(b)
    await shows(after, 'welcome-kim', { status: 'online' })
    const state = await after.ask({ type: 'subscribe', all: true, since: { epoch, seq } }, 'presence_state')
    expect(state.recovered).toBe(true)
    const told = (state.users as User[]).filter(({ userId }) => userId.startsWith('welcome-'))
    expect(told).toMatchObject([{ userId: 'welcome-kim', status: 'online' }])
  })

  test('[I4] a list that was begun on one node goes on on the other one', async () => {
    const userIds = Array.from({ length: 5 }, (_, i) => `page-${i}`)
    for (const userId of userIds) await connect(a, userId)
    const observers = [await observe(a), await observe(b)] as const
    for (const observer of observers) await shows(observer, 'page-4', { status: 'online' })
    const listed: string[] = []
    let cursor: string | undefined
    for (let turn = 0; turn === 0 || cursor !== undefined; turn++) {
      const observer = observers[turn % 2] as TestClient
      const page = await observer.ask(
        { type: 'list_users', limit: 2, ...(cursor === undefined ? {} : { cursor }) },
        'users',
      )
      listed.push(...(page.users as User[]).map(({ userId }) => userId))
      cursor = page.cursor
    }
    expect(listed.filter(userId => userId.startsWith('page-')).sort()).toEqual(userIds)
    expect(new Set(listed).size).toBe(listed.length)
  })

  test('[I3] the same session on another node closes the first connection, and nobody sees a change', async () => {
    const session = { sessionId: 'move-session' }
    const first = await connect(a, 'move-kim', session)
    const mark = await connect(a, 'move-mark')
    const observers = [await observe(a), await observe(b)]
    for (const observer of observers) {
      await shows(observer, 'move-kim', { status: 'online' })
      await observer.ask({ type: 'subscribe', userIds: ['move-kim', 'move-mark'] }, 'presence_state')
    }
    await connect(b, 'move-kim', session)
    expect((await first.closed).code).toBe(4409)
    // What is told after this change would have been told before it. The negative control: it is told.
    await mark.ask({ type: 'set_status', status: 'busy' }, 'status_updated')
    for (const observer of observers) expect(await toldUntil(observer, 'move-kim', 'move-mark')).toEqual([])
  })

  test('[I5] the connections of a user are counted over both nodes', async () => {
    await connect(a, 'limit-kim')
    await connect(a, 'limit-kim')
    await connect(b, 'limit-kim')
    for (const { url } of [a, b]) {
      // A node may not have read yet what is on the other one.
      await until('one more is refused', async () => {
        try {
          await (await TestClient.open(`${url}?userId=limit-kim`, { protocols: V2 })).leave()
          return false
        } catch (error) {
          return `${error}`.includes('HTTP 429')
        }
      })
    }
    await connect(b, 'limit-lou')
  })

  test('[I3] a user who has hidden on one node is not visible on the other one afterwards', async () => {
    const kim = await connect(a, 'hide-kim')
    const onB = await observe(b)
    await shows(onB, 'hide-kim', { status: 'online' })
    await kim.ask({ type: 'set_status', status: 'offline' }, 'status_updated')
    await until(
      'the other node has read it',
      async () => (await statusOf(onB, 'hide-kim')).status === 'offline',
      1_000,
    )
    // A second device does not show the user again.
    await connect(b, 'hide-kim')
    expect(await statusOf(onB, 'hide-kim')).toMatchObject({ status: 'offline' })
    expect(await statusOf(await observe(a), 'hide-kim')).toMatchObject({ status: 'offline' })
  })

  test('[I1] a name that is set on one node is shown on the other one', async () => {
    const kim = await connect(a, 'name-kim')
    const onB = await observe(b)
    await kim.ask({ type: 'identify', username: 'Kim' }, 'ack')
    await shows(onB, 'name-kim', { status: 'online', username: 'Kim' })
  })

  test('[R20 N4 N11 E12] a leased session counts on both nodes, and moves to the node where it is renewed or connected', async () => {
    const at = (node: RunningServer) => `${node.origin}/api/v1/users/lease-bot/sessions`
    const lease = async (node: RunningServer): Promise<number> => {
      const headers = { 'Content-Type': 'application/json' }
      const body = JSON.stringify({ ttlMs: 60_000 })
      return (await fetch(`${at(node)}/agent`, { method: 'PUT', headers, body })).status
    }
    /** Both nodes tell of one session, on this node. */
    const isOnlyOn = (name: string, kind: string) =>
      until(`the session is a ${kind} on ${name}`, async () => {
        const lists = await Promise.all([a, b].map(async each => (await fetch(at(each))).json()))
        return (lists as { sessions: { kind: string; node: string }[] }[]).every(
          ({ sessions: [session, ...others] }) =>
            session?.kind === kind && session.node === name && others.length === 0,
        )
      })
    const observers = await Promise.all([a, b].map(observe))
    const bothShow = (status: string) =>
      Promise.all(observers.map(observer => shows(observer, 'lease-bot', { status })))
    expect(await lease(a)).toBe(200)
    await bothShow('online')
    expect(await lease(b)).toBe(200)
    await isOnlyOn('node-2', 'lease')
    const client = await connect(a, 'lease-bot', { sessionId: 'agent' })
    await isOnlyOn('node-1', 'socket')
    await bothShow('online')
    for (const node of [a, b]) expect(await lease(node)).toBe(409)
    await client.leave()
    await bothShow('offline')
  })

  test('[E19] a user who is kept away may not connect to any node', async () => {
    const kim = await connect(b, 'away-kim')
    const url = `${a.origin}/api/v1/users/away-kim/sessions?forMs=60000`
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(204)
    expect((await kim.closed).code).toBe(4403)
    for (const node of [a, b]) {
      const refused = await TestClient.open(`${node.url}?userId=away-kim`)
      expect((await refused.closed).code).toBe(4403)
    }
    await shows(await observe(b), 'away-kim', { status: 'offline' })
  })

  // The last one, because the nodes notice that Redis is away.
  test('[E3 E5 E6 E7] the HTTP API answers the same on both nodes, and ends sessions on both', async () => {
    const [one, other] = [await connect(a, 'api-ann'), await connect(b, 'api-ann')]
    const call = (node: RunningServer, path: string, init?: RequestInit): Promise<Response> =>
      fetch(`${node.origin}/api/v1${path}`, init)
    const json = async (node: RunningServer, path: string): Promise<unknown> =>
      (await call(node, path)).json()
    const setStatus = (node: RunningServer, body: object) =>
      call(node, '/users/api-ann/status', {
        method: 'PUT',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      })

    const bothShow = (status: string) =>
      until(`both nodes show ${status}`, async () => {
        const users = await Promise.all([a, b].map(node => json(node, '/users/api-ann')))
        return users.every(user => (user as User).status === status)
      })

    const chosen = await setStatus(a, { status: 'busy', text: 'on a call' })
    const shown = { userId: 'api-ann', status: 'busy', text: 'on a call' }
    expect([chosen.status, await chosen.json()]).toEqual([200, expect.objectContaining(shown)])
    expect(await other.next('status_updated')).toMatchObject({ status: 'busy' })
    await bothShow('busy')
    const place = (list: unknown) => [(list as { epoch: string }).epoch, (list as { seq: number }).seq]
    const lists = await Promise.all([a, b].map(node => json(node, '/users?limit=1000')))
    expect(place(lists[0])).toEqual(place(lists[1]))
    // The last sign of life is known only to the node of the user, until the user leaves.
    const statusesOf = (list: unknown) =>
      (list as { users: User[] }).users.map(({ userId, status }) => [userId, status])
    expect(statusesOf(lists[0])).toEqual(statusesOf(lists[1]))
    await until('both nodes count the same', async () => {
      const [one, other] = await Promise.all([a, b].map(node => json(node, '/count')))
      return JSON.stringify(one) === JSON.stringify(other)
    })

    expect((await setStatus(a, { status: 'offline' })).status).toBe(200)
    await bothShow('offline')
    expect((await setStatus(a, { status: 'online' })).status).toBe(200)
    await bothShow('online')

    expect((await call(a, '/users/api-ann/sessions', { method: 'DELETE' })).status).toBe(204)
    expect((await Promise.all([one.closed, other.closed])).map(({ code }) => code)).toEqual([4403, 4403])
    await bothShow('offline')
  })

  test('[E6 E15 N10] a backend sets the status of a user on another node, and of one who is about to come', async () => {
    const setStatus = async (userId: string, body: object) => {
      const response = await fetch(`${a.origin}/api/v1/users/${userId}/status`, {
        method: 'PUT',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      })
      return [response.status, await response.json()]
    }
    const bob = await connect(b, 'set-bob')
    const observer = await observe(b)
    await shows(await observe(a), 'set-bob', { status: 'online' })
    // The answer has what others see.
    const busy = { status: 'busy', text: 'on a call' }
    expect(await setStatus('set-bob', busy)).toEqual([200, expect.objectContaining(busy)])
    expect(await bob.next('status_updated')).toMatchObject(busy)
    await shows(observer, 'set-bob', { status: 'busy' })
    expect(await setStatus('set-bob', { status: 'offline' })).toEqual([
      200,
      expect.objectContaining({ status: 'offline' }),
    ])
    expect(await bob.next('status_updated')).toMatchObject({ status: 'offline' })
    await shows(observer, 'set-bob', { status: 'offline' })
    await bob.leave()

    // The other node may not have read yet that the user has come.
    for (let index = 0; index < 10; index++) {
      const leased = await fetch(`${b.origin}/api/v1/users/set-bot-${index}/sessions/s`, {
        method: 'PUT',
        headers: { 'Content-Type': 'application/json' },
        body: '{"ttlMs":10000}',
      })
      expect(leased.status).toBe(200)
      expect(await setStatus(`set-bot-${index}`, busy)).toEqual([200, expect.anything()])
    }

    const noSession = [409, expect.objectContaining({ code: 'no_session' })]
    expect(await setStatus('set-eve', { status: 'busy' })).toEqual(noSession)
    const ahead = { status: 'busy', expiresAt: new Date(Date.now() + 3_600_000).toISOString() }
    const unseen = { userId: 'set-eve', status: 'offline', lastSeen: null }
    expect(await setStatus('set-eve', ahead)).toEqual([200, expect.objectContaining(unseen)])
    expect(await statusOf(observer, 'set-eve')).toMatchObject(unseen)
    await connect(b, 'set-eve')
    await shows(observer, 'set-eve', { status: 'busy' })
  })

  test('[E9] a backend reads the log of changes of both nodes, and goes on from the place of one on the other', async () => {
    const page = async (node: RunningServer, query: string) =>
      (await (await fetch(`${node.origin}/api/v1/changes?${query}`)).json()) as {
        epoch: string
        seq: number
        recovered: boolean
        changes: { userId: string; seq: number; status: string; cause: string }[]
      }
    const { epoch, seq } = await page(a, '')
    const kim = await connect(a, 'log-kim')
    await connect(b, 'log-lou')
    await shows(await observe(b), 'log-kim', { status: 'online' })
    await kim.leave()
    const ofLog = async (node: RunningServer, since: string) => {
      const { recovered, changes } = await page(node, `since=${since}&waitMs=1000`)
      const told = changes.filter(({ userId }) => userId.startsWith('log-'))
      return { recovered, told: told.map(({ userId, seq, ...rest }) => `${userId} ${seq} ${rest.cause}`) }
    }
    await until('both nodes tell that kim has left', async () => {
      const [onA, onB] = await Promise.all([a, b].map(node => ofLog(node, `${epoch}:${seq}`)))
      return onA?.told.length === 3 && JSON.stringify(onA) === JSON.stringify(onB) && onA.recovered
    })
    // A place that this node has not reached yet.
    const ahead = (await page(b, '')).seq + 5
    const reached = await page(b, `since=${epoch}:${ahead}`)
    expect([reached.recovered, reached.seq >= ahead]).toEqual([true, true])
    // The negative control: a place of no node.
    expect((await ofLog(b, `1:${seq}`)).recovered).toBe(false)
  })

  test('[I7 N10] while Redis hangs, clients are welcomed and can choose, and /readyz says that the node is away', async () => {
    const kim = await connect(a, 'hung-kim')
    const onB = await observe(b)
    await connect(a, 'hung-mia')
    await shows(onB, 'hung-kim', { status: 'online' })
    await shows(onB, 'hung-mia', { status: 'online' })
    cluster.redis.pause()
    // A backend sets the status on the other node.
    const set = fetch(`${b.origin}/api/v1/users/hung-mia/status`, {
      method: 'PUT',
      headers: { 'Content-Type': 'application/json' },
      body: '{"status":"busy"}',
    })
    try {
      const begun = performance.now()
      await connect(a, 'hung-lou')
      // It waits 250 ms for Redis. A client that waited for Redis would wait for seconds.
      expect(performance.now() - begun).toBeGreaterThan(200)
      expect(performance.now() - begun).toBeLessThan(3_000)
      expect(await kim.ask({ type: 'set_status', status: 'busy' }, 'status_updated')).toMatchObject({
        status: 'busy',
      })
      const away = { status: 200, body: { status: 'ready', cluster: 'away' } }
      await until('both nodes are away', async () => {
        const states = [await readyz(a), await readyz(b)]
        return states.every(({ body }) => JSON.stringify(body) === JSON.stringify(away.body))
      })
      expect(await statusOf(onB, 'hung-kim')).toMatchObject({ status: 'online' })
      expect((await set).status).toBe(202)
    } finally {
      cluster.redis.resume()
    }
    await shows(onB, 'hung-kim', { status: 'busy' })
    await shows(onB, 'hung-lou', { status: 'online' })
    await shows(onB, 'hung-mia', { status: 'busy' })
    await until('both nodes are back', async () => {
      const states = [await readyz(a), await readyz(b)]
      return states.every(({ body }) => JSON.stringify(body) === JSON.stringify(READY.body))
    })
  })
})

describeOnEngines('the start of a node', engine => {
  test('[I8] without Redis it listens and is not ready, and is ready when Redis starts', async () => {
    const redis = await startRedis(engine)
    onTestFinished(redis.stop)
    await redis.kill()
    const node = await startServer(dir.path, { REDIS_URL: redis.url })
    onTestFinished(async () => void (await node.end('SIGKILL')))
    await until('the log tells why', () => /Redis cannot be used.*ECONNREFUSED/.test(node.output()))
    const api = await fetch(`${node.origin}/api/v1/count`)
    expect([api.status, api.headers.get('retry-after'), await api.json()]).toEqual([
      503,
      '1',
      expect.objectContaining({ code: 'unavailable' }),
    ])
    const loading = { status: 503, body: { status: 'loading', cluster: 'loading' } }
    expect(await readyz(node)).toEqual(loading)
    await expect(TestClient.open(`${node.url}?userId=kim`)).rejects.toThrow('HTTP 503')
    await redis.restart()
    await until('the node is ready', async () => (await readyz(node)).status === 200, 20_000)
    expect(await readyz(node)).toEqual(READY)
    const client = await TestClient.as(node, 'kim')
    await client.leave()
  })

  test('[I8] a wrong password, none and a database that Redis does not have end it, and no password is printed', async () => {
    const guarded = await startRedis(engine, ['--requirepass', 'sesame'])
    onTestFinished(guarded.stop)
    const wrong = guarded.url.replace('redis://', 'redis://:hunter2@')
    const right = guarded.url.replace('redis://', 'redis://:sesame@')
    const ends = await Promise.all(
      [wrong, guarded.url, `${right}/99`].map(REDIS_URL => runServer(dir.path, { REDIS_URL })),
    )
    expect(ends.map(({ code }) => code)).toEqual([78, 78, 78])
    const [onWrong, onNone, onDatabase] = ends.map(({ output }) => output)
    expect(onWrong).toMatch(/WRONGPASS.*check the user and the password in .*REDIS_URL/)
    expect(onNone).toMatch(/NOAUTH.*check the user and the password in .*REDIS_URL/)
    expect(onDatabase).toMatch(/DB index.*name another one in .*REDIS_URL/)
    for (const output of [onWrong, onDatabase]) expect(output).not.toMatch(/hunter2|sesame/)
  })

  test('[I8] a Redis that may delete keys, an old one and a wrong address end it, and no password is printed', async () => {
    const evicting = await startRedis(engine, ['--maxmemory-policy', 'allkeys-lru'])
    onTestFinished(evicting.stop)
    const old = await startOldRedis('6.2.14')
    onTestFinished(old.stop)
    const wrong = 'http://kim:hunter2@localhost:6379'
    const ends = await Promise.all(
      [evicting.url, old.url, wrong].map(REDIS_URL => runServer(dir.path, { REDIS_URL })),
    )
    expect(ends.map(({ code }) => code)).toEqual([78, 78, 78])
    const [onEvicting, onOld, onWrong] = ends.map(({ output }) => output)
    expect(onEvicting).toMatch(
      /REDIS_URL.*may delete keys.*allkeys-lru.*CONFIG SET maxmemory-policy noeviction/,
    )
    expect(onOld).toMatch(/REDIS_URL.*has version 6\.2\.14: use Redis 7\.0, Valkey 7\.2 or newer/)
    expect(onWrong).toContain('REDIS_URL must be redis://HOST:PORT')
    expect(onWrong).not.toContain('hunter2')
  })
})
