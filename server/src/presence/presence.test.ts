import { expect, test } from 'vitest'
import type { BucketPlace } from './buckets.ts'
import { Presence } from './presence.ts'
import { HAS_FEW_GAMES } from './testing/games.ts'
import { OneNode } from './testing/one-node.ts'
import { DEFAULTS } from './testing/options.ts'
import { HOUR, named, says, T, tab } from './testing/scenario.ts'

test('[R1] a user is online with the first session and offline with the last', () => {
  const presence = new OneNode(DEFAULTS)
  expect(says(presence.open('ann', tab('s1'), T))).toEqual(['ann online'])
  expect(says(presence.open('ann', tab('s2'), T + 1))).toEqual([])
  expect(presence.onlineCount).toBe(1)
  expect(says(presence.leave('ann', 's1', T + 2))).toEqual([])
  presence.heard('ann', T + 3)
  expect(says(presence.leave('ann', 's2', T + 4))).toEqual(['ann offline'])
  expect(presence.see('ann')).toMatchObject({ status: 'offline', lastSeen: T + 3 })
})

test('[R2] a lost session is held for the grace period, and a return within it is no change', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', tab('s1'), T)
  presence.heard('ann', T + 1_000)
  expect(says(presence.lose('ann', 's1', T + 2_000))).toEqual([])
  expect(says(presence.advance(T + 6_999, 10))).toEqual([])
  expect(says(presence.open('ann', tab('s2'), T + 6_999))).toEqual([])
  expect(says(presence.advance(T + 60_000, 10))).toEqual([])
  presence.lose('ann', 's2', T + 60_000)
  expect(says(presence.advance(T + 65_000, 10))).toEqual(['ann offline'])
  expect(presence.see('ann').lastSeen).toBe(T + 6_999)
  expect(presence.nextDeadline).toBe(Number.POSITIVE_INFINITY)
})

test('[R2] a deadline from before the user left does not affect the user after the return', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', tab('s1'), T, { username: 'Ann' })
  presence.lose('ann', 's1', T)
  presence.open('ann', tab('s2'), T + 1_000)
  expect(says(presence.leave('ann', 's2', T + 1_001))).toEqual(['ann offline'])
  expect(says(presence.open('ann', tab('s3'), T + 1_002))).toEqual(['ann online'])
  presence.lose('ann', 's3', T + 1_002)
  expect(presence.advance(T + 6_001, 10)).toMatchObject({ changes: [], dirty: [], choices: [] })
  expect(says(presence.advance(T + 6_002, 10))).toEqual(['ann offline'])
  expect(presence.see('ann')).toMatchObject({ username: 'Ann', lastSeen: T + 1_002 })
})

test('[R3] a user who was present before a restart is held for the restart grace and keeps lastSeen', () => {
  const presence = new OneNode(DEFAULTS)
  presence.restore(
    [
      { userId: 'ann', session: 'live', status: 'online', lastSeen: T - 500 },
      { userId: 'bob', session: 'live', status: 'online', lastSeen: T - 700 },
      { userId: 'eve', session: 'none', status: 'offline', lastSeen: T - 900, username: 'Eve' },
    ],
    T,
  )
  expect(presence.onlineCount).toBe(2)
  expect(says(presence.open('ann', tab('s1'), T + 14_999))).toEqual([])
  expect(says(presence.advance(T + 15_000, 10))).toEqual(['bob offline'])
  expect(presence.see('bob').lastSeen).toBe(T - 700)
  expect(presence.see('eve')).toEqual({
    userId: 'eve',
    status: 'offline',
    lastSeen: T - 900,
    username: 'Eve',
    text: undefined,
    expiresAt: undefined,
  })
})

test('[R4] the choice offline looks like leaving at that moment, until another choice or until the user leaves', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', tab('s1'), T)
  presence.heard('ann', T + 10)
  expect(says(presence.setStatus('ann', { status: 'offline' }, T + 11))).toEqual(['ann offline'])
  presence.heard('ann', T + 5_000)
  expect(presence.see('ann').lastSeen).toBe(T + 10)
  expect(says(presence.open('ann', tab('s2'), T + 6_000))).toEqual([])
  expect(says(presence.leave('ann', 's1', T + 7_000))).toEqual([])
  expect(says(presence.leave('ann', 's2', T + 7_000))).toEqual([])
  expect(presence.see('ann').lastSeen).toBe(T + 10)
  expect(says(presence.open('ann', tab('s3'), T + 8_000))).toEqual(['ann online'])
  expect(presence.see('ann').lastSeen).toBe(T + 8_000)
})

