import { expect, test } from 'vitest'
import type { PresenceRecord } from './record.ts'
import { HAS_FEW_GAMES } from './testing/games.ts'
import { OneNode } from './testing/one-node.ts'
import { DEFAULTS } from './testing/options.ts'
import { DAY, HOUR, says, seenOf, T, tab } from './testing/scenario.ts'

// The rules of presence with a wall clock that is set, or was wrong at the start.

test('[R17] after the clock was set back, a device can repeat the choice that it made before', () => {
  const ahead = 3_600_000
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', tab('s1'), T)
  presence.jumped(ahead, T + 1_000 + ahead)
  const madeAt = T + 2_000 + ahead
  presence.setStatus('ann', { status: 'busy' }, madeAt)
  presence.jumped(-ahead, T + 3_000)
  presence.lose('ann', 's1', T + 4_000)
  expect(says(presence.advance(T + 20_000, 10))).toEqual(['ann offline'])
  expect(presence.chosenAt('ann')).toBe(madeAt)
  const back = presence.open('ann', tab('s2'), T + 22_000, { choice: { status: 'busy', madeAt } })
  expect(says(back)).toEqual(['ann busy'])
  // Any other time in the future proves nothing.
  const later = { status: 'away', madeAt: madeAt + 1 } as const
  expect(says(presence.open('ann', tab('s3'), T + 23_000, { choice: later }))).toEqual([])
})

test.each([4_500, -4_500])(
  '[R2 R11] a correction of the wall clock by %d ms does not change grace periods',
  step => {
    const presence = new OneNode(DEFAULTS)
    presence.open('ann', tab('s1'), T)
    presence.lose('ann', 's1', T + 1_000)
    presence.leaveOut(step)
    expect(says(presence.advance(T + 5_999 + step, 10))).toEqual([])
    expect(presence.nextDeadline).toBe(T + 6_000 + step)
    expect(says(presence.advance(T + 6_000 + step, 10))).toEqual(['ann offline'])
    expect(presence.knownTime(T + 10_000 + step)).toBe(T + 10_000 + step)
  },
)

test('[R11] a jump of the clock moves the lastSeen of present users, and changes no duration', () => {
  for (const jump of [HOUR, -HOUR, 40 * 24 * HOUR, -T]) {
    const presence = new OneNode(DEFAULTS)
    presence.open('ann', tab('s1'), T)
    presence.open('bob', tab('s2'), T)
    presence.leave('bob', 's2', T + 10)
    presence.open('eve', tab('s3'), T)
    presence.lose('eve', 's3', T + 1_000)
    const now = T + 2_000 + jump
    expect(presence.jumped(jump, now)).toMatchObject({ changes: [], dirty: ['ann', 'eve'] })
    expect(presence.see('ann').lastSeen).toBe(T + jump)
    presence.heard('ann', now)
    expect(presence.see('ann').lastSeen).toBe(now)
    // No lastSeen is in the future: the clock may have been ahead before.
    expect(presence.see('bob').lastSeen).toBe(Math.min(T, T + jump))
    // After a jump forward clients may still return, because the machine may have been paused.
    const grace = jump > 0 ? 15_000 : 4_000
    expect(says(presence.advance(now + grace - 1, 10))).toEqual([])
    expect(says(presence.advance(now + grace, 10))).toEqual(['eve offline'])
    // The lastSeen of a user who leaves meanwhile is wrong, and is corrected with the clock.
    presence.leave('ann', 's1', now + 16_000)
    const back = T + 20_000
    expect(presence.jumped(-jump, back).dirty.toSorted()).toEqual(['ann', 'eve'])
    expect(seenOf(presence, 'ann', back).lastSeen).toBe(T + 2_000)
    expect(seenOf(presence, 'eve', back).lastSeen).toBe(T)
    expect(seenOf(presence, 'bob', back).lastSeen).toBe(T)
  }
})

