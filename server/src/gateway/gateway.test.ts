import { once } from 'node:events'
import { connect } from 'node:net'
import { TestClient } from '@who-is-online/testing/client'
import { handshake, textFrame } from '@who-is-online/testing/raw-client'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { ALL_RIGHTS } from '../identity/grant.ts'
import type { Identified, Identity } from '../identity/identity.ts'
import { openIdentity } from '../identity/open.ts'
import { SystemClock } from '../time/clock.ts'
import { Connection } from './connection.ts'
import { UNLIMITED } from './limits.ts'
import { type OpenGateway, openGateway } from './testing/open-gateway.ts'

test('[C2] a bug in an answer is logged, and closes only the connection that asked, with 4500', async () => {
  const server = await openGateway()
  const [unlucky, other] = [await TestClient.as(server, 'unlucky'), await TestClient.as(server, 'other')]
  server.presence.see = () => {
    throw new Error('planted')
  }
  unlucky.send({ type: 'check_user_status', targetUserId: 'x' })
  expect(await unlucky.closed).toEqual({ code: 4500, reason: 'internal server error' })
  expect(server.errors).toEqual([expect.stringContaining('planted')])
  expect(await other.ask({ type: 'get_online_count' }, 'online_count')).toMatchObject({
    type: 'online_count',
  })
  expect(server.gateway.connections).toBe(1)
  await other.leave()
  server.http.close()
})

test('[V14 L2] observers do not count for the limits of the user whose id they have', async () => {
  const open = openIdentity(undefined)
  // A connection with the name "page" is an observer.
  const identity: Identity = {
    ...open,
    identify(request) {
      const identified = open.identify(request) as Identified
      if (identified.state !== 'known' || request.username !== 'page') return identified
      return { ...identified, grant: { ...identified.grant, rights: { ...ALL_RIGHTS, observer: true } } }
    },
  }
  const server = await openGateway({ identity, limits: { ...UNLIMITED, connectionsPerUser: 1 } })
  const page = () => TestClient.open(`${server.url}?userId=ann&username=page`)
  const pages = [await page(), await page()]
  const ann = await TestClient.as(server, 'ann')
  await expect(TestClient.as(server, 'ann')).rejects.toThrow('HTTP 429')
  for (const one of pages) await one.leave()
  await expect.poll(() => server.gateway.connections).toBe(1)
  await expect(TestClient.as(server, 'ann')).rejects.toThrow('HTTP 429')
  await ann.leave()
  await expect.poll(() => server.gateway.connections).toBe(0)
  const again = await TestClient.as(server, 'ann')
  await again.leave()
  server.http.close()
})

/** A bug in a method of all connections, which occurs once. */
function plant<
  Name extends 'receive' | 'pinged' | 'ponged' | 'closed' | 'start' | 'ping' | 'end' | 'revoked',
>(method: Name): void {
  const planted = vi.spyOn(Connection.prototype, method) as ReturnType<typeof vi.spyOn>
  planted.mockImplementationOnce(() => {
    throw new Error('planted')
  })
}

/** A frame with one byte of payload, masked with zeros. */
const frame = (opcode: number) => Buffer.from([0x80 | opcode, 0x81, 0, 0, 0, 0, 0x61])