test('[R5] a hidden user stays hidden over a lost connection and over a restart', () => {
  const before = new OneNode(DEFAULTS)
  before.open('ann', tab('s1'), T)
  before.setStatus('ann', { status: 'offline' }, T)
  before.lose('ann', 's1', T + 1)
  expect(says(before.open('ann', tab('s2'), T + 2))).toEqual([])
  const after = new OneNode(DEFAULTS)
  after.restore([...before.records()], T + 3)
  expect(says(after.open('ann', tab('s3'), T + 4))).toEqual([])
  expect(after.onlineCount).toBe(0)
  expect(says(after.setStatus('ann', { status: 'online' }, T + 5))).toEqual(['ann online'])
})

test('[R6] beyond a burst, changes become visible at a limited rate, and the last state always does', () => {
  const presence = new OneNode(DEFAULTS)
  let shown = 0
  presence.open('ann', tab('s0'), T)
  for (let flap = 1; flap <= 30_000; flap += 10) {
    shown += presence.setStatus('ann', { status: flap % 20 === 1 ? 'offline' : 'online' }, T + flap).changes
      .length
    shown += presence.advance(T + flap, 10).changes.length
  }
  expect(shown).toBeGreaterThan(8)
  expect(shown).toBeLessThanOrEqual(20)
  presence.setStatus('ann', { status: 'online' }, T + 30_000)
  presence.advance(T + 36_000, 10)
  expect(presence.see('ann').status).toBe('online')
  expect(says(presence.setStatus('ann', { status: 'offline' }, T + 36_001))).toEqual(['ann offline'])
})

test('[R7] a leave beyond the rate limit is held like a lost session', () => {
  const presence = new OneNode({ ...DEFAULTS, changePace: { burst: 2, everyMs: 3_000 } })
  presence.open('ann', tab('s1'), T)
  expect(says(presence.leave('ann', 's1', T + 1))).toEqual([])
  expect(says(presence.open('ann', tab('s2'), T + 2))).toEqual([])
  expect(says(presence.leave('ann', 's2', T + 3))).toEqual([])
  expect(says(presence.advance(T + 2_999, 10))).toEqual([])
  expect(says(presence.advance(T + 3_000, 10))).toEqual(['ann offline'])
  expect(presence.see('ann').lastSeen).toBe(T + 2)
  // The leave waited until the return was allowed too.
  expect(says(presence.open('ann', tab('s3'), T + 3_001))).toEqual(['ann online'])
})

test('[R7] a user who returns during a delayed leave has the same choice as before', () => {
  const presence = new OneNode({ ...DEFAULTS, changePace: { burst: 2, everyMs: 3_000 } })
  presence.open('ann', tab('s1'), T)
  presence.setStatus('ann', { status: 'busy', text: 'in a call' }, T)
  expect(says(presence.leave('ann', 's1', T + 1))).toEqual([])
  expect(presence.record('ann')).toMatchObject({ session: 'held', status: 'busy', text: 'in a call' })
  expect(says(presence.open('ann', tab('s2'), T + 2))).toEqual([])
  expect(says(presence.advance(T + 60_000, 10))).toEqual([])
  expect(presence.see('ann')).toMatchObject({ status: 'busy', text: 'in a call' })
  presence.leave('ann', 's2', T + 60_000)
  expect(says(presence.open('ann', tab('s3'), T + 70_000))).toEqual(['ann online'])
})

test('[R8] a short suspension does not shorten a grace period', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', tab('s1'), T)
  presence.lose('ann', 's1', T)
  presence.suspended(4_999, T + 6_000)
  expect(says(presence.advance(T + 9_998, 10))).toEqual([])
  expect(says(presence.advance(T + 9_999, 10))).toEqual(['ann offline'])
})