test('[R9 R11] no wrong clock, at the start or later, makes a user forgotten or changes stored times', () => {
  const offlineUser = (userId: string, daysAgo: number) =>
    ({ userId, session: 'none', status: 'offline', lastSeen: T - daysAgo * 24 * HOUR }) as const
  const records = [
    offlineUser('yesterday', 1),
    offlineUser('last month', 29),
    offlineUser('stamped in 1970', T / 24 / HOUR),
  ]
  for (const wrong of [
    0,
    T - HOUR,
    T + HOUR,
    T - 40 * 24 * HOUR,
    T + 40 * 24 * HOUR,
    T + 4_000 * 24 * HOUR,
  ]) {
    const presence = new OneNode(DEFAULTS)
    presence.restore(records, wrong, { knownTime: T })
    expect(presence.forgetStale(wrong + 2_500, 10).dirty).toEqual([])
    presence.jumped(T - wrong, T + 2_500)
    expect(presence.forgetStale(T + 2_500, 10).dirty).toEqual([])
    expect([...presence.records()]).toEqual(records)
    presence.jumped(wrong - T, wrong + 2_500)
    expect(presence.forgetStale(wrong + 2_500, 10).dirty).toEqual([])
    // Time that this process measures does count.
    const later = 2 * 24 * HOUR
    presence.jumped(T - wrong, T + later)
    presence.advance(T + later, 10)
    expect(presence.forgetStale(T + later, 10).dirty).toEqual(['last month'])
  }
})

test('[R11] a clock that was behind at the start corrects its timestamps when it is set right', () => {
  const presence = new OneNode(DEFAULTS)
  const lastSeen = T - 1_000
  presence.restore([{ userId: 'ann', session: 'none', status: 'offline', lastSeen }], 0, { knownTime: T })
  presence.open('ann', tab('s1'), 10_000)
  presence.open('bob', tab('s2'), 10_000)
  presence.leave('ann', 's1', 20_000)
  presence.leave('bob', 's2', 20_000)
  presence.jumped(T, T + 30_000)
  expect(seenOf(presence, 'bob', T + 30_000).lastSeen).toBe(T + 10_000)
  expect(seenOf(presence, 'ann', T + 30_000).lastSeen).toBe(T + 10_000)
})

test('[R13] a clock that is ahead for a moment ends no choice; after an hour it does', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', tab('s1'), T)
  presence.setStatus('ann', { status: 'offline', expiresAt: T + 2 * HOUR }, T)
  const ahead = 40 * 24 * HOUR
  presence.jumped(ahead, T + ahead)
  expect(says(presence.advance(T + ahead, 10))).toEqual([])
  presence.jumped(-ahead, T + 1_000)
  expect(says(presence.advance(T + 2 * HOUR - 1, 10))).toEqual([])
  presence.jumped(ahead, T + 2 * HOUR - 1 + ahead)
  expect(says(presence.advance(T + 2 * HOUR + ahead, 10))).toEqual(['ann online'])
  presence.setStatus('ann', { status: 'busy', expiresAt: T + 9 * HOUR }, T + 2 * HOUR + ahead)
  presence.jumped(-ahead, T + 2 * HOUR)
  presence.setStatus('ann', { status: 'busy', expiresAt: T + 9 * HOUR }, T + 2 * HOUR)
  presence.jumped(ahead, T + 3 * HOUR + ahead)
  expect(says(presence.advance(T + 3 * HOUR + ahead, 10))).toEqual([])
  expect(says(presence.advance(T + 4 * HOUR + ahead, 10))).toEqual(['ann online'])
})

/** Starts the next process at `now`, with the records of `before`. */
function restarted(before: OneNode, now: number, knownTime: number, latestTime: number): OneNode {
  const presence = new OneNode(DEFAULTS)
  presence.restore([...before.records()], now, { knownTime, latestTime })
  return presence
}

