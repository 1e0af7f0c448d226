import { TestClient } from '@who-is-online/testing/client'
import { INSPECTED, Inspector } from '@who-is-online/testing/inspector'
import { RawClient } from '@who-is-online/testing/raw-client'
import { startServer } from '@who-is-online/testing/start-server'
import { useServer } from '@who-is-online/testing/use-server'
import { useTemporaryDir } from '@who-is-online/testing/use-temporary-dir'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { floods } from './attacks/floods.ts'
import { atRest, footprintOf, kept, more } from './attacks/footprint.ts'
import { answers, requests } from './attacks/requests.ts'
import { slow } from './attacks/slow.ts'

// Attacks on the transport, over real sockets. After each of them, the server must hold what it held before: sockets,
// descriptors, timers, connections, and entries of all Maps and Sets.

describe('attacks that hold resources', () => {
  const server = useServer({
    NODE_OPTIONS: INSPECTED,
    // A silent WebSocket is closed in 2 s instead of 23 s.
    PING_MS: 1_000,
    PONG_TIMEOUT_MS: 1_000,
    OFFLINE_GRACE_MS: 0,
    // What waits for the next save is held.
    SAVE_EVERY_MS: 1_000,
  })
  let inspector: Inspector
  let honest: TestClient
  beforeAll(async () => {
    inspector = await Inspector.attach(server)
    honest = await TestClient.as(server, 'honest')
    // The server compiles and creates some things on first use.
    const first = await TestClient.v2(server, 'first', { sessionId: 's' })
    await first.ask({ type: 'subscribe', all: true }, 'presence_state')
    await first.leave()
    await RawClient.connect(server.port).then(client => client.reset())
  })
  afterAll(() => {
    honest.reset()
    inspector.detach()
  })

  const isServed = async () => {
    expect(await honest.ask({ type: 'get_online_count' }, 'online_count')).toHaveProperty('count')
    expect(server.output()).not.toMatch(/a bug|rror: /)
  }

  for (const { title, holds, begin, isRemembered } of [...slow, ...floods]) {
    test(`[I9] [I10] ${title}`, { timeout: 90_000 }, async () => {
      if (isRemembered) {
        const rest = await atRest(server, inspector)
        const end = await begin(server)
        await end()
        // Only entries may stay.
        expect(await kept(server, inspector, { ...rest, entries: Infinity })).toEqual([])
      }
      const before = await atRest(server, inspector)
      const end = await begin(server)
      const during = more(before, await footprintOf(server, inspector))
      // The negative control: what the server holds during the attack is seen.
      for (const name of holds) expect(during).toContainEqual(expect.stringMatching(`^${name}:`))
      await isServed()
      await end()
      expect(await kept(server, inspector, before)).toEqual([])
      await isServed()
    })
  }

  test.each([
    ['timers', 'globalThis.leaked = setInterval(() => {}, 1e6); 0', 'clearInterval(globalThis.leaked)'],
    ['entries', 'globalThis.leaked = new Set(Array(20).keys()); 0', 'delete globalThis.leaked'],
    [
      'descriptors',
      'globalThis.leaked = process.getBuiltinModule("node:fs").openSync("/dev/null", "r"); 0',
      'process.getBuiltinModule("node:fs").closeSync(globalThis.leaked)',
    ],
  ])('the negative control: %s that leak are found', async (name, leak, repair) => {
    const before = await atRest(server, inspector)
    await inspector.evaluate(leak)
    expect(await kept(server, inspector, before, 500)).toContainEqual(expect.stringMatching(`^${name}:`))
    await inspector.evaluate(repair)
    expect(await kept(server, inspector, before)).toEqual([])
  })

  for (const { title, bytes, expected } of requests) {
    test(`[C1] [I10] ${title}`, async () => {
      expect(await answers(server.port, bytes)).toEqual(expected)
      await isServed()
    })
  }

  test('[I9] after all these requests nothing is left', async () => {
    const before = await atRest(server, inspector)
    for (const { bytes } of requests) await answers(server.port, bytes)
    expect(await kept(server, inspector, before)).toEqual([])
  })
})

