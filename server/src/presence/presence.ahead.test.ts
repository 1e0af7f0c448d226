import { beforeEach, expect, test } from 'vitest'
import type { Choice } from './choice.ts'
import { OneNode } from './testing/one-node.ts'
import { AT_ONCE } from './testing/options.ts'
import { DAY, HOUR, named, says, T } from './testing/scenario.ts'

// A backend sets the status of a user before the user comes.

const OPTIONS = { ...AT_ONCE, keepMs: 30 * DAY, maxKnown: 3 }
const BUSY = { status: 'busy', text: 'in a call', expiresAt: T + HOUR } as const
const HIDDEN = { status: 'offline', expiresAt: T + HOUR } as const

let presence: OneNode

beforeEach(() => {
  presence = new OneNode(OPTIONS)
  presence.restore([], T)
})

const set = (userId: string, choice: Choice, now = T) => presence.setStatusAhead(userId, choice, now)
const come = (userId: string, now = T) => presence.open(userId, named('s'), now)

/** The next process starts with what this one has stored. */
function restart(now: number): void {
  const records = [...presence.records()]
  presence = new OneNode(OPTIONS)
  presence.restore(records, now)
}

test.each([
  ['at once', () => {}],
  ['after a restart', () => restart(T + 1)],
])('[E15] a choice ahead applies when the user comes: %s', (_when, before) => {
  expect(set('ann', BUSY)?.changes).toEqual([])
  before()
  // Others have never seen the user, and still have not.
  expect(presence.see('ann')).toMatchObject({ status: 'offline', lastSeen: null, text: undefined })
  expect([presence.onlineCount, presence.core.seenCount, [...presence.list(9)]]).toEqual([0, 0, []])
  expect(presence.page(undefined, 9).users).toEqual([])
  expect(says(come('ann', T + 2))).toEqual(['ann busy'])
  expect(presence.see('ann')).toMatchObject({ text: 'in a call', expiresAt: T + HOUR })
  expect(says(presence.advance(T + HOUR, 9))).toEqual(['ann online'])
})

test('[E15] a choice without an end, or with one that is over, needs a session', () => {
  expect(set('ann', { status: 'busy' })).toBeUndefined()
  expect(set('ann', { status: 'busy', expiresAt: T })).toBeUndefined()
  expect([presence.knownCount, presence.nextDeadline]).toEqual([0, Number.POSITIVE_INFINITY])
})

test.each([
  ['at once', () => {}],
  ['after a restart', () => restart(T + 1)],
])('[E15 R4] a user who is hidden ahead is hidden on arrival, until the end: %s', (_when, before) => {
  set('eve', HIDDEN)
  before()
  expect(says(come('eve', T + 2))).toEqual([])
  expect(presence.see('eve')).toMatchObject({ status: 'offline', lastSeen: null })
  expect(presence.choice('eve')).toMatchObject(HIDDEN)
  expect(says(presence.advance(T + HOUR, 9))).toEqual(['eve online'])
})

test('[E15 R9] a user who was not known is known until the end of the choice, and makes room', () => {
  expect(set('ann', BUSY)?.dirty).toEqual(['ann'])
  set('bob', { ...BUSY, expiresAt: T + HOUR + 1 })
  expect(presence.knownCount).toBe(2)
  expect(presence.advance(T + HOUR, 9)).toMatchObject({ forgotten: ['ann'], changes: [] })
  expect([presence.knownCount, presence.record('ann')]).toEqual([1, undefined])
  // Others are forgotten beyond the limit, the oldest first.
  for (const [index, userId] of ['c', 'd', 'e'].entries())
    set(userId, { ...BUSY, expiresAt: T + DAY }, T + HOUR + index)
  expect(presence.knownCount).toBe(OPTIONS.maxKnown)
  expect([...presence.records()].map(({ userId }) => userId)).toEqual(['c', 'd', 'e'])
})

test('[E15 R9] the age of a user counts from the choice that was set last', () => {
  come('ann')
  presence.leave('ann', 's', T)
  const expiresAt = T + 90 * DAY
  set('ann', { ...BUSY, expiresAt }, T + 20 * DAY)
  set('bob', { ...BUSY, expiresAt }, T + 20 * DAY)
  expect(presence.forgetStale(T + 50 * DAY, 9).forgotten).toEqual([])
  expect(presence.forgetStale(T + 50 * DAY + 1, 9).forgotten.toSorted()).toEqual(['ann', 'bob'])
})

test('[E15] the newest choice counts, also of two in one millisecond, and a client that repeats an older one', () => {
  set('ann', HIDDEN)
  set('ann', BUSY)
  expect(presence.chosenAt('ann')).toBe(T + 1)
  const repeated = { status: 'away', madeAt: T } as const
  expect(says(presence.open('ann', named('s'), T + 9, { choice: repeated }))).toEqual(['ann busy'])
})

test('[E15 R7] a user whose leave is delayed has no session, and returns with the choice', () => {
  presence = new OneNode({ ...OPTIONS, changePace: { burst: 1, everyMs: 1_000 } })
  presence.restore([], T)
  come('ann')
  expect(says(presence.leave('ann', 's', T + 1))).toEqual([])
  expect(set('ann', { status: 'away' }, T + 2)).toBeUndefined()
  expect(set('ann', HIDDEN, T + 2)?.changes).toEqual([])
  expect(presence.see('ann').status).toBe('online')
  expect(says(come('ann', T + 3))).toEqual(['ann offline'])
})

test('[E15] a lease is a session: the choice applies', () => {
  set('bot', BUSY)
  const leased = presence.lease('bot', 'agent', { ttlMs: 60_000 }, T + 1)
  expect(typeof leased === 'string' ? leased : says(leased)).toEqual(['bot busy'])
})

test('[E15] a user who is erased has no choice any more', () => {
  set('ann', BUSY)
  presence.core.erase('ann')
  expect([presence.knownCount, presence.record('ann')]).toEqual([0, undefined])
  expect(says(come('ann'))).toEqual(['ann online'])
})

test('[E15 E13] explain has the choice of a user who has not come', () => {
  set('ann', BUSY)
  const { reason, shown, hidden, choice } = presence.core.explain('ann')
  expect({ reason, hidden, choice }).toEqual({
    reason: 'noSession',
    hidden: false,
    choice: { ...BUSY, chosenAt: T },
  })
  expect(shown).toMatchObject({ status: 'offline', lastSeen: null })
})
