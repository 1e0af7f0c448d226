import { expect, test } from 'vitest'
import type { PresenceRecord } from './record.ts'
import { OneNode } from './testing/one-node.ts'
import { DEFAULTS } from './testing/options.ts'
import { DAY, HOUR, named, says, seenOf, T, tab } from './testing/scenario.ts'

// What `Presence` stores of users, when a record has changed, and which users are forgotten.

const NONE = Number.POSITIVE_INFINITY

function gone(userId: string, lastSeen: number): PresenceRecord {
  return { userId, session: 'none', status: 'offline', lastSeen }
}

function restored(records: readonly PresenceRecord[], ...times: [number, object?]): OneNode {
  const presence = new OneNode(DEFAULTS)
  presence.restore(records, ...times)
  return presence
}

/** A user comes and leaves at once. */
function visit(presence: OneNode, userId: string, now: number): void {
  presence.open(userId, tab('s'), now)
  presence.leave(userId, 's', now)
}

test('a record has only the fields that say something', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', named('a'), T)
  expect(presence.record('ann')).toStrictEqual({
    userId: 'ann',
    session: 'live',
    status: 'online',
    lastSeen: T,
  })
  presence.leave('ann', 'a', T)
  expect(presence.record('ann')).toStrictEqual(gone('ann', T))
  presence.identify('ann', 'Ann', T)
  expect(presence.record('ann')).toStrictEqual({ ...gone('ann', T), newUsername: 'Ann' })
  expect(presence.record('bob')).toBeUndefined()
})

test('[R13] the text of a choice is stored with its end, and not after that', () => {
  const presence = new OneNode(DEFAULTS)
  const choice = { status: 'busy', text: 'at lunch', expiresAt: T + 50 } as const
  presence.open('ann', named('a'), T)
  presence.setStatus('ann', choice, T)
  presence.leave('ann', 'a', T)
  expect(presence.record('ann')).toMatchObject({ ...choice, session: 'none' })
  presence.advance(T + 50, 10)
  const record = presence.record('ann')
  for (const field of ['text', 'expiresAt']) expect(record).not.toHaveProperty(field)
})

test('nothing is known of a stranger', () => {
  const presence = new OneNode(DEFAULTS)
  expect([presence.chosenAt('ann'), presence.choice('ann')]).toEqual([undefined, { status: 'online' }])
  expect(presence.core.choiceTime(T)).toBe(T)
})

test('a start reports no records, unless their times were changed', () => {
  expect(restored([gone('ann', T - 1)], T).nextDeadline).toBe(NONE)
  // A clock that may be behind changes nothing that is stored.
  const behind = restored([gone('ann', T - HOUR)], T - 40 * DAY, { knownTime: T, latestTime: T })
  expect(behind.nextDeadline).toBe(NONE)
})

test('[R11] a time of this moment is not in the future', () => {
  expect(restored([gone('ann', T)], T, { latestTime: T + HOUR }).see('ann').lastSeen).toBe(T)
  const presence = new OneNode(DEFAULTS)
  visit(presence, 'ann', T)
  presence.jumped(-10_000, T)
  expect(presence.see('ann').lastSeen).toBe(T)
})

test('[R11] a stored time in the future is shown when the clock has reached it', () => {
  for (const jump of [0, 10_000]) {
    const presence = restored([gone('ann', T + HOUR)], T)
    if (jump > 0) presence.jumped(jump, T + jump)
    expect(presence.see('ann').lastSeen).toBe(T + jump)
    presence.advance(T + 2 * HOUR, 10)
    expect(presence.see('ann').lastSeen).toBe(T + HOUR)
  }
})

test('[R11] a sign of life replaces a time that was moved, also in the record', () => {
  const ann = { ...gone('ann', T + HOUR), session: 'live', status: 'online' } as const
  const presence = restored([ann], T, { latestTime: T + HOUR })
  expect(presence.record('ann')).toMatchObject({ lastSeen: T + HOUR, aheadMs: HOUR })
  presence.open('ann', tab('s'), T)
  expect(presence.record('ann')).not.toHaveProperty('aheadMs')
})

test('[R8] a suspension, or a jump, of exactly the time that clients notice gives the restart grace', () => {
  for (const notice of [
    (presence: OneNode) => presence.suspended(DEFAULTS.noticedMs, T + 5_000),
    (presence: OneNode) => presence.jumped(DEFAULTS.noticedMs, T + 5_000),
  ]) {
    const presence = new OneNode(DEFAULTS)
    presence.open('ann', tab('s'), T)
    presence.lose('ann', 's', T)
    notice(presence)
    expect(says(presence.advance(T + 5_000 + DEFAULTS.restartGraceMs - 1, 10))).toEqual([])
  }
})

