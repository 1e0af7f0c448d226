import { beforeEach, expect, test } from 'vitest'
import { newFeed } from './changes/testing/new-feed.ts'
import { createSingleLog } from './cluster/single.ts'
import { UNPACED } from './presence/pace.ts'
import { Presence } from './presence/presence.ts'
import { type Asker, Requests } from './requests.ts'
import { createMemoryStore } from './storage/memory.ts'
import { Tracker } from './tracker.ts'

// Requests without a socket: what goes in is a decoded request, what comes out is a value.

const T = Date.UTC(2030, 0, 1)
const timestamp = new Date(T).toISOString()
const ANN: Asker & { isNamed: boolean } = {
  version: 'v2',
  userId: 'ann',
  sessionId: 's1',
  isNamed: true,
}

let presence: Presence
let tracker: Tracker
let requests: Requests
/** What was published, in order, and when a reply had been given. */
let order: string[]

beforeEach(async () => {
  order = []
  presence = new Presence({
    graceMs: 5_000,
    restartGraceMs: 30_000,
    inactiveGraceMs: 75_000,
    noticedMs: 5_000,
    hiddenKeepMs: 3_600_000,
    changePace: UNPACED,
    maxKnown: 100,
    keepMs: 1e9,
  })
  const feed = newFeed(100)
  feed.listen({
    changed: changes => order.push(...changes.map(({ userId, status }) => `${userId} ${status}`)),
  })
  const store = createMemoryStore()
  await store.load()
  await store.start(() => presence.records())
  const clock = { now: () => T }
  tracker = new Tracker({ presence, log: createSingleLog(), feed, store, clock, ended() {}, forgot() {} })
  requests = new Requests({ presence, tracker, feed, clock, allUsersLimit: 100 })
  void tracker.open(ANN, {})
})

test('[W4] a command is done before it is confirmed', () => {
  const reply = requests.handle(ANN, { type: 'set_status', status: 'busy', text: 'call', id: 1 })
  order.push(reply.kind)
  expect(order).toEqual(['ann online', 'ann busy', 'message'])
  expect(reply).toEqual({
    kind: 'message',
    message: { type: 'status_updated', status: 'busy', timestamp, text: 'call', id: 1 },
  })
})

test('[R19] an activity lasts as long as its request says, and for ever without a time', () => {
  requests.handle(ANN, { type: 'set_activity', state: 'active', forMs: 10_000 })
  for (const at of [T + 9_999, T + 10_000]) presence.apply(presence.advance(at, 10).facts)
  expect(presence.see('ann').status).toBe('away')
  requests.handle(ANN, { type: 'set_activity', state: 'active', forMs: 10_000 })
  requests.handle(ANN, { type: 'set_activity', state: 'active' })
  presence.apply(presence.advance(T + 9e9, 10).facts)
  expect(presence.see('ann').status).toBe('online')
})

test('[W2 W3 V7] queries are answered from the state', () => {
  expect(requests.handle(ANN, { type: 'get_online_count', id: 'x' })).toEqual({
    kind: 'message',
    message: { type: 'online_count', count: 1, timestamp, id: 'x' },
  })
  expect(requests.handle(ANN, { type: 'check_user_status', targetUserId: 'bob' })).toMatchObject({
    message: { type: 'user_status', userId: 'bob', online: false, lastSeen: null },
  })
  expect(requests.handle(ANN, { type: 'list_users', cursor: 'older' })).toMatchObject({
    kind: 'refused',
    refused: { code: 'bad_cursor' },
  })
  expect(requests.handle(ANN, { type: 'ping', id: 2 })).toEqual({
    kind: 'message',
    message: { type: 'pong', id: 2 },
  })
})

test('[W6 F5] the list of everybody is one answer for all who ask, built when it is sent', () => {
  const ask = (version: 'v1' | 'v2') => {
    const reply = requests.handle({ ...ANN, version }, { type: 'get_all_users' })
    return reply.kind === 'shared' ? reply.answer : undefined
  }
  expect(ask('v1')).toBe(ask('v1'))
  expect(ask('v1')).not.toBe(ask('v2'))
  const answer = ask('v1')
  void tracker.open({ userId: 'bob', sessionId: 's2', isNamed: false }, {})
  expect(JSON.parse(answer?.build() ?? '').users).toHaveLength(2)
})

test('[W5] identify is silent in v1 and acknowledged in v2', () => {
  const request = { type: 'identify', username: 'Ann' } as const
  expect(requests.handle({ ...ANN, version: 'v1' }, request)).toEqual({ kind: 'none' })
  expect(presence.see('ann').username).toBe('Ann')
  expect(requests.handle(ANN, { ...request, id: 3 })).toEqual({
    kind: 'message',
    message: { type: 'ack', id: 3 },
  })
})

test('[W7] what is not valid is refused as a value, and changes nothing', () => {
  const status = (expiresAt?: string) =>
    ({ type: 'set_status', status: 'offline', expiresAt, id: 4 }) as const
  expect(requests.handle(ANN, status('2029-12-31T00:00:00Z'))).toMatchObject({
    refused: { code: 'bad_message', text: '"expiresAt" must be in the future' },
  })
  const refusal = { type: 'refusal', code: 'bad_json', text: 'the message is not JSON' } as const
  expect(requests.handle(ANN, refusal)).toEqual({ kind: 'refused', refused: refusal })
  expect(requests.errorOf(refusal)).toMatchObject({
    type: 'error',
    message: 'bad_json: the message is not JSON',
    timestamp,
  })
  expect(order).toEqual(['ann online'])
})

test('[I8] a server that stops confirms nothing', () => {
  tracker.stop()
  expect(requests.handle(ANN, { type: 'set_status', status: 'busy' })).toEqual({ kind: 'none' })
  expect(presence.choice('ann').status).toBe('online')
})
