import { expect, test } from 'vitest'
import { MAX_LEASES, MAX_LEASES_PER_USER } from './lease.ts'
import { Presence } from './presence.ts'
import { OneNode } from './testing/one-node.ts'
import { DEFAULTS } from './testing/options.ts'
import { HOUR, named, says, T } from './testing/scenario.ts'

const TTL = { ttlMs: 10_000 }

/** Leases a session, which must not be refused. */
function lease(presence: OneNode, userId: string, id: string, now: number, terms = TTL) {
  const outcome = presence.lease(userId, id, terms, now)
  if (typeof outcome === 'string') throw new Error(outcome)
  return outcome
}

test('[R20] a leased session is lost at its time, unless it was renewed', () => {
  const presence = new OneNode(DEFAULTS)
  expect(says(lease(presence, 'bot', 'a', T, { ...TTL, username: 'Bot' } as never))).toEqual(['bot online'])
  expect(presence.see('bot').username).toBe('Bot')
  expect(says(lease(presence, 'bot', 'a', T + 9_000))).toEqual([])
  expect(says(presence.advance(T + 18_999, 10))).toEqual([])
  const { changes, ended } = presence.advance(T + 19_000, 10)
  expect(changes).toMatchObject([{ status: 'offline', cause: 'lost' }])
  expect(ended).toEqual([{ userId: 'bot', sessionId: 'a' }])
  expect(presence.see('bot').lastSeen).toBe(T + 9_000)
  lease(presence, 'bot', 'a', T + 20_000)
  expect(presence.endSession('bot', 'a', T + 20_001).changes).toMatchObject([{ cause: 'left' }])
})

test('[R20] a client that connects with the id of a leased session continues it, and a connected one is not leased', () => {
  const presence = new OneNode(DEFAULTS)
  lease(presence, 'ann', 'phone', T)
  expect(says(presence.open('ann', named('phone'), T + 1))).toEqual([])
  expect(presence.lease('ann', 'phone', TTL, T + 2)).toBe('connected')
  expect(says(presence.advance(T + HOUR, 10))).toEqual([])
  // A lost session can be leased: then it needs no connection.
  presence.lose('ann', 'phone', T + HOUR)
  lease(presence, 'ann', 'phone', T + HOUR + 1)
  expect(says(presence.advance(T + HOUR + 10_000, 10))).toEqual([])
  expect(says(presence.advance(T + HOUR + 10_001, 10))).toEqual(['ann offline'])
})

test('[R20] leased sessions are limited for each user and for all, and a renewal is never refused', () => {
  const presence = new OneNode({ ...DEFAULTS, changePace: { burst: 1, everyMs: 0 } })
  for (let n = 0; n < MAX_LEASES_PER_USER; n++) lease(presence, 'u0', `${n}`, T)
  expect(presence.lease('u0', 'more', TTL, T)).toBe('tooManyOfUser')
  expect(presence.lease('u0', '7', TTL, T)).toMatchObject({ facts: [] })
  for (let n = MAX_LEASES_PER_USER; n < MAX_LEASES; n++) {
    lease(presence, `u${Math.floor(n / MAX_LEASES_PER_USER)}`, `${n}`, T)
  }
  expect(presence.lease('ann', 'a', TTL, T)).toBe('tooMany')
  expect(presence.record('ann')).toBeUndefined()
  expect(presence.lease('u0', '7', TTL, T)).toMatchObject({ facts: [] })
  // Each way to end one makes room: it ends, all of a user end, it becomes a connection, its time is over.
  const isFull = () => presence.lease('ann', 'a', TTL, T) === 'tooMany'
  const fill = () => presence.endSession('ann', 'a', T)
  presence.endSession('u0', '7', T)
  expect(isFull()).toBe(false)
  presence.open('u0', named('6'), T)
  expect(isFull()).toBe(false)
  fill()
  presence.endSessions('u1', T)
  for (let n = 0; n < MAX_LEASES_PER_USER + 2; n++) lease(presence, `v${n}`, 'v', T)
  expect(isFull()).toBe(true)
  while (presence.nextDeadline <= T + 10_000) presence.advance(T + 10_000, 10_000)
  expect([isFull(), presence.onlineCount]).toEqual([false, 2])
})

test('[R20] leased sessions survive a restart with their end, and have the restart grace at least', () => {
  const before = new OneNode(DEFAULTS)
  lease(before, 'long', 'a', T, { ttlMs: HOUR, device: 'r2', activity: 'idle' } as never)
  lease(before, 'short', 'b', T)
  before.open('both', named('tab'), T)
  lease(before, 'both', 'c', T, { ttlMs: HOUR })
  const after = new OneNode(DEFAULTS, Presence)
  const now = T + 20_000
  after.restore([...before.records()], now)
  expect(after.see('long').status).toBe('away')
  expect(after.core.part('long').sessions).toMatchObject([
    { sessionId: 'a', kind: 'lease', device: 'r2', active: false, connectedAt: T, leaseEndsAt: T + HOUR },
  ])
  // The connection is not back after the restart grace, and the leased session of the same user stays.
  const { changes } = after.advance(now + DEFAULTS.restartGraceMs, 10)
  expect(changes).toMatchObject([{ userId: 'short', status: 'offline', cause: 'lost' }])
  expect(after.see('short').lastSeen).toBe(T)
  expect(says(after.advance(T + HOUR, 10)).toSorted()).toEqual(['both offline', 'long offline'])
})

test('[N11] a leased session that is taken over was renewed when the other node says, even if others see it only now', () => {
  const presence = new Presence(DEFAULTS)
  const lease = {
    sessionId: 'a',
    openedAt: T,
    since: T,
    leftMs: 4_000,
    ageMs: 6_000,
    notBefore: T,
    ttlMs: 10_000,
  }
  presence.takeOver({ userId: 'bot', heardAt: T, leases: [lease] }, T + 6_000)
  // The user was offline for others, so that no session tells what was before.
  expect(presence.part('bot').sessions).toMatchObject([{ lastAliveAt: T + 6_000 }])
  const told = () => presence.present('bot').leases[0]?.ageMs
  expect(told()).toBe(6_000)
  presence.jumped(HOUR, T + 6_000 + HOUR)
  expect(told()).toBe(6_000)
})
