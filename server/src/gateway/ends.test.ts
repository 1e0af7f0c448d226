import { TestClient } from '@who-is-online/testing/client'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ALL_RIGHTS } from '../identity/grant.ts'
import type { Identity } from '../identity/identity.ts'
import { openIdentity } from '../identity/open.ts'
import { SystemClock } from '../time/clock.ts'
import { type OpenGateway, openGateway } from './testing/open-gateway.ts'

// Connections that the server ends because of their grants: over real sockets, on a clock that the test moves.

const START = Date.UTC(2030, 0, 1)
const MINUTE = 60_000

/** Identifies users by their ids. A token of the user `short` ends a minute after the start. */
const identity: Identity = {
  ...openIdentity(undefined),
  identify: ({ userId = '' }) => ({
    state: 'known',
    grant: {
      userId,
      username: undefined,
      isNameFixed: false,
      expiresAt: userId.startsWith('short') ? START + MINUTE : undefined,
      rights: ALL_RIGHTS,
    },
  }),
  // The keys of the issuer never arrive.
  renew: () => new Promise(() => {}),
}

let server: OpenGateway
let sources: { wall: number; steady: number }

beforeEach(async () => {
  sources = { wall: START, steady: 0 }
  const clock = new SystemClock(
    () => sources.wall,
    () => sources.steady,
  )
  server = await openGateway({ clock, identity, pingMs: 60 * MINUTE })
})

afterEach(() => {
  server.http.closeAllConnections()
  server.http.close()
})

/** Lets time pass in steps that are no suspension. */
function pass(ms: number): void {
  for (const until = sources.steady + ms; sources.steady < until; ) {
    const step = Math.min(900, until - sources.steady)
    sources.steady += step
    sources.wall += step
    server.gateway.advance(server.clock.awake())
  }
}

async function connect(userId: string, version: 'v1' | 'v2' = 'v2'): Promise<TestClient> {
  const open = version === 'v1' ? TestClient.as : TestClient.v2
  return open.call(TestClient, server, userId)
}

const session = (userId: string) => server.presence.record(userId)?.session

test.each([
  ['v1', 0],
  ['v2', 3_600_000],
] as const)(
  '[D18] a %s connection outlives its token by the grace, and the wall clock may move by %d ms meanwhile',
  async (version, jump) => {
    const short = await connect('short', version)
    await connect('long')
    sources.wall += jump
    pass(6 * MINUTE - 1_000)
    expect(server.gateway.connections).toBe(2)
    pass(2_000)
    expect(server.gateway.connections).toBe(1)
    expect((await short.closed).code).toBe(4401)
    expect([session('short'), session('long')]).toEqual(['held', 'live'])
  },
)

test('[D18 R8] the time of a suspension does not count', async () => {
  await connect('short')
  sources.steady += 3_600_000
  sources.wall += 3_600_000
  pass(5 * MINUTE)
  expect(server.gateway.connections).toBe(1)
  pass(2 * MINUTE)
  expect(server.gateway.connections).toBe(0)
})

test('[D18] many grants that end together are ended in turns', async () => {
  await Promise.all(Array.from({ length: 250 }, (_, n) => connect(`short ${n}`)))
  pass(6 * MINUTE - 1_000)
  const left = new Set<number>()
  for (let tick = 0; tick < 30; tick++) {
    pass(100)
    left.add(server.gateway.connections)
  }
  expect([...left]).toEqual([250, 50, 0])
})

test('[D19] access that is revoked: all connections get 4403, and the user is offline at once', async () => {
  const [one, two] = [await connect('ann'), await connect('ann', 'v1')]
  await connect('bob')
  const gone = await connect('ann')
  gone.reset()
  await vi.waitFor(() => expect(server.gateway.connections).toBe(3))
  expect(session('ann')).toBe('live')
  void server.gateway.endSessions('ann')
  expect(server.presence.see('ann').status).toBe('offline')
  expect(await one.next('disconnect')).toMatchObject({ code: 4403, reconnect: false })
  expect([(await one.closed).code, (await two.closed).code]).toEqual([4403, 4403])
  expect(server.gateway.connections).toBe(1)
  expect(server.presence.see('bob').status).toBe('online')
  // The user may come back.
  await connect('ann')
  expect(server.presence.see('ann').status).toBe('online')
})

test('[C1 D19] a client that was not read is closed as soon as it answers, without the timeout', async () => {
  const ann = await connect('ann')
  ann.send({ type: 'refresh', token: 'waits' })
  ann.send({ type: 'set_status', status: 'busy' })
  await connect('bob')
  // The timeouts of a close never come.
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  try {
    void server.gateway.endSessions('ann')
    expect((await ann.closed).code).toBe(4403)
  } finally {
    vi.useRealTimers()
  }
})
