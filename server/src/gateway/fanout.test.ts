import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { TestClient } from '@who-is-online/testing/client'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { Feed } from '../feed.ts'
import { UNPACED } from '../presence/pace.ts'
import { Presence } from '../presence/presence.ts'
import { createMemoryStore } from '../storage/memory.ts'
import { Tracker } from '../tracker.ts'
import { openIdentity } from './identity.ts'
import { UNLIMITED } from './limits.ts'
import { Gateway } from './websocket.ts'

// What one change costs, counted, not timed: how often something is encoded, and how often a socket is written to.
// Whoever changes the fan-out so that the work per delivery grows has to change these numbers, and say why.

/** Counted since `count` began: calls of `encode` by type of message and dialect, of `encodeUser`, and writes. */
const counts = { encodes: new Map<string, number>(), users: 0, writes: [] as Uint8Array[] }

vi.mock('@who-is-online/protocol/encode', async original => {
  const actual = await original<typeof import('@who-is-online/protocol/encode')>()
  const encode: typeof actual.encode = (message, dialect) => {
    const key = `${dialect} ${message.type}`
    counts.encodes.set(key, (counts.encodes.get(key) ?? 0) + 1)
    return actual.encode(message, dialect)
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

const V1 = 20
const EVERYBODY = 10
const LISTS = 15
const USERS = 30
const CHANGES = 100

const presence = new Presence({
  graceMs: 0,
  restartGraceMs: 0,
  changePace: UNPACED,
  maxKnown: 1_000,
  keepMs: 1e9,
})
const feed = new Feed({ epoch: 'e', recent: 1_000 })
const clock = { now: () => Date.now() }
const http = createServer()
const store = createMemoryStore()
let tracker: Tracker

beforeAll(async () => {
  await store.load()
  await store.start(() => presence.records())
  tracker = new Tracker({ presence, feed, store, clock, spectator: undefined, allUsersLimit: 1_000 })
  const ignore = () => {}
  const gateway = new Gateway({
    tracker,
    presence,
    feed,
    clock,
    identity: openIdentity,
    log: { error: ignore, info: ignore, debug: ignore, limited: ignore, once: ignore },
    limits: UNLIMITED,
    heartbeat: { pingMs: 60_000, pongTimeoutMs: 60_000, random: () => 1 },
    origins: { allowed: [], development: true },
    trustProxy: undefined,
    maxBufferedBytes: 1_000_000,
    spectator: undefined,
    maxWatchedUsers: 1_000,
    maxWatchedInAll: 10_000,
    allUsersLimit: 1_000,
    terms: {
      heartbeatMs: 1,
      graceMs: 1,
      limits: {
        maxMessageBytes: 1,
        maxUserIds: 1,
        maxWatchedUsers: 1,
        messagesPerSecond: 1,
        messagesBurst: 1,
      },
    },
  })
  gateway.attach(http)
  http.on('connection', (socket: Socket) => {
    const write = socket.write.bind(socket) as (chunk: Uint8Array) => boolean
    socket.write = ((chunk: Uint8Array, ...rest: []) => {
      counts.writes.push(chunk)
      return write(chunk, ...rest)
    }) as typeof socket.write
  })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const server = { url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/ws` }
  for (let n = 0; n < USERS; n++) {
    presence.open(`user-${n}`, { id: 's', named: true }, clock.now())
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
  http.closeAllConnections()
  http.close()
})

const settled = () => new Promise(resolve => setTimeout(resolve, 100))

/** Counts what the changes of one tick cost. */
async function count(change: (n: number) => void): Promise<void> {
  // The window of whatever was before is over: the first of these opens one of its own, the rest gather in it.
  await settled()
  counts.encodes.clear()
  counts.users = 0
  counts.writes = []
  for (let n = 0; n < CHANGES; n++) change(n)
  await settled()
}

test('[F7] a hundred changes of one tick: one encoding each, one write per client, the same bytes for all', async () => {
  await count(n => {
    const status = Math.floor(n / USERS) % 2 === 0 ? 'offline' : 'online'
    feed.publish(presence.setStatus(`user-${n % USERS}`, { status }, clock.now()).changes)
  })
  expect(Object.fromEntries(counts.encodes)).toEqual({
    'v1 user_status_change': CHANGES,
    // One for all who follow everybody, one for each list.
    'v2 presence_diff': 1 + LISTS,
  })
  // Of the hundred changes each user's newest is said once, however many follow.
  expect(counts.users).toBe(USERS)
  expect(counts.writes).toHaveLength(V1 + EVERYBODY + LISTS)
  // One buffer for all of v1, one for all who follow everybody, and one for each list.
  expect(new Set(counts.writes).size).toBe(1 + 1 + LISTS)
})

test('[F7] what v1 has no words for costs it nothing', async () => {
  for (let n = 0; n < USERS; n++) {
    feed.publish(presence.setStatus(`user-${n}`, { status: 'online' }, clock.now()).changes)
  }
  await count(n => {
    const text = `text ${n}`
    feed.publish(presence.setStatus(`user-${n % USERS}`, { status: 'online', text }, clock.now()).changes)
  })
  expect(Object.fromEntries(counts.encodes)).toEqual({ 'v2 presence_diff': 1 + LISTS })
  expect(counts.writes).toHaveLength(EVERYBODY + LISTS)
})

test('[F7] the negative control: one change a tick costs a write each', async () => {
  await settled()
  counts.writes = []
  for (const status of ['away', 'busy', 'away'] as const) {
    feed.publish(presence.setStatus('user-0', { status }, clock.now()).changes)
    await settled()
  }
  expect(counts.writes).toHaveLength(3 * (EVERYBODY + LISTS))
})