test('[R8] after a suspension that clients have noticed, they have the restart grace to return', () => {
  const presence = new OneNode(DEFAULTS)
  for (const userId of ['lost before', 'lost after', 'here']) presence.open(userId, tab(userId), T)
  presence.lose('lost before', 'lost before', T)
  presence.suspended(20_000, T + 21_000)
  presence.lose('lost after', 'lost after', T + 22_000)
  expect(says(presence.advance(T + 35_999, 10))).toEqual([])
  const offline = ['lost before offline', 'lost after offline']
  expect(says(presence.advance(T + 36_000, 10)).toSorted()).toEqual(offline.toSorted())
  presence.lose('here', 'here', T + 40_000)
  expect(says(presence.advance(T + 45_000, 10))).toEqual(['here offline'])
})

test('[R9] offline users are forgotten because of their age or the limit, present users never', () => {
  const presence = new OneNode({ ...DEFAULTS, maxKnown: 3, keepMs: 1_000 })
  presence.open('ann', tab('s1'), T)
  presence.open('bob', tab('s2'), T)
  presence.leave('bob', 's2', T)
  presence.open('eve', tab('s3'), T + 5)
  presence.leave('eve', 's3', T + 5)
  expect(presence.open('joe', tab('s4'), T + 6).dirty).toEqual(['joe', 'bob'])
  expect(presence.see('bob').lastSeen).toBeNull()
  expect(presence.record('bob')).toBeUndefined()
  expect(presence.forgetStale(T + 2_000, 10).dirty).toEqual(['eve'])
  expect(presence.knownCount).toBe(2)
})

test('[R10] the list has the online users first and ends at its limit', () => {
  const presence = new OneNode(DEFAULTS)
  for (const id of ['a', 'b', 'c', 'd']) presence.open(id, tab(id), T)
  presence.leave('a', 'a', T)
  presence.leave('c', 'c', T)
  expect([...presence.list(10)].map(user => user.userId)).toEqual(['b', 'd', 'a', 'c'])
  expect([...presence.list(3)].map(user => user.userId)).toEqual(['b', 'd', 'a'])
  expect([...presence.list(1)].map(user => user.userId)).toEqual(['b'])
})

test('[I9] after all users have left there is no deadline', () => {
  const presence = new OneNode(DEFAULTS)
  for (let n = 0; n < 1_000; n++) presence.open(`u${n}`, tab('s'), T)
  for (let n = 0; n < 1_000; n++) presence[n % 2 ? 'lose' : 'leave'](`u${n}`, 's', T + n)
  let rounds = 0
  while (presence.nextDeadline <= T + 60_000) rounds += presence.advance(T + 60_000, 100) ? 1 : 0
  expect(rounds).toBe(5)
  expect(presence.onlineCount).toBe(0)
})

test('[R4] a new name of a hidden user becomes visible together with the user', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', tab('s1'), T)
  presence.setStatus('ann', { status: 'offline' }, T)
  expect(presence.identify('ann', 'Ann', T).dirty).toEqual(['ann'])
  expect(presence.see('ann').username).toBeUndefined()
  expect(presence.record('ann')).toMatchObject({ newUsername: 'Ann' })
  presence.leave('ann', 's1', T + 1)
  expect(presence.see('ann').username).toBeUndefined()
  presence.open('ann', tab('s2'), T + 2)
  expect(presence.see('ann').username).toBe('Ann')
})

test('[R12] a user who chose online is away when idle in every session', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', tab('s1'), T)
  presence.open('ann', tab('s2'), T)
  expect(says(presence.setActivity('ann', 's1', 'idle', T))).toEqual([])
  expect(says(presence.setActivity('ann', 's2', 'idle', T))).toEqual(['ann away'])
  expect(presence.onlineCount).toBe(1)
  expect(says(presence.setStatus('ann', { status: 'busy' }, T))).toEqual(['ann busy'])
  expect(says(presence.setActivity('ann', 's1', 'active', T))).toEqual([])
  expect(says(presence.setStatus('ann', { status: 'online' }, T))).toEqual(['ann online'])
  expect(says(presence.setActivity('ann', 'unknown', 'idle', T))).toEqual([])
  // The lost session counts with its last activity, and the session that replaces it takes that over.
  presence.lose('ann', 's1', T + 1)
  expect(says(presence.open('ann', tab('s3'), T + 2))).toEqual([])
  expect(says(presence.setActivity('ann', 's3', 'idle', T + 3))).toEqual(['ann away'])
})