describe('limits on connections', () => {
  const server = useServer({
    MAX_CONNECTIONS: 40,
    SAVE_EVERY_MS: 1_000,
    NODE_OPTIONS: INSPECTED,
    OFFLINE_GRACE_MS: 0,
  })

  test('[L2] [I9] a flood of 400 handshakes gets MAX_CONNECTIONS connections, and room is free again afterwards', async () => {
    const inspector = await Inspector.attach(server)
    // These users are known from now on, and they are the ones who get in.
    for (let n = 0; n < 40; n++) await (await TestClient.as(server, `u${n}`)).leave()
    await expect(TestClient.open(`${server.url.replace('/ws', '/other')}`)).rejects.toThrow('HTTP 404')
    const before = await atRest(server, inspector)
    const open: TestClient[] = []
    const refusals: string[] = []
    for (let n = 0; n < 400; n++) {
      await TestClient.as(server, `u${n % 100}`).then(
        client => open.push(client),
        (error: Error) => refusals.push(error.message),
      )
    }
    expect(open).toHaveLength(40)
    expect(new Set(refusals)).toEqual(new Set(['refused: HTTP 503']))
    expect(more(before, await footprintOf(server, inspector))).toContainEqual('connections: 0 → 40')
    for (const client of open) client.reset()
    expect(await kept(server, inspector, before)).toEqual([])
    await (await TestClient.as(server, 'last')).leave()
    inspector.detach()
  })
})

describe('limits on sockets of one address', () => {
  // Loopback is no proxy here, so it is counted like any other address.
  const server = useServer({ MAX_CONNECTIONS_PER_ADDRESS: 40, TRUST_PROXY: '10.0.0.0/8' })

  test('[L2] an address with 40 silent sockets gets no other socket until one of them ends', async () => {
    const silent = await Promise.all(Array.from({ length: 40 }, () => RawClient.connect(server.port)))
    const refused = await RawClient.connect(server.port)
    expect(await refused.response()).toMatchObject({ status: 429 })
    for (const client of silent) client.reset()
    await expect
      .poll(() => TestClient.as(server, 'next').then(client => client.leave(), String), { timeout: 5_000 })
      .toBeUndefined()
  })
})

describe('descriptors', () => {
  const dir = useTemporaryDir()

  test('[L7] [I10] with 128 descriptors and 400 sockets, connected clients are served and their state is saved', async () => {
    const server = await startServer(dir.path, {}, [], { openFiles: 128 })
    const honest = await TestClient.as(server, 'honest')
    const flood = await Promise.all(Array.from({ length: 400 }, () => RawClient.connect(server.port)))
    honest.send({ type: 'identify', username: 'Ann' })
    expect((await honest.ask({ type: 'get_all_users' }, 'all_users')).users).toMatchObject([
      { username: 'Ann' },
    ])
    // The negative control: not all of the flood has been let in.
    const ended = await Promise.all(flood.map(client => client.ended(1_000)))
    expect(ended.filter(end => end !== undefined).length).toBeGreaterThan(400 - 128)
    for (const client of flood) client.reset()
    await expect
      .poll(() => TestClient.as(server, 'next').then(client => client.leave(), String), { timeout: 10_000 })
      .toBeUndefined()
    expect(server.output()).not.toMatch(/a bug|rror: |EMFILE/)
    expect(await server.end('SIGTERM')).toBe(0)
    const again = await startServer(dir.path)
    const reader = await TestClient.as(again, 'reader')
    const { users } = await reader.ask({ type: 'get_all_users' }, 'all_users')
    expect(users).toContainEqual(expect.objectContaining({ userId: 'honest', username: 'Ann' }))
    await again.end('SIGTERM')
  })
})