describe('[C2] a bug in an event of one socket is logged, and ends only its connection', () => {
  afterEach(() => void vi.restoreAllMocks())

  test.each([
    ['a text', 'receive', frame(1), 4500],
    ['a ping', 'pinged', frame(9), 4500],
    ['a pong', 'ponged', frame(10), 4500],
    ['a close frame', 'closed', Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]), 4500],
    ['a violation of RFC 6455', 'closed', Buffer.from([0x81, 0x01, 0x61]), 1002],
  ] as const)('%s', async (_what, method, bytes, code) => {
    const server = await openGateway()
    const other = await TestClient.as(server, 'other')
    const unlucky = connect(Number(new URL(server.url).port), '127.0.0.1')
    unlucky.write(handshake({ target: '/ws?userId=unlucky' }))
    await vi.waitFor(() => expect(server.gateway.connections).toBe(2))
    plant(method)
    const received: Buffer[] = []
    unlucky.on('data', data => received.push(data))
    unlucky.write(bytes)
    await vi.waitFor(() => expect(server.gateway.connections).toBe(1))
    expect(server.errors).toEqual([expect.stringContaining('planted')])
    const closing = Buffer.from([code >> 8, code & 255])
    await vi.waitFor(() => expect(Buffer.concat(received).includes(closing)).toBe(true))
    expect(await other.ask({ type: 'get_online_count' }, 'online_count')).toMatchObject({ count: 2 })
    unlucky.destroy()
    server.http.closeAllConnections()
    server.http.close()
  })

  test('its start: the client is closed, and nothing of it remains', async () => {
    const server = await openGateway()
    plant('start')
    const unlucky = connect(Number(new URL(server.url).port), '127.0.0.1')
    unlucky.write(handshake({ target: '/ws?userId=unlucky' }))
    const [answer] = await once(unlucky, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1.1 101 [\s\S]*internal server error$/)
    expect([server.gateway.connections, server.errors.length]).toEqual([0, 1])
    await TestClient.as(server, 'other')
    unlucky.destroy()
    server.http.closeAllConnections()
    server.http.close()
  })

  test('its handshake: the client gets 500, and other clients connect', async () => {
    const identity: Identity = {
      ...openIdentity(undefined),
      identify(request) {
        if (request.userId === 'now') throw new Error('planted')
        if (request.userId === 'later') return Promise.reject(new Error('planted'))
        return openIdentity(undefined).identify(request)
      },
    }
    const server = await openGateway({ identity })
    for (const userId of ['now', 'later']) {
      const unlucky = connect(Number(new URL(server.url).port), '127.0.0.1')
      unlucky.write(handshake({ target: `/ws?userId=${userId}` }))
      const [answer] = await once(unlucky, 'data')
      expect(String(answer)).toMatch(/^HTTP\/1.1 500 /)
      expect(String(answer)).not.toContain('planted')
      unlucky.destroy()
    }
    const planted = expect.stringContaining('planted')
    expect(server.errors).toEqual([planted, planted])
    await TestClient.as(server, 'other')
    server.http.closeAllConnections()
    server.http.close()
  })

  test('its refusal: the socket is closed', async () => {
    const server = await openGateway()
    vi.spyOn(WebSocket.prototype, 'send').mockImplementationOnce(() => {
      throw new Error('planted')
    })
    const unlucky = connect(Number(new URL(server.url).port), '127.0.0.1')
    unlucky.on('error', () => {})
    unlucky.resume()
    unlucky.write(handshake({ target: '/ws' }))
    await once(unlucky, 'close')
    expect(server.errors).toEqual([expect.stringContaining('planted')])
    await TestClient.as(server, 'other')
    server.http.closeAllConnections()
    server.http.close()
  })

  test.each([
    ['a ping that is due', 'ping', (server: OpenGateway) => server.gateway.advance(1e9)],
    ['the end of the sessions', 'revoked', (server: OpenGateway) => server.gateway.endSessions('ann')],
    ['the end of the server', 'end', (server: OpenGateway) => server.gateway.closeAll()],
  ] as const)('%s', async (_what, method, act) => {
    const server = await openGateway()
    const clients = [await TestClient.as(server, 'ann'), await TestClient.as(server, 'ann')]
    plant(method)
    const real = vi.spyOn(Connection.prototype, method)
    await act(server)
    // The first one has the bug, and the second one is handled all the same.
    expect(real.mock.calls.length).toBeGreaterThanOrEqual(2)
    expect(server.errors).toEqual([expect.stringContaining('planted')])
    expect((await clients[0]?.closed)?.code).toBe(4500)
    server.http.closeAllConnections()
    server.http.close()
  })
})