test('[R19] a session whose activity is not renewed is idle, live or held, and a renewal is not stored', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', tab('s1'), T)
  presence.setActivity('ann', 's1', 'active', T, 10_000)
  expect(presence.setActivity('ann', 's1', 'active', T + 4_000, 10_000).dirty).toEqual([])
  expect(presence.nextDeadline).toBeLessThanOrEqual(T + 14_000)
  expect(says(presence.advance(T + 13_999, 10))).toEqual([])
  const { changes, dirty } = presence.advance(T + 14_000, 10)
  expect(changes).toMatchObject([{ status: 'away', cause: 'idle' }])
  expect(dirty).toEqual(['ann'])
  expect(presence.nextDeadline).toBe(Number.POSITIVE_INFINITY)
  expect(says(presence.setActivity('ann', 's1', 'active', T + 20_000, 3_000))).toEqual(['ann online'])
  // The grace period is longer than the rest of the activity.
  presence.lose('ann', 's1', T + 20_000)
  expect(says(presence.advance(T + 23_000, 10))).toEqual(['ann away'])
})

test('[R13] a choice with an end falls back to online, by the wall clock', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', tab('s1'), T)
  const exam = { status: 'busy', text: 'exam', expiresAt: T + 10_000 } as const
  expect(presence.setStatus('ann', exam, T)).toMatchObject({
    choices: [{ userId: 'ann' }],
    changes: [{ status: 'busy' }],
  })
  expect(presence.see('ann')).toMatchObject({ status: 'busy', text: 'exam', expiresAt: T + 10_000 })
  expect(presence.setStatus('ann', exam, T + 1)).toMatchObject({ choices: [], changes: [] })
  presence.suspended(8_000, T + 9_000)
  expect(presence.nextDeadline).toBe(T + 10_000)
  expect(presence.advance(T + 10_000, 10)).toMatchObject({
    choices: [{ userId: 'ann' }],
    changes: [{ status: 'online' }],
  })
  expect(presence.see('ann')).toMatchObject({ status: 'online', text: undefined })
})

test('[R13] a choice that ends while its user has no session has expired, also if nothing was advanced before the return', () => {
  const presence = new OneNode({ ...DEFAULTS, changePace: { burst: 1, everyMs: 20 } })
  presence.open('ann', tab('s'), T, { choice: { status: 'busy', expiresAt: T + 20 } })
  // The rate limit delays the change to offline.
  presence.leave('ann', 's', T + 1)
  const { changes } = presence.open('ann', tab('s'), T + 20)
  expect(changes).toMatchObject([{ previousStatus: 'busy', status: 'online', cause: 'expired' }])
})

test('[R13] a choice that has not ended applies again after a return; a choice without an end does not', () => {
  const presence = new OneNode(DEFAULTS)
  for (const [userId, expiresAt] of [
    ['ann', T + 10_000],
    ['bob', undefined],
  ] as const) {
    presence.open(userId, tab('s'), T)
    presence.setStatus(userId, { status: 'offline', expiresAt }, T)
    presence.leave(userId, 's', T + 1)
  }
  const after = new OneNode(DEFAULTS)
  after.restore([...presence.records()], T + 2)
  for (const world of [presence, after]) {
    expect(says(world.open('ann', tab('s'), T + 3))).toEqual([])
    expect(says(world.open('bob', tab('s'), T + 3))).toEqual(['bob online'])
    expect(says(world.advance(T + 10_000, 10))).toEqual(['ann online'])
  }
})

test('[R14] a text, its end and a name are changes like any other, and an arrival is one change', () => {
  const presence = new OneNode({ ...DEFAULTS, changePace: { burst: 2, everyMs: 3_000 } })
  expect(presence.open('ann', tab('s1'), T, { username: 'Ann' }).changes).toHaveLength(1)
  expect(presence.see('ann').username).toBe('Ann')
  expect(presence.identify('ann', 'Anna', T).changes).toMatchObject([
    { userId: 'ann', status: 'online', previousStatus: 'online', at: T, cause: 'renamed' },
  ])
  expect(presence.setStatus('ann', { status: 'online', text: 'hi' }, T).changes).toEqual([])
  expect(presence.see('ann').text).toBeUndefined()
  expect(presence.advance(T + 3_000, 10).changes).toHaveLength(1)
  expect(presence.see('ann').text).toBe('hi')
})