test('[R11] timestamps of a process whose clock was ahead are correct in the next process', () => {
  const ahead = 40 * DAY
  const before = new OneNode(DEFAULTS)
  before.restore([], T + ahead, { knownTime: T - DAY, latestTime: T - 1_000 })
  for (const userId of ['ann', 'bob', 'eve']) before.open(userId, tab(userId), T + ahead)
  before.leave('ann', 'ann', T + ahead + 1_000)
  before.heard('bob', T + ahead + HOUR)
  before.leave('bob', 'bob', T + ahead + HOUR)
  // Killed, and started again a minute later.
  const now = T + HOUR + 60_000
  const presence = restarted(before, now, T - DAY + HOUR, T + ahead + HOUR)
  expect(presence.see('bob').lastSeen).toBe(now)
  expect(presence.see('ann').lastSeen).toBe(now - HOUR)
  // A sign of life counts more than what is stored.
  presence.open('eve', tab('s'), now + 1_000)
  presence.leave('eve', 's', now + 2_000)
  expect(seenOf(presence, 'eve', now + 9_000).lastSeen).toBe(now + 1_000)
  expect(presence.record('ann')?.lastSeen).toBe(T + ahead)
  // A clock that was set back an hour ago is believed.
  expect(presence.advance(now + HOUR, 10).dirty).toEqual(expect.arrayContaining(['ann', 'bob']))
  expect(presence.record('ann')?.lastSeen).toBe(now - HOUR)
  expect(seenOf(presence, 'ann', T + 50 * DAY).lastSeen).toBe(now - HOUR)
})

test('[R11] a timestamp in the future is kept as long as the clock may be behind', () => {
  const records = [offlineUser('ann', T - HOUR)]
  const presence = new OneNode(DEFAULTS)
  presence.restore(records, T - 40 * DAY, { knownTime: T, latestTime: T })
  expect(presence.see('ann').lastSeen).toBe(T - 40 * DAY - HOUR)
  presence.advance(T - 40 * DAY + 3 * HOUR, 10)
  expect([...presence.records()]).toEqual(records)
  presence.jumped(40 * DAY, T + 3 * HOUR)
  expect(presence.see('ann').lastSeen).toBe(T - HOUR)
})

test('[R11] when a clock that was ahead at the start is set back, users who left before that keep the time since then', () => {
  const ahead = 40 * DAY
  const presence = new OneNode(DEFAULTS)
  presence.restore([], T + ahead, { knownTime: T, latestTime: T + ahead })
  presence.open('ann', tab('s'), T + ahead)
  presence.leave('ann', 's', T + ahead)
  presence.jumped(-ahead, T + 60_000)
  expect(presence.see('ann').lastSeen).toBe(T)
  expect(seenOf(presence, 'ann', T + HOUR).lastSeen).toBe(T)
})

test.each([
  ['set back while it runs', T, -40 * DAY],
  ['not set yet at the start', 0, 0],
])('[R11] timestamps of a clock that was %s are correct after a kill', (_, start, jump) => {
  const before = new OneNode(DEFAULTS)
  before.restore([], start, { knownTime: T, latestTime: T })
  if (jump !== 0) before.jumped(jump, start + jump)
  const now = start + jump
  before.open('ann', tab('s'), now + 1_000)
  before.open('bob', tab('s'), now + 1_000)
  before.leave('ann', 's', now + 2_000)
  expect(before.see('ann').lastSeen).toBe(now + 1_000)
  expect(before.storedTime(now + 2_000)).toBe(T + 2_000)
  const presence = restarted(before, T + 60_000, before.knownTime(now + 2_000), T + 2_000)
  expect(presence.see('ann').lastSeen).toBe(T + 1_000)
  expect(presence.see('bob').lastSeen).toBe(T + 1_000)
})

test('[R11] what was stored before the clock was first set is moved to the time before that', () => {
  const before = new OneNode(DEFAULTS)
  before.restore([], 1_000)
  before.open('ann', tab('s'), 2_000)
  before.leave('ann', 's', 2_000)
  const presence = restarted(before, T, before.knownTime(62_000), 62_000)
  expect(presence.see('ann').lastSeen).toBe(T - 60_000)
  // Stored at once, because the next process could not detect it any more.
  expect(presence.nextDeadline).toBeLessThanOrEqual(T)
  expect(presence.advance(T, 10).dirty).toEqual(['ann'])
  expect(presence.knownTime(T + 1_000)).toBe(T + 1_000)
  expect(presence.forgetStale(T + 29 * DAY, 10).dirty).toEqual([])
  expect(presence.forgetStale(T + 30 * DAY, 10).dirty).toEqual(['ann'])
})