test.each([
  ['is not accepted if it sent nothing more', Buffer.alloc(0), false],
  ['is accepted if it sent a request before', textFrame('{"type":"get_online_count"}'), true],
])(
  '[F8] a client that ends the connection before its handshake is handled %s',
  async (_what, more, isAccepted) => {
    const server = await openGateway()
    const changed = vi.fn()
    server.feed.listen({ changed })
    // Simulate a busy event loop: the handshake is handled after the client has ended the connection.
    const listeners = server.http.listeners('upgrade') as ((...args: unknown[]) => void)[]
    server.http.removeAllListeners('upgrade')
    const turn = new Promise<void>(resolve => {
      server.http.on('upgrade', (...args) => {
        setTimeout(() => {
          for (const listener of listeners) listener(...args)
          resolve()
        }, 100)
      })
    })
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    socket.on('error', () => {})
    socket.write(handshake({ target: '/ws?userId=ann' }))
    await new Promise(resolve => setTimeout(resolve, 30))
    socket.end(more)
    await turn
    await new Promise(resolve => setTimeout(resolve, 30))
    expect(changed.mock.calls.length > 0).toBe(isAccepted)
    server.http.closeAllConnections()
    server.http.close()
  },
)

test('[D1] a client is welcomed when its identity is known, unless it is gone or the server stops', async () => {
  const answers: (() => void)[] = []
  const identity: Identity = {
    ...openIdentity(undefined),
    identify: request =>
      new Promise(resolve => answers.push(() => resolve(openIdentity(undefined).identify(request)))),
  }
  const server = await openGateway({ identity })
  const ann = TestClient.v2(server, 'ann')
  await vi.waitFor(() => expect(answers).toHaveLength(1))
  expect(server.presence.see('ann').status).toBe('offline')
  answers[0]?.()
  await ann
  expect(server.presence.see('ann').status).toBe('online')

  const target = '/ws?userId=bob'
  const gone = connect(Number(new URL(server.url).port), '127.0.0.1')
  gone.write(handshake({ target }))
  await vi.waitFor(() => expect(answers).toHaveLength(2))
  gone.resetAndDestroy()
  await new Promise(resolve => setTimeout(resolve, 30))
  answers[1]?.()
  const late = connect(Number(new URL(server.url).port), '127.0.0.1')
  late.write(handshake({ target }))
  await vi.waitFor(() => expect(answers).toHaveLength(3))
  server.gateway.refuse()
  answers[2]?.()
  const [answer] = await once(late, 'data')
  expect(String(answer)).toMatch(/^HTTP\/1.1 503 /)
  expect(server.presence.see('bob')).toMatchObject({ status: 'offline', lastSeen: null })
  late.destroy()
  server.http.closeAllConnections()
  server.http.close()
})

test('[H3 K1] suspensions and clock jumps do not close a client that is still reading', async () => {
  const sources = { wall: Date.UTC(2030, 0, 1), steady: 0 }
  const clock = new SystemClock(
    () => sources.wall,
    () => sources.steady,
  )
  const server = await openGateway({ clock, maxBufferedBytes: 1e9 })
  const look = (ms: number, jump = 0) => {
    sources.steady += ms
    sources.wall += ms + jump
    clock.now()
    server.gateway.advance(clock.awake())
  }
  const reader = await TestClient.as(server, 'reader')
  let closed: number | undefined
  void reader.closed.then(({ code }) => {
    closed = code
  })
  reader.stall(true)
  // More than the kernel buffers for a client that does not read.
  for (let n = 0; n < 100_000; n++) {
    void server.tracker.open({ userId: `user ${n}`, sessionId: 's', isNamed: true }, {})
  }
  await vi.waitFor(() => expect(server.feed.seq).toBeGreaterThanOrEqual(100_000))
  await new Promise(resolve => setTimeout(resolve, 300))
  look(100)
  look(15_000)
  look(100, 3_600_000)
  look(100, -7_200_000)
  await new Promise(resolve => setTimeout(resolve, 100))
  expect(server.gateway.connections).toBe(1)
  // Control: the client reads nothing for more than ten seconds of awake time.
  for (let tick = 0; tick < 105; tick++) look(100)
  expect(server.gateway.connections).toBe(0)
  reader.stall(false)
  await vi.waitFor(() => expect(closed).toBe(4508), 10_000)
  server.http.closeAllConnections()
  server.http.close()
})