test('[R14] a new name of an offline user waits until the user is visible, also over a restart', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', tab('s1'), T, { username: 'Ann' })
  presence.leave('ann', 's1', T + 1)
  expect(presence.identify('ann', 'Ann', T + 2).dirty).toEqual([])
  expect(presence.identify('ann', 'Anna', T + 2).dirty).toEqual(['ann'])
  expect(presence.identify('ann', 'Ann', T + 3).dirty).toEqual(['ann'])
  expect(presence.record('ann')).not.toHaveProperty('newUsername')
  presence.identify('ann', 'Anna', T + 4)
  const after = new OneNode(DEFAULTS)
  after.restore([...presence.records()], T + 5)
  for (const world of [presence, after]) {
    expect(world.see('ann')).toMatchObject({ username: 'Ann', lastSeen: T })
    expect(world.open('ann', tab('s2'), T + 6).changes).toHaveLength(1)
    expect(world.see('ann').username).toBe('Anna')
  }
})

test('[R15] a named session replaces the session of its name, live or held, and no other named session', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', named('a'), T)
  presence.open('ann', named('b'), T)
  expect(says(presence.open('ann', named('a'), T + 1))).toEqual([])
  presence.leave('ann', 'a', T + 2)
  presence.lose('ann', 'b', T + 3)
  presence.open('ann', named('c'), T + 4)
  expect(says(presence.leave('ann', 'c', T + 5))).toEqual([])
  expect(says(presence.open('ann', named('b'), T + 6))).toEqual([])
  expect(says(presence.leave('ann', 'b', T + 7))).toEqual(['ann offline'])
})

test('[R16] a user who is known during a whole paging is on exactly one page, however long it takes', () => {
  const presence = new OneNode({ ...DEFAULTS, keepMs: 1_000 })
  if (HAS_FEW_GAMES) return // Too slow to run once per mutant.
  for (let n = 0; n < 30_000; n++) presence.open(`u${n}`, tab('s'), T)
  for (let n = 0; n < 30_000; n += 2) presence.leave(`u${n}`, 's', T)
  const met = new Set<string>()
  let after: BucketPlace | undefined
  let pages = 0
  do {
    const page = presence.page(after, 3_000, 'online')
    for (const { userId } of page.users) {
      expect(met.has(userId)).toBe(false)
      met.add(userId)
    }
    after = page.next
    presence.forgetStale(T + 5_000, 6_000)
    presence.open(`late ${pages++}`, tab('s'), T + 5_000)
  } while (after)
  for (let n = 1; n < 30_000; n += 2) expect(met.has(`u${n}`)).toBe(true)
  expect(met.has('u0')).toBe(false)
  expect(pages).toBeGreaterThan(3)
})

test('[I9 R13] choices that change all the time leave no deadlines behind, and the last one ends on time', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', tab('s'), T)
  presence.open('bob', tab('s'), T)
  presence.setStatus('bob', { status: 'busy', expiresAt: T + 2e9 }, T)
  for (let n = 1; n <= 10_000; n++) {
    presence.setStatus('ann', { status: 'busy', expiresAt: T + 1e9 - n }, T)
  }
  const end = T + 1e9 - 10_000
  expect(presence.nextDeadline).toBeLessThanOrEqual(end)
  let rounds = 0
  while (presence.nextDeadline < end && ++rounds < 1_000) presence.advance(end - 1, 1)
  expect(presence.choice('ann').status).toBe('busy')
  expect(presence.advance(end, 1_000).choices).toMatchObject([{ userId: 'ann' }])
  while (presence.nextDeadline < T + 2e9 && ++rounds < 1_000) presence.advance(T + 2e9 - 1, 1)
  expect(rounds).toBeLessThan(100)
  expect(presence.advance(T + 2e9, 1_000).choices).toMatchObject([{ userId: 'bob' }])
  expect(presence.nextDeadline).toBe(Number.POSITIVE_INFINITY)
})

