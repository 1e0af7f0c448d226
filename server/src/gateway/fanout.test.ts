import { createHook } from 'node:async_hooks'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { TestClient } from '@who-is-online/testing/client'
import { handshake, textFrame } from '@who-is-online/testing/raw-client'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type OpenGateway, openGateway } from './testing/open-gateway.ts'

// What one change costs: how often something is encoded, and how often a socket is written to. The tests count and do
// not measure time. A change of the fan-out that increases the work per delivery must change these numbers and give a
// reason.

/** Counts since `begin`: calls of `encode` by version and type, calls of `encodeUser`, writes, buffers and promises. */
const counts = {
  encodes: new Map<string, number>(),
  users: 0,
  writes: [] as Uint8Array[],
  buffers: 0,
  promises: 0,
}

function begin(): void {
  counts.encodes.clear()
  counts.users = 0
  counts.writes = []
  counts.buffers = 0
  counts.promises = 0
}

for (const way of ['alloc', 'allocUnsafe', 'concat'] as const) {
  const make = Buffer[way] as (...args: unknown[]) => Buffer
  vi.spyOn(Buffer, way).mockImplementation(((...args: unknown[]) => {
    counts.buffers++
    return make(...args)
  }) as never)
}

const promises = createHook({
  init(_id, type) {
    if (type === 'PROMISE') counts.promises++
  },
})

vi.mock('@who-is-online/protocol/encode', async original => {
  const actual = await original<typeof import('@who-is-online/protocol/encode')>()
  const encode: typeof actual.encode = (message, version) => {
    const key = `${version} ${message.type}`
    counts.encodes.set(key, (counts.encodes.get(key) ?? 0) + 1)
    return actual.encode(message, version)
  }
  const encodeDiff: typeof actual.encodeDiff = (...parts) => {
    counts.encodes.set('v2 presence_diff', (counts.encodes.get('v2 presence_diff') ?? 0) + 1)
    return actual.encodeDiff(...parts)
  }
  const encodeUser: typeof actual.encodeUser = user => {
    counts.users++
    return actual.encodeUser(user)
  }
  return { ...actual, encode, encodeDiff, encodeUser }
})

// The number of v1 clients, of v2 clients that subscribe to all users, and of v2 clients that subscribe to a list.
const V1 = 20
const EVERYBODY = 10
const LISTS = 15
const USERS = 30
const CHANGES = 100

let server: OpenGateway

/** Sets the status of a user, and publishes the change. */
function choose(userId: string, status: 'online' | 'away' | 'busy' | 'offline', text?: string): void {
  server.tracker.setStatus({ userId, sessionId: 's' }, { status, text })
}

beforeAll(async () => {
  server = await openGateway()
  server.http.on('connection', (socket: Socket) => {
    const write = socket.write.bind(socket) as (chunk: Uint8Array) => boolean
    socket.write = ((chunk: Uint8Array, ...rest: []) => {
      counts.writes.push(chunk)
      return write(chunk, ...rest)
    }) as typeof socket.write
  })
  for (let n = 0; n < USERS; n++) {
    void server.tracker.open({ userId: `user-${n}`, sessionId: 's', isNamed: true }, {})
  }
  for (let n = 0; n < V1; n++) await TestClient.as(server, 'watcher')
  for (let n = 0; n < EVERYBODY; n++) {
    const client = await TestClient.v2(server, 'watcher')
    await client.ask({ type: 'subscribe', all: true }, 'presence_state')
  }
  const userIds = Array.from({ length: USERS }, (_, n) => `user-${n}`)
  for (let n = 0; n < LISTS; n++) {
    const client = await TestClient.v2(server, 'watcher')
    await client.ask({ type: 'subscribe', userIds }, 'presence_state')
  }
  await settled()
})

afterAll(() => {
  server.http.closeAllConnections()
  server.http.close()
})

const settled = () => new Promise(resolve => setTimeout(resolve, 100))

/** Counts the work for 100 changes in one tick. */
async function count(change: (n: number) => void): Promise<void> {
  // Wait until the previous window is flushed. The first change opens a new window, and the others join it.
  await settled()
  begin()
  for (let n = 0; n < CHANGES; n++) change(n)
  await settled()
}

test('[F7] a hundred changes of one tick: one encoding each, one write per client, the same bytes for all', async () => {
  await count(n => {
    const status = Math.floor(n / USERS) % 2 === 0 ? 'offline' : 'online'
    choose(`user-${n % USERS}`, status)
  })
  expect(Object.fromEntries(counts.encodes)).toEqual({
    'v1 user_status_change': CHANGES,
    // One for all subscribers to all users, and one for each list.
    'v2 presence_diff': 1 + LISTS,
  })
  // Only the newest change of each user is encoded, and once for all subscribers.
  expect(counts.users).toBe(USERS)
  expect(counts.writes).toHaveLength(V1 + EVERYBODY + LISTS)
  // One buffer for all v1 clients, one for all subscribers to all users, and one for each list. No others are created.
  expect(new Set(counts.writes).size).toBe(1 + 1 + LISTS)
  expect(counts.buffers).toBe(1 + 1 + LISTS)
})

test('[F7] a change that v1 can’t express costs nothing for v1 clients', async () => {
  for (let n = 0; n < USERS; n++) {
    choose(`user-${n}`, 'online')
  }
  await count(n => {
    choose(`user-${n % USERS}`, 'online', `text ${n}`)
  })
  expect(Object.fromEntries(counts.encodes)).toEqual({ 'v2 presence_diff': 1 + LISTS })
  expect(counts.writes).toHaveLength(EVERYBODY + LISTS)
})

test('[F7] a hundred requests in one read: one encoding each, one buffer, one write, and no promise for each', async () => {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.write(handshake({ target: '/ws?userId=asker' }))
  await once(socket, 'data')
  const request = textFrame('{"type":"get_online_count"}')
  const requests = Buffer.concat(Array.from({ length: CHANGES }, () => request))
  await settled()
  const answered = new Promise<void>(resolve =>
    socket.once('data', () => {
      promises.disable()
      resolve()
    }),
  )
  begin()
  promises.enable()
  socket.write(requests)
  await answered
  expect(Object.fromEntries(counts.encodes)).toEqual({ 'v1 online_count': CHANGES })
  expect(counts.writes).toHaveLength(1)
  expect(counts.buffers).toBe(1)
  // One is that of `await answered`. The test runner may create some, but not one for each request.
  expect(counts.promises).toBeLessThan(CHANGES / 10)
  socket.destroy()
})

test('[F7] negative control: with one change per tick, each change costs a write per client', async () => {
  await settled()
  counts.writes = []
  for (const status of ['away', 'busy', 'away'] as const) {
    choose('user-0', status)
    await settled()
  }
  expect(counts.writes).toHaveLength(3 * (EVERYBODY + LISTS))
})