test('[R9 R11] the known time starts when the clock is first set', () => {
  const presence = new OneNode(DEFAULTS)
  presence.restore([], 1_000)
  presence.open('ann', tab('s'), 2_000)
  presence.leave('ann', 's', 2_000)
  presence.jumped(T, T + 3_000)
  expect(presence.see('ann').lastSeen).toBe(T + 2_000)
  expect(presence.knownTime(T + 4_000)).toBe(T + 4_000)
})

test('[R13] a clock that is ahead at the start ends no earlier choice, and delays no new choice', () => {
  const hidden: PresenceRecord = {
    ...offlineUser('ann', T - HOUR),
    session: 'live',
    status: 'offline',
    expiresAt: T + 10 * HOUR,
  }
  for (const isRight of [true, false]) {
    const ahead = 40 * DAY
    const presence = new OneNode(DEFAULTS)
    presence.restore([hidden], T + ahead, { knownTime: T, latestTime: T })
    presence.open('ann', tab('s'), T + ahead)
    presence.open('bob', tab('s'), T + ahead)
    presence.setStatus('bob', { status: 'busy', expiresAt: T + ahead + 60_000 }, T + ahead)
    expect(says(presence.advance(T + ahead + 60_000, 10))).toEqual(['bob online'])
    if (isRight) {
      // No server ran for 40 days: choices end late, but they do end.
      expect(says(presence.advance(T + ahead + HOUR, 10))).toEqual(['ann online'])
    } else {
      presence.jumped(-ahead, T + 2 * HOUR)
      expect(says(presence.advance(T + 10 * HOUR - 1, 10))).toEqual([])
      expect(says(presence.advance(T + 10 * HOUR, 10))).toEqual(['ann online'])
    }
  }
})

test('[R13] a jump delays the ends of earlier choices, but not of later ones', () => {
  const presence = new OneNode(DEFAULTS)
  for (const userId of ['ann', 'bob']) presence.open(userId, tab('s'), T)
  presence.setStatus('ann', { status: 'offline', expiresAt: T + HOUR }, T)
  const ahead = 2 * HOUR
  presence.jumped(ahead, T + ahead)
  presence.setStatus('bob', { status: 'busy', expiresAt: T + ahead + 1_000 }, T + ahead)
  expect(says(presence.advance(T + ahead + 1_000, 10))).toEqual(['bob online'])
  // This end can only come from a client whose clock is right.
  presence.setStatus('bob', { status: 'busy', expiresAt: T + 5_000 }, T + ahead + 2_000)
  expect(presence.see('bob').status).toBe('busy')
  presence.setStatus('bob', { status: 'busy', expiresAt: T + ahead + 9_000 }, T + ahead + 2_500)
  // After another jump, the end of this choice is delayed too.
  presence.jumped(ahead, T + 2 * ahead + 3_000)
  expect(says(presence.advance(T + 2 * ahead + 8_000, 10))).toEqual([])
  presence.jumped(-2 * ahead, T + 9_000)
  presence.setStatus('bob', { status: 'online' }, T + 9_000)
  expect(says(presence.advance(T + HOUR, 10))).toEqual(['ann online'])
})

test('[R13] a clock is not believed an hour after an earlier jump', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', tab('s'), T)
  presence.setStatus('ann', { status: 'offline', expiresAt: T + 10 * HOUR }, T)
  presence.jumped(10_000, T + 10_000)
  const ahead = 40 * DAY
  presence.jumped(ahead, T + HOUR + ahead)
  expect(says(presence.advance(T + HOUR + 20_000 + ahead, 10))).toEqual([])
  presence.jumped(-ahead, T + HOUR + 30_000)
  expect(presence.storedTime(T + HOUR + 30_000)).toBe(T + HOUR + 30_000)
  expect(says(presence.advance(T + 10 * HOUR - 1, 10))).toEqual([])
  expect(says(presence.advance(T + 10 * HOUR, 10))).toEqual(['ann online'])
})

test('[R13] a user who hides until a time of a clock that was not set yet stays hidden in the next process', () => {
  const before = new OneNode(DEFAULTS)
  before.restore([], 1_000)
  before.open('ann', tab('s'), 2_000)
  before.setStatus('ann', { status: 'offline', expiresAt: 10 * HOUR }, 2_000)
  const presence = restarted(before, T, before.knownTime(62_000), 62_000)
  presence.open('ann', tab('s'), T + 1_000)
  expect(presence.see('ann').status).toBe('offline')
  expect(says(presence.advance(T + HOUR - 1, 10))).toEqual([])
  expect(says(presence.advance(T + HOUR, 10))).toEqual(['ann online'])
})