test('[R11] a record that is set right is reported once', () => {
  const presence = new OneNode(DEFAULTS)
  presence.jumped(HOUR, T + HOUR)
  // Came, left and came back while the clock was off.
  visit(presence, 'ann', T + HOUR)
  presence.open('ann', tab('s'), T + HOUR)
  visit(presence, 'bob', T + HOUR)
  expect(presence.jumped(-HOUR, T).dirty.toSorted()).toEqual(['ann', 'bob'])
  expect(presence.see('bob').lastSeen).toBe(T)
  expect(presence.nextDeadline).toBe(NONE)
  // What is right stays right.
  presence.leave('ann', 's', T)
  presence.jumped(HOUR, T + HOUR)
  expect(presence.jumped(-HOUR, T + 1).dirty).toEqual([])
  expect(seenOf(presence, 'bob', T + 1).lastSeen).toBe(T)
})

test('[R11] the time of a visible user follows the clock, and is not moved besides', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', tab('s'), T + HOUR)
  expect(presence.jumped(-HOUR, T).dirty).toEqual(['ann'])
  expect(presence.nextDeadline).toBe(NONE)
})

test('[R11] a moved time is reported with each jump, until the user has a new one', () => {
  const presence = new OneNode(DEFAULTS)
  visit(presence, 'ann', T + DAY)
  presence.jumped(-DAY, T)
  expect(presence.advance(T, 10).dirty).toEqual(['ann'])
  presence.jumped(-10_000, T - 10_000)
  expect(presence.advance(T - 10_000, 10).dirty).toEqual(['ann'])
  visit(presence, 'ann', T - 10_000)
  presence.jumped(10_000, T)
  expect(presence.nextDeadline).toBe(NONE)
})

test('[R11] after an hour a moved time is stored as it is shown', () => {
  const presence = new OneNode(DEFAULTS)
  visit(presence, 'ann', T + DAY)
  presence.jumped(-DAY, T)
  expect(presence.advance(T, 10).dirty).toEqual(['ann'])
  expect(presence.record('ann')).toEqual({ ...gone('ann', T + DAY), aheadMs: DAY })
  expect(presence.advance(T + HOUR, 10).dirty).toEqual(['ann'])
  expect(presence.record('ann')).toStrictEqual(gone('ann', T))
})

test('[R11] a clock that was ahead and is believed changes no time any more', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('bob', tab('s'), T)
  presence.jumped(DAY, T + DAY)
  visit(presence, 'ann', T + DAY)
  expect(presence.advance(T + DAY + HOUR, 10).dirty).toEqual(['ann'])
  presence.leave('bob', 's', T + DAY + HOUR)
  presence.jumped(DAY, T + 2 * DAY + HOUR)
  expect(presence.jumped(-DAY, T + DAY + HOUR).dirty).toEqual([])
  expect(presence.see('ann').lastSeen).toBe(T + DAY)
})

/** A user whom nobody has seen, and whose choice is kept. */
function comeHidden(presence: OneNode, userId: string, now: number): void {
  presence.open(userId, tab('s'), now, { choice: { status: 'offline', expiresAt: T + 100 * DAY } })
  presence.leave(userId, 's', now)
}

test('[R9] a user whom nobody has seen is forgotten by age as well', () => {
  const presence = new OneNode(DEFAULTS)
  for (const userId of ['ann', 'bob', 'joe']) comeHidden(presence, userId, T)
  presence.open('eve', tab('s'), T, { choice: { status: 'offline' } })
  expect(presence.forgetStale(T + 30 * DAY, 4).forgotten).toEqual([])
  // Looks at one user, and the round goes on with the next one.
  expect(presence.forgetStale(T + 30 * DAY + 1, 1).forgotten).toHaveLength(1)
  expect(presence.forgetStale(T + 30 * DAY + 1, 10).forgotten).toHaveLength(2)
  expect([...presence.records()].map(({ userId }) => userId)).toEqual(['eve'])
  expect(presence.forgetStale(T + 99 * DAY, 10).forgotten).toEqual([])
})