test('[R4] a hidden user whose connection was lost is hidden on returning within an hour; leaving on purpose ends that', () => {
  for (const away of [6_000, 8_000, HOUR - 1]) {
    const presence = new OneNode(DEFAULTS)
    presence.open('ann', tab('s1'), T)
    presence.setStatus('ann', { status: 'offline' }, T)
    presence.lose('ann', 's1', T + 1)
    expect(says(presence.advance(T + 5_001, 10))).toEqual([])
    expect(says(presence.advance(T + 5_001 + away, 10))).toEqual([])
    expect(says(presence.open('ann', tab('s2'), T + 5_001 + away))).toEqual([])
    expect(presence.choice('ann').status).toBe('offline')
    presence.leave('ann', 's2', T + 5_002 + away)
    expect(says(presence.open('ann', tab('s3'), T + 5_003 + away))).toEqual(['ann online'])
  }
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', tab('s1'), T)
  presence.setStatus('ann', { status: 'offline' }, T)
  presence.lose('ann', 's1', T)
  presence.advance(T + 5_000, 10)
  presence.advance(T + 5_000 + HOUR, 10)
  expect(presence.nextDeadline).toBe(Number.POSITIVE_INFINITY)
  expect(says(presence.open('ann', tab('s2'), T + 5_000 + HOUR))).toEqual(['ann online'])
})

test('[R4 R9] a user who is kept hidden is still hidden after a restart, and is not forgotten because of age', () => {
  const before = new OneNode(DEFAULTS)
  before.open('ann', tab('s1'), T)
  before.setStatus('ann', { status: 'offline', text: 'psst' }, T)
  before.lose('ann', 's1', T)
  before.advance(T + 5_000, 10)
  const presence = new OneNode({ ...DEFAULTS, keepMs: 1 })
  presence.restore(before.records(), T + 60_000)
  expect(presence.forgetStale(T + 60_000, 10).dirty).toEqual([])
  expect(says(presence.open('bob', tab('s'), T + 60_000))).toEqual(['bob online'])
  expect(says(presence.open('ann', tab('s2'), T + 60_001))).toEqual([])
  expect(presence.choice('ann')).toMatchObject({ status: 'offline', text: 'psst' })
})

test('[R2 R3] an inactive session is held as long as a hidden tab needs to return, also over a restart', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', named('a'), T)
  presence.setVisibility('ann', 'a', 'inactive', T)
  const records = [...presence.records()]
  expect(records).toMatchObject([{ userId: 'ann', inactive: true }])
  const after = new OneNode(DEFAULTS)
  after.restore(records, T)
  presence.lose('ann', 'a', T)
  for (const world of [presence, after]) {
    expect(says(world.advance(T + 74_999, 10))).toEqual([])
    expect(says(world.advance(T + 75_000, 10))).toEqual(['ann offline'])
    world.open('ann', named('a'), T + 80_000)
    world.lose('ann', 'a', T + 80_000)
    expect(says(world.advance(T + 85_000, 10))).toEqual(['ann offline'])
  }
})

test('[R17] a session begins with a choice, before others see the user', () => {
  const presence = new OneNode(DEFAULTS)
  const hidden = presence.open('ann', named('a'), T, { choice: { status: 'offline' } })
  expect(hidden).toMatchObject({
    changes: [],
    choices: [{ userId: 'ann', choice: { status: 'offline' }, madeAt: T }],
  })
  const busy = { status: 'busy', expiresAt: T + 10_000 } as const
  const shown = presence.open('bob', named('b'), T, { choice: busy, username: 'Bob' })
  expect(shown.changes).toMatchObject([
    { userId: 'bob', status: 'busy', previousStatus: 'offline', at: T, cause: 'opened' },
  ])
  expect(presence.see('bob')).toMatchObject({ expiresAt: T + 10_000, username: 'Bob' })
  expect(says(presence.advance(T + 10_000, 10))).toEqual(['bob online'])
  const over = { status: 'busy', expiresAt: T } as const
  expect(says(presence.open('eve', named('e'), T, { choice: over }))).toEqual(['eve online'])
})