test('[R11] a timestamp from before a set-back stays corrected when the clock passes it', () => {
  // The clock is 30 minutes ahead. One user left in an earlier process, and one leaves in this one.
  const ahead = HOUR / 2
  const presence = new OneNode(DEFAULTS)
  presence.restore([offlineUser('bob', T + ahead - 60_000)], T + ahead, {
    knownTime: T,
    latestTime: T + ahead,
  })
  presence.open('ann', tab('s'), T + ahead)
  presence.leave('ann', 's', T + ahead)
  const next = restarted(presence, T + 60_000, T, T + ahead)
  presence.jumped(-ahead, T + 60_000)
  for (const now of [T + 60_000, T + ahead, T + 2 * HOUR]) {
    presence.advance(now, 10)
    expect(seenOf(presence, 'ann', now).lastSeen).toBe(T)
    expect(seenOf(presence, 'bob', now).lastSeen).toBe(T - 60_000)
    // The time between the last stored time and the start is not known.
    next.advance(now, 10)
    expect(seenOf(next, 'ann', now).lastSeen).toBe(T + 60_000)
    expect(seenOf(next, 'bob', now).lastSeen).toBe(T)
  }
  expect(presence.record('ann')?.lastSeen).toBe(T)
})

test('[R9 R11] a user who left between two set-backs is moved by the second only, and not forgotten', () => {
  const presence = new OneNode(DEFAULTS)
  const [ahead, zone] = [40 * DAY, 2 * HOUR]
  presence.open('ann', tab('s'), T + ahead + zone)
  presence.leave('ann', 's', T + ahead + zone)
  presence.jumped(-ahead, T + zone)
  presence.open('bob', tab('s'), T + zone + 60_000)
  presence.leave('bob', 's', T + zone + 60_000)
  presence.jumped(-zone, T + 120_000)
  const check = (now: number) => {
    expect(seenOf(presence, 'ann', now).lastSeen).toBe(T)
    expect(seenOf(presence, 'bob', now).lastSeen).toBe(T + 60_000)
  }
  check(T + 120_000)
  // The clock is set further back for a moment.
  presence.jumped(-ahead, T - ahead + 180_000)
  presence.jumped(ahead, T + 180_000)
  check(T + 180_000)
  expect(presence.advance(T + 2 * HOUR, 10).dirty).toEqual(expect.arrayContaining(['ann', 'bob']))
  check(T + 2 * HOUR)
  expect(presence.record('bob')?.lastSeen).toBe(T + 60_000)
  expect(presence.forgetStale(T + 2 * HOUR, 10).dirty).toEqual([])
})

test('[R11] no later jump makes a timestamp in the future look recent', () => {
  for (const jumps of [[10_000], [HOUR, -HOUR], [-DAY, DAY]]) {
    const presence = new OneNode(DEFAULTS)
    const stored = T + 40 * DAY - HOUR
    presence.restore([offlineUser('ann', stored)], T, { knownTime: T - DAY, latestTime: T + 40 * DAY })
    let now = T + HOUR / 2
    for (const ms of jumps) {
      now += ms
      presence.jumped(ms, now)
    }
    expect(seenOf(presence, 'ann', now).lastSeen).toBe(T - HOUR)
    expect(presence.record('ann')?.lastSeen).toBe(stored)
    now += HOUR
    presence.advance(now, 10)
    expect(presence.record('ann')?.lastSeen).toBe(T - HOUR)
  }
})

test('[R11] timestamps in the future of a clock that was not set yet are correct when it is set', () => {
  // One process with a clock that was ahead, then one with a clock that was not set yet.
  const presence = new OneNode(DEFAULTS)
  const records = [offlineUser('ann', T - DAY), offlineUser('bob', T + 40 * DAY)]
  presence.restore(records, 1_000, { knownTime: T, latestTime: T + 40 * DAY })
  expect(presence.see('bob').lastSeen).toBe(1_000)
  presence.jumped(T, T + 2_000)
  expect(presence.see('ann').lastSeen).toBe(T - DAY)
  expect(presence.see('bob').lastSeen).toBe(T + 1_000)
})

