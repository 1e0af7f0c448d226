import { once } from 'node:events'
import { connect } from 'node:net'
import { TestClient } from '@who-is-online/testing/client'
import { FrameParser, handshake, textFrame } from '@who-is-online/testing/raw-client'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ALL_RIGHTS } from '../identity/grant.ts'
import { fact } from '../presence/testing/scenario.ts'
import { SlowLog } from '../testing/slow-log.ts'
import type { Caller } from './connection.ts'
import { UNLIMITED } from './limits.ts'
import { openGateway } from './testing/open-gateway.ts'
import { type Client, World } from './testing/socketless.ts'

// A welcome that waits until all nodes see the session, for 250 ms at most.

const HIDDEN = { status: 'offline' } as const

describe('without sockets', () => {
  let log: SlowLog
  let world: World

  beforeEach(() => {
    vi.useFakeTimers()
    begin()
  })

  afterEach(() => void vi.useRealTimers())

  function begin(limits = UNLIMITED): void {
    log = new SlowLog()
    world = new World({ log, limits })
    log.isSlow = true
  }

  /** Connects ann while facts wait. */
  const arrive = (more: Partial<Caller> = {}): Client => world.connect({}, more)

  describe.each(['v1', 'v2'] as const)('%s', version => {
    test('[W9] the welcome comes when the session is placed, with the number of the newest change', async () => {
      const ann = arrive({ version })
      world.pass(200)
      expect(await ann.taken()).toEqual([])
      log.agree({}, [fact('bob')])
      log.place()
      expect(await ann.taken()).toMatchObject([{ type: 'welcome', ...(version === 'v2' && { seq: 2 }) }])
      expect([ann.connection.since, world.presence.see('ann').status]).toEqual([2, 'online'])
      world.pass(1_000)
      expect(await ann.taken()).toEqual([])
    })

    test('[W9] after 250 ms it comes without that, and only once', async () => {
      const ann = arrive({ version })
      world.pass(200)
      expect(await ann.taken()).toEqual([])
      world.pass(100)
      expect(await ann.types()).toEqual(['welcome'])
      log.place()
      world.pass(1_000)
      // The client is told of its own arrival, if it is told everything.
      expect(await ann.types()).toEqual(version === 'v1' ? [expect.stringMatching(/^user_/)] : [])
    })

    test('[W9] the handshake response does not wait', async () => {
      expect(arrive({ version }).isCorked).toBe(false)
      log.isSlow = false
      // The negative control: it leaves together with the welcome.
      const bob = world.connect({ userId: 'bob' }, { version, sessionId: 'b' })
      expect([bob.isCorked, world.tooFast.size]).toEqual([true, 1])
      expect(await bob.takenAtOnce()).toMatchObject([{ type: 'welcome' }])
      expect(bob.isCorked).toBe(false)
    })

    test.each([true, false])(
      '[W9] what arrives before is handled after it, in order, if it is placed: %s',
      async isPlaced => {
        const ann = arrive({ version })
        const pong = vi.spyOn(ann.connection, 'handlePing').mockImplementation(() => {
          ann.connection.reply({ type: 'online_count', count: -1, timestamp: '' })
        })
        ann.send({ type: 'get_online_count', id: 1 })
        ann.connection.pinged(Buffer.from('hello'))
        ann.send({ type: 'check_user_status', targetUserId: 'bob', id: 2 })
        expect(await ann.takenAtOnce()).toEqual([])
        if (isPlaced) log.place()
        else world.pass(300)
        const count = isPlaced ? 1 : 0
        const replies = [{ type: 'welcome' }, { count }, { count: -1 }, { type: 'user_status' }]
        expect(await ann.taken()).toMatchObject(replies)
        expect([pong.mock.calls.length, world.tooFast.size]).toEqual([1, 0])
      },
    )

    test.each([
      ['leaves', 'none', (client: Client) => client.connection.closed(1000)],
      ['breaks', 'held', (client: Client) => client.connection.closed(1006)],
      ['is ended', 'held', (client: Client) => client.connection.end(4508, 'silent')],
      ['fails', 'held', (client: Client) => client.connection.fail(new Error('planted'))],
      ['is replaced', 'live', (client: Client) => client.connection.replaced()],
      ['is revoked', 'live', (client: Client) => client.connection.revoked()],
    ] as const)(
      '[W9 I9] a connection that %s meanwhile does not join, and its session is %s',
      async (_what, session, end) => {
        const joins = vi.spyOn(world.ports.hub, 'join')
        const ann = arrive({ version })
        end(ann)
        const { heartbeat } = world.ports
        expect([world.presence.record('ann')?.session ?? 'none', world.tooFast.size]).toEqual([session, 0])
        world.pass(300)
        log.place()
        const types = await ann.types()
        expect(types.filter(type => type !== 'disconnect' && !`${type}`.startsWith('close'))).toEqual([])
        expect([joins.mock.calls.length, heartbeat.size]).toEqual([0, 0])
        // The negative control.
        arrive({ version, sessionId: 'other' })
        log.place()
        await vi.advanceTimersByTimeAsync(0)
        expect([joins.mock.calls.length, heartbeat.size]).toEqual([version === 'v1' ? 1 : 0, 1])
      },
    )

    test('[C2] a bug when it begins closes only its own connection', async () => {
      vi.spyOn(world.ports.heartbeat, 'add').mockImplementationOnce(() => {
        throw new Error('planted')
      })
      const [unlucky, other] = [arrive({ version }), arrive({ version, sessionId: 'other' })]
      log.place()
      expect((await unlucky.types()).at(-1)).toBe('close 4500')
      expect(await other.types()).toEqual(['welcome'])
      expect(world.errors).toHaveLength(1)
    })
  })

  test('[W9 V14] an observer has no session, so its welcome waits for nothing', async () => {
    const page = world.connect({ rights: { ...ALL_RIGHTS, observer: true } })
    expect(await page.takenAtOnce()).toMatchObject([{ type: 'welcome' }])
  })

  test('[W9 H1] the connection is pinged only after the welcome, and counts as heard until then', async () => {
    const ann = arrive()
    world.pass(200)
    expect([world.ports.heartbeat.size, ann.connection.heardAt]).toEqual([0, 200])
    log.place()
    await vi.advanceTimersByTimeAsync(0)
    expect(world.ports.heartbeat.size).toBe(1)
  })

  test('[W9 V4] a choice of another session is told with the welcome, not before it', async () => {
    const ann = arrive()
    world.tracker.setStatus({ userId: 'ann', sessionId: 'other' }, { status: 'busy' })
    ann.connection.choiceChanged({ userId: 'ann', choice: { status: 'busy' }, madeAt: undefined })
    expect(await ann.taken()).toEqual([])
    log.place()
    expect(await ann.taken()).toMatchObject([{ type: 'welcome' }, { type: 'status_updated', status: 'busy' }])
  })

  test('[W9 V13] a hide with which a client connects is confirmed when it is placed, also after 250 ms', async () => {
    const ann = arrive({ choice: HIDDEN })
    log.place()
    const confirmed = { type: 'status_updated', status: 'offline' }
    expect(await ann.taken()).toMatchObject([{ type: 'welcome' }, confirmed])
    const late = arrive({ sessionId: 'late', choice: { status: 'busy' } })
    // The negative control: any other choice is confirmed with the welcome.
    world.pass(300)
    expect(await late.taken()).toMatchObject([{ type: 'welcome' }, { status: 'busy' }])
    const hides = arrive({ sessionId: 'hides', choice: HIDDEN })
    hides.send({ type: 'ping', id: 1 })
    world.pass(300)
    expect(await hides.types()).toEqual(['welcome', 'pong'])
    log.place()
    expect(await hides.taken()).toMatchObject([confirmed])
  })

  test('[W9 L4] a debt of the user delays requests, not the welcome', async () => {
    begin({ ...UNLIMITED, messages: { burst: 1, everyMs: 1_000 } })
    log.isSlow = false
    const first = arrive()
    first.send({ type: 'ping' }, { type: 'ping' })
    first.connection.closed(1006)
    log.isSlow = true
    const next = arrive({ sessionId: 'next' })
    next.send({ type: 'ping' })
    log.place()
    expect(await next.types()).toEqual(['welcome'])
    world.pass(3_000)
    expect(await next.types()).toEqual(['pong'])
  })
})