test('[R17] an older choice does not replace a newer one of another device', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', named('a'), T)
  presence.setStatus('ann', { status: 'busy' }, T + 1_000)
  presence.lose('ann', 'a', T + 2_000)
  presence.open('ann', named('b'), T + 3_000)
  presence.setStatus('ann', { status: 'online' }, T + 4_000)
  presence.leave('ann', 'b', T + 5_000)
  presence.advance(T + 20_000, 10)
  expect(presence.see('ann').status).toBe('offline')
  const again = (madeAt: number) =>
    says(presence.open('ann', named('a'), T + 20_000, { choice: { status: 'busy', madeAt } }))
  expect(again(T + 1_000)).toEqual(['ann online'])
  // Far in the future: the clock was set back since.
  expect(again(T + 25_001)).toEqual([])
  expect(again(T + 4_001)).toEqual(['ann busy'])
  expect(presence.chosenAt('ann')).toBe(T + 4_001)
})

test('[R18] a return from hiding looks like an arrival', () => {
  const choices = [
    { status: 'online' },
    { status: 'busy' },
    { status: 'away' },
    { status: 'busy', expiresAt: T + HOUR },
  ] as const
  for (const choice of choices) {
    const hidden = new OneNode(DEFAULTS)
    hidden.open('ann', named('a'), T - 60_000)
    hidden.setStatus('ann', { status: 'offline' }, T - 50_000)
    const left = new OneNode(DEFAULTS)
    left.open('ann', named('a'), T - 60_000)
    left.leave('ann', 'a', T - 50_000)
    const returns = hidden.setStatus('ann', choice, T).changes
    expect(returns).toEqual(left.open('ann', named('a'), T, { choice }).changes)
    expect(returns).toHaveLength(1)
    expect(hidden.see('ann')).toEqual(left.see('ann'))
  }
  // The end of hiding looks like an arrival too, also for an idle user, who arrives as `away`.
  const hidden = new OneNode(DEFAULTS)
  hidden.open('ann', named('a'), T - 60_000)
  hidden.setActivity('ann', 'a', 'idle', T - 50_000)
  hidden.setStatus('ann', { status: 'offline', expiresAt: T }, T - 50_000)
  const left = new OneNode(DEFAULTS)
  left.open('ann', named('a'), T - 60_000)
  left.leave('ann', 'a', T - 50_000)
  const arrival = left.open('ann', named('a'), T, { choice: { status: 'away' } })
  expect(hidden.advance(T, 10).changes).toEqual(arrival.changes)
  expect(hidden.see('ann')).toEqual(left.see('ann'))
})

test('[R17] the newest choice of an offline user applies again when a device returns with it', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', named('a'), T)
  presence.setStatus('ann', { status: 'busy' }, T + 1_000)
  presence.lose('ann', 'a', T + 2_000)
  expect(says(presence.advance(T + 7_000, 10))).toEqual(['ann offline'])
  const choice = { status: 'busy', madeAt: T + 1_000 } as const
  expect(says(presence.open('ann', named('a'), T + 8_000, { choice }))).toEqual(['ann busy'])
})

test('[R17] two choices in the same millisecond have different times', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', named('a'), T)
  presence.setStatus('ann', { status: 'busy' }, T)
  const first = presence.chosenAt('ann')
  presence.setStatus('ann', { status: 'away' }, T)
  expect(presence.chosenAt('ann')).toBeGreaterThan(first ?? 0)
  presence.open('ann', named('b'), T, { choice: { status: 'busy', madeAt: first } })
  expect(presence.choice('ann').status).toBe('away')
})