// Too slow to run once per mutant.
test.skipIf(HAS_FEW_GAMES)(
  '[I10 R11] no step exceeds its limit, however many timestamps are replaced or corrected',
  () => {
    // More than the maximum number of arguments of a call.
    const many = 130_000
    const presence = new OneNode(DEFAULTS)
    const records = Array.from({ length: many }, (_, n) => offlineUser(`u${n}`, T + HOUR - n))
    presence.restore(records, T, { knownTime: T, latestTime: T + HOUR })
    let dirty = 0
    let largest = 0
    do {
      const step = presence.advance(T + HOUR, 500).dirty.length
      dirty += step
      largest = Math.max(largest, step)
    } while (presence.nextDeadline <= T + HOUR)
    // Each user once when the timestamp is moved, and once when it is replaced.
    expect([dirty, largest]).toEqual([2 * many, 500])
    const ahead = 40 * DAY
    presence.jumped(ahead, T + HOUR + ahead)
    for (let n = 0; n < many; n++) {
      presence.open(`u${n}`, tab('s'), T + HOUR + ahead)
      presence.leave(`u${n}`, 's', T + HOUR + ahead)
    }
    expect(presence.jumped(-ahead, T + HOUR).dirty).toHaveLength(many)
  },
)

test('[R11] many small corrections back do not make the clock seem to be behind', () => {
  const presence = new OneNode(DEFAULTS)
  presence.restore([], T, { knownTime: T, latestTime: T })
  let now = T
  for (let n = 0; n < 24; n++) {
    now += HOUR - 1_000
    presence.leaveOut(-1_000)
    presence.advance(now, 10)
  }
  expect(presence.knownTime(now)).toBe(now)
  const next = restarted(presence, now + 1_000, presence.knownTime(now), now)
  expect(next.storedTime(now + 1_000)).toBe(now + 1_000)
})

test('[R8] after a pause of the machine, which only the wall clock shows, clients have the restart grace', () => {
  const presence = new OneNode(DEFAULTS)
  for (const userId of ['ann', 'bob', 'eve']) presence.open(userId, tab(userId), T)
  presence.lose('ann', 'ann', T)
  const now = T + 60_000
  presence.jumped(60_000, now)
  presence.lose('bob', 'bob', now + 1_000)
  expect(says(presence.advance(now + 14_999, 10))).toEqual([])
  presence.open('bob', tab('b2'), now + 14_999)
  expect(says(presence.advance(now + 15_000, 10))).toEqual(['ann offline'])
  // A session that is lost later has the usual grace period.
  presence.lose('eve', 'eve', now + 20_000)
  expect(says(presence.advance(now + 25_000, 10))).toEqual(['eve offline'])
})

function offlineUser(userId: string, lastSeen: number): PresenceRecord {
  return { userId, session: 'none', status: 'offline', lastSeen }
}

test('[R11] what one process has measured about a wrong clock stays known, whatever later clocks show', () => {
  const first = new OneNode(DEFAULTS)
  first.restore([], T, { knownTime: T, latestTime: T })
  first.jumped(HOUR, T + HOUR)
  first.open('ann', tab('s'), T + HOUR)
  first.leave('ann', 's', T + HOUR)
  const second = restarted(first, T + 60_000, T, T + HOUR + 60_000)
  expect(second.see('ann').lastSeen).toBe(T)
  // Its clock is wrong too for a moment, and by more.
  second.jumped(40 * DAY, T + 40 * DAY + 70_000)
  second.open('bob', tab('s'), T + 40 * DAY + 70_000)
  second.leave('bob', 's', T + 40 * DAY + 70_000)
  expect(second.see('ann').lastSeen).toBe(T)
  const third = restarted(second, T + 80_000, T + 70_000, T + 40 * DAY + 80_000)
  expect(third.see('ann').lastSeen).toBe(T)
  expect(third.see('bob').lastSeen).toBe(T + 70_000)
  // The next one starts before its clock is set.
  const fourth = restarted(third, 1_000, T + 90_000, T + 90_000)
  expect(fourth.see('ann').lastSeen).toBe(1_000)
  fourth.jumped(T, T + 100_000)
  expect(fourth.see('ann').lastSeen).toBe(T)
  expect(fourth.see('bob').lastSeen).toBe(T + 70_000)
  fourth.jumped(-DAY, T + 101_000 - DAY)
  fourth.jumped(DAY, T + 102_000)
  expect(fourth.see('ann').lastSeen).toBe(T)
})