test('[R9] the age of a user whom others have seen counts from then, whatever is kept', () => {
  const presence = new OneNode(DEFAULTS)
  const choice = { status: 'busy', expiresAt: T + 100 * DAY } as const
  presence.open('ann', tab('s'), T, { choice })
  presence.heard('ann', T + 20 * DAY)
  presence.leave('ann', 's', T + 20 * DAY)
  comeHidden(presence, 'bob', T + 20 * DAY)
  expect(presence.forgetStale(T + 40 * DAY, 10).forgotten).toEqual([])
  expect(presence.forgetStale(T + 50 * DAY + 1, 10).forgotten.toSorted()).toEqual(['ann', 'bob'])
})

test('[R9] beyond the limit the user who left first is forgotten', () => {
  const presence = new OneNode({ ...DEFAULTS, maxKnown: 3 })
  presence.restore([gone('ann', T + 5), gone('eve', T + 9), gone('bob', T + 1)], T + 10)
  expect(presence.open('joe', tab('s'), T + 10).forgotten).toEqual(['bob'])
  expect(presence.open('joe', tab('s2'), T + 10).forgotten).toEqual([])
})

test('[R9] users who exceed the limit because all others were present are forgotten later', () => {
  const presence = new OneNode({ ...DEFAULTS, maxKnown: 2 })
  const users = ['ann', 'bob', 'eve', 'joe']
  for (const userId of users) presence.open(userId, tab('s'), T)
  expect(presence.knownCount).toBe(4)
  for (const userId of users) presence.leave(userId, 's', T)
  expect(presence.open('kim', tab('s'), T).forgotten).toHaveLength(3)
  expect(presence.knownCount).toBe(2)
})

test('[R9] beyond the limit a user whom nobody has seen is forgotten as well', () => {
  const presence = new OneNode({ ...DEFAULTS, maxKnown: 1 })
  comeHidden(presence, 'ann', T)
  expect(presence.open('bob', tab('s'), T).forgotten).toEqual(['ann'])
  expect(presence.open('eve', tab('s'), T).forgotten).toEqual([])
})

const HIDDEN_UNTIL = { status: 'offline', expiresAt: T + HOUR } as const
const AT_RESTART = T + 2 * HOUR

/** The records of a user who is hidden, whose choice ends while no server runs. */
function hiddenRecords(): PresenceRecord[] {
  const before = new OneNode(DEFAULTS)
  before.open('ann', named('s'), T)
  before.setStatus('ann', HIDDEN_UNTIL, T + 5)
  return [...before.records()]
}

test('[R18 R3] a user who hid until a time before the start is seen at the start, like one who arrives then', () => {
  const presence = restored(hiddenRecords(), AT_RESTART)
  expect(presence.see('ann')).toMatchObject({ status: 'online', lastSeen: AT_RESTART })
  expect(presence.record('ann')).toMatchObject({ session: 'held', lastSeen: AT_RESTART })
  // A user who does not return was last seen at the start: the choice, and not the user, ended then.
  const [lost] = presence.advance(AT_RESTART + DEFAULTS.restartGraceMs, 10).changes
  expect(lost).toMatchObject({ status: 'offline', cause: 'lost', lastSeen: AT_RESTART })
})

test('[R18 R11] the time of a start that shows a hidden user follows the clock', () => {
  const presence = restored(hiddenRecords(), AT_RESTART)
  presence.jumped(DAY, AT_RESTART + DAY)
  expect(presence.see('ann')).toMatchObject({ status: 'online', lastSeen: AT_RESTART + DAY })
})

test('[R18] a user whom others have never seen is seen at the start that ends the choice to hide', () => {
  const before = new OneNode(DEFAULTS)
  before.open('ann', named('s'), T, { choice: HIDDEN_UNTIL })
  const presence = restored([...before.records()], AT_RESTART)
  expect(presence.see('ann')).toMatchObject({ status: 'online', lastSeen: AT_RESTART })
  expect(presence.record('ann')).not.toHaveProperty('unseen')
})

test('[R3 R6] a start shows a user whose change is delayed, with the last sign of life before the stop', () => {
  const before = new OneNode({ ...DEFAULTS, changePace: { burst: 2, everyMs: HOUR } })
  before.open('ann', named('s'), T)
  before.setStatus('ann', { status: 'offline' }, T + 5)
  before.setStatus('ann', { status: 'online' }, T + 6)
  before.open('ann', named('t'), T + 7)
  expect(before.see('ann')).toMatchObject({ status: 'offline', lastSeen: T })
  const presence = restored([...before.records()], T + 20)
  expect(presence.see('ann')).toMatchObject({ status: 'online', lastSeen: T + 7 })
})