test('[R9] beyond the limit a user who is kept hidden is forgotten only if no other user can be', () => {
  const presence = new OneNode({ ...DEFAULTS, maxKnown: 3 })
  for (const [at, userId] of ['ann', 'bob'].entries()) {
    presence.open(userId, tab('s'), T + at, { choice: { status: 'offline' } })
    presence.lose(userId, 's', T + at)
  }
  presence.open('eve', tab('s'), T + 2)
  presence.leave('eve', 's', T + 2)
  presence.advance(T + 5_001, 10)
  expect(presence.open('x', tab('s'), T + 6_000).dirty).toEqual(['x', 'eve'])
  expect(presence.open('y', tab('s'), T + 6_000).dirty).toEqual(['y', 'ann'])
  if (HAS_FEW_GAMES) return // The rest is too slow to run once per mutant.
  for (let n = 0; n < 10_000; n++) {
    presence.open(`u${n}`, tab('s'), T + 7_000 + n, { choice: { status: 'offline' } })
    presence.lose(`u${n}`, 's', T + 7_000 + n)
    presence.advance(T + 12_000 + n, 10)
  }
  // Users who are held for the grace period are present, and can't be forgotten.
  expect(presence.knownCount).toBeLessThan(5_010)
  presence.advance(T + 30_000, 10_000)
  for (let n = 0; n < 10_000; n++) presence.open(`v${n}`, tab('s'), T + 30_000)
  expect(presence.record('u9999')).toBeUndefined()
})

test('[R4 V13] nothing is kept of a user who was always hidden and left, not even the name', () => {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', tab('s'), T, { username: 'Ann', choice: { status: 'offline' } })
  expect(presence.leave('ann', 's', T + 1_000).dirty).toEqual(['ann'])
  expect([...presence.records()]).toEqual([])
  presence.open('ann', tab('s'), T + 2_000)
  expect(presence.see('ann').username).toBeUndefined()
  // As an older version has stored it.
  const next = new OneNode(DEFAULTS)
  const record = {
    userId: 'bob',
    session: 'none',
    status: 'offline',
    lastSeen: T,
    newUsername: 'Bob',
  } as const
  next.restore([{ ...record, unseen: true }], T)
  expect(next.knownCount).toBe(0)
})

test("[R4 V13] others can't tell a user who was always hidden from an unknown user", () => {
  let presence = new OneNode(DEFAULTS)
  const nobody = presence.see('ann')
  const check = () => {
    expect(presence.see('ann')).toEqual(nobody)
    expect([
      ...presence.list(10),
      ...presence.page(undefined, 10).users,
      ...presence.page(undefined, 10, 'offline').users,
    ]).toEqual([])
  }
  presence.open('ann', tab('s1'), T, { username: 'Ann', choice: { status: 'offline' } })
  check()
  presence.lose('ann', 's1', T + 1_000)
  presence.advance(T + 6_000, 10)
  check()
  const records = [...presence.records()]
  expect(records).toMatchObject([{ unseen: true, keptHidden: true }])
  presence = new OneNode(DEFAULTS)
  presence.restore(records, T + 10_000)
  check()
  presence.open('ann', tab('s2'), T + 11_000)
  check()
  presence.setStatus('ann', { status: 'online' }, T + 12_000)
  expect(presence.see('ann')).toMatchObject({ status: 'online', lastSeen: T + 12_000, username: 'Ann' })
  presence.setStatus('ann', { status: 'offline' }, T + 13_000)
  expect(presence.see('ann')).toMatchObject({ status: 'offline', lastSeen: T + 12_000 })
  // A user who leaves without ever being visible is not kept at all.
  presence.open('bob', tab('s3'), T + 14_000, { choice: { status: 'offline' } })
  presence.leave('bob', 's3', T + 15_000)
  expect(presence.record('bob')).toBeUndefined()
})

test('[R9 I8] a user with a fact that is not visible yet is in the records, and is not forgotten for a new user', () => {
  const presence = new Presence({ ...DEFAULTS, maxKnown: 1 })
  presence.restore([], T)
  const ids = () => Array.from(presence.records(), ({ userId }) => userId)
  presence.apply(presence.open('ann', tab('a'), T).facts)
  presence.apply(presence.leave('ann', 'a', T).facts)
  const again = presence.open('ann', tab('b'), T)
  const gone = presence.leave('ann', 'b', T)
  const bob = presence.open('bob', tab('c'), T)
  expect(bob.forgotten).toEqual([])
  expect(ids()).toEqual(['ann', 'bob'])
  for (const { facts } of [again, gone, bob]) presence.apply(facts)
  expect(ids()).toEqual(['ann', 'bob'])
  expect(presence.open('eve', tab('d'), T).forgotten).toEqual(['ann'])
})