test('[R9 R11] a clock that jumps away and back was wrong in between, even if it is not known to be right now', () => {
  for (const wrong of [-T, -40 * DAY, 40 * DAY]) {
    // The server starts while its clock is an hour ahead. Then the clock is set right, but the server can't know that.
    const presence = new OneNode(DEFAULTS)
    presence.restore([], T + HOUR, { knownTime: T, latestTime: T + HOUR })
    presence.jumped(-HOUR, T)
    for (const again of [0, 60_000]) {
      presence.jumped(wrong, T + again + wrong)
      presence.open('ann', tab('s'), T + again + wrong)
      presence.leave('ann', 's', T + again + wrong + 1_000)
      const now = T + again + 2_000
      expect(presence.jumped(-wrong, now).dirty).toEqual(['ann'])
      expect(seenOf(presence, 'ann', now).lastSeen).toBe(T + again)
      expect(presence.forgetStale(now, 10).dirty).toEqual([])
    }
    // If the clock at the start was right after all, the time is corrected once more.
    presence.jumped(HOUR, T + HOUR + 90_000)
    expect(seenOf(presence, 'ann', T + HOUR + 90_000).lastSeen).toBe(T + HOUR + 60_000)
  }
})

test('[R9] a user who left while the clock was far behind is not forgotten while the clock is in doubt', () => {
  const presence = new OneNode(DEFAULTS)
  presence.restore([], T, { knownTime: T, latestTime: T })
  presence.jumped(-400 * DAY, T - 400 * DAY)
  presence.open('ann', tab('s'), T - 400 * DAY)
  presence.leave('ann', 's', T - 400 * DAY)
  // The clock is set, but not to where it was.
  presence.jumped(400 * DAY + HOUR, T + HOUR)
  expect(presence.forgetStale(T + HOUR, 10).dirty).toEqual([])
  expect(presence.record('ann')?.lastSeen).toBe(T)
})

test('[R11] a start with a clock that is ahead does not change what an earlier process has measured', () => {
  for (const ahead of [HOUR / 2, 40 * DAY]) {
    // The first process wrote a time with a clock that was an hour ahead, and the second one has noticed that.
    const record = { ...offlineUser('ann', T + HOUR), aheadMs: HOUR }
    const third = new OneNode(DEFAULTS)
    third.restore([record], T + ahead + 60_000, { knownTime: T, latestTime: T + 60_000 })
    expect(seenOf(third, 'ann', T + ahead + 60_000).lastSeen).toBe(T)
    third.jumped(-ahead, T + 61_000)
    expect(seenOf(third, 'ann', T + 61_000).lastSeen).toBe(T)
    expect(third.record('ann')).toMatchObject(record)
  }
})

test('[R11] a user who was not visible yet at a restart is shown earlier by a set-back too', () => {
  const presence = new OneNode({ ...DEFAULTS, maxKnown: 1, changePace: { burst: 1, everyMs: 10_000 } })
  presence.open('ann', tab('s'), T)
  presence.leave('ann', 's', T)
  expect(says(presence.advance(T + 10_000, 10))).toEqual(['ann offline'])
  // Ann is forgotten and comes back, and the rate limit delays that she is visible.
  presence.open('bob', tab('s'), T + 10_000)
  expect(says(presence.open('ann', tab('s'), T + 11_000))).toEqual([])
  const next = restarted(presence, T + 12_000 - DAY, T + 12_000, T + 12_000)
  next.advance(T + 2 * DAY, 10)
  expect(seenOf(next, 'ann', T + 2 * DAY)).toMatchObject({ status: 'offline', lastSeen: T + 11_000 - DAY })
})