test('[W9] over a socket, the handshake response comes first, and a request before the welcome is answered after it', async () => {
  const factLog = new SlowLog()
  factLog.isSlow = true
  const server = await openGateway({ factLog })
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  const request = textFrame('{"type":"check_user_status","targetUserId":"ann"}')
  socket.write(Buffer.concat([handshake({ target: '/ws?userId=ann' }), request]))
  const [response] = (await once(socket, 'data')) as [Buffer]
  expect(String(response)).toMatch(/^HTTP\/1.1 101 [^{]*\r\n\r\n$/)
  expect([server.gateway.connections, server.presence.see('ann').status]).toEqual([1, 'offline'])
  const parser = new FrameParser()
  const types: unknown[] = []
  factLog.place()
  while (types.length < 2) {
    const [bytes] = (await once(socket, 'data')) as [Buffer]
    for (const { payload } of parser.push(bytes)) types.push(JSON.parse(String(payload)))
  }
  expect(types).toMatchObject([{ type: 'welcome' }, { type: 'user_status', online: true }])
  socket.destroy()
  await expect.poll(() => server.gateway.connections).toBe(0)
  server.http.close()
})

test('[V8] the connection of a session that moved to another node is closed with 4409', async () => {
  const factLog = new SlowLog()
  const server = await openGateway({ factLog })
  const [ann, other] = [
    await TestClient.v2(server, 'ann', { sessionId: 'one' }),
    await TestClient.v2(server, 'ann', { sessionId: 'two' }),
  ]
  factLog.agree({
    moved: [
      { userId: 'ann', sessionId: 'one' },
      { userId: 'ann', sessionId: 'gone' },
    ],
  })
  expect((await ann.closed).code).toBe(4409)
  expect(Object.keys(server.presence.present('ann').sessions)).toEqual(['two'])
  expect(server.gateway.connections).toBe(1)
  await other.leave()
  server.http.close()
})

test('[D19] in a cluster, the connections of a user are closed with 4403 when the log says so', async () => {
  const factLog = new SlowLog()
  const server = await openGateway({ factLog })
  const [ann, bob] = [await TestClient.v2(server, 'ann'), await TestClient.v2(server, 'bob')]
  factLog.isSlow = true
  const done = server.gateway.endSessions('ann')
  expect(server.gateway.connections).toBe(2)
  factLog.place()
  await done
  expect((await ann.closed).code).toBe(4403)
  expect([server.presence.hasSession('ann'), server.gateway.connections]).toEqual([false, 1])
  factLog.isSlow = false
  await bob.leave()
  server.http.close()
})

test('[L2] the connections of a user on other nodes count', async () => {
  const factLog = new SlowLog()
  const server = await openGateway({ factLog, limits: { ...UNLIMITED, connectionsPerUser: 3 } })
  factLog.elsewhere.set('ann', 2)
  const ann = await TestClient.v2(server, 'ann', { sessionId: 'one' })
  await expect(TestClient.v2(server, 'ann')).rejects.toThrow('HTTP 429')
  // A connection that replaces one of this node is always allowed.
  const again = await TestClient.v2(server, 'ann', { sessionId: 'one' })
  expect((await ann.closed).code).toBe(4409)
  const bob = await TestClient.v2(server, 'bob')
  await Promise.all([again.leave(), bob.leave()])
  server.http.close()
})
