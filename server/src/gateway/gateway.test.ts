import { once } from 'node:events'
import { connect } from 'node:net'
import { TestClient } from '@who-is-online/testing/client'
import { handshake, textFrame } from '@who-is-online/testing/raw-client'
import { expect, test, vi } from 'vitest'
import type { Identity } from '../identity/identity.ts'
import { openIdentity } from '../identity/open.ts'
import { SystemClock } from '../time/clock.ts'
import { openGateway } from './testing/open-gateway.ts'

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
    const [listener] = server.http.listeners('upgrade') as ((...args: unknown[]) => void)[]
    server.http.removeAllListeners('upgrade')
    const turn = new Promise<void>(resolve => {
      server.http.on('upgrade', (...args) => {
        setTimeout(() => {
          listener?.(...args)
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
    server.tracker.open({ userId: `user ${n}`, sessionId: 's', isNamed: true }, {})
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
