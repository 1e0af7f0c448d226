import { expect, test } from 'vitest'
import { Presence, type PresenceOptions } from './presence.ts'

const OPTIONS: PresenceOptions = {
  graceMs: 5_000,
  restartGraceMs: 15_000,
  changePace: { burst: 10, everyMs: 3_000 },
  maxKnown: 1_000_000,
  keepMs: 30 * 86_400_000,
}
const T = Date.parse('2026-01-01T00:00:00Z')
/** A session that has no name of its own, as in v1. */
const tab = (id: string) => ({ id, named: false })
const named = (id: string) => ({ id, named: true })
const says = (outcome: { changes: readonly { userId: string; status: string }[] }) =>
  outcome.changes.map(({ userId, status }) => `${userId} ${status}`)

test('[R1] a user is online with the first session and offline with the last', () => {
  const presence = new Presence(OPTIONS)
  expect(says(presence.open('ann', tab('s1'), T))).toEqual(['ann online'])
  expect(says(presence.open('ann', tab('s2'), T + 1))).toEqual([])
  expect(presence.onlineCount).toBe(1)
  expect(says(presence.leave('ann', 's1', T + 2))).toEqual([])
  presence.heard('ann', T + 3)
  expect(says(presence.leave('ann', 's2', T + 4))).toEqual(['ann offline'])
  expect(presence.see('ann')).toMatchObject({ status: 'offline', lastSeen: T + 3 })
})

test('[R2] a lost session is held for the grace period, and back in time nothing happened', () => {
  const presence = new Presence(OPTIONS)
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

test('[R2] what was due of a user who left since does nothing to who returned', () => {
  const presence = new Presence(OPTIONS)
  presence.open('ann', tab('s1'), T, 'Ann')
  presence.lose('ann', 's1', T)
  presence.open('ann', tab('s2'), T + 1_000)
  expect(says(presence.leave('ann', 's2', T + 1_001))).toEqual(['ann offline'])
  expect(says(presence.open('ann', tab('s3'), T + 1_002))).toEqual(['ann online'])
  presence.lose('ann', 's3', T + 1_002)
  expect(presence.advance(T + 6_001, 10)).toEqual({ changes: [], touched: [], choices: [] })
  expect(says(presence.advance(T + 6_002, 10))).toEqual(['ann offline'])
  expect(presence.see('ann')).toMatchObject({ username: 'Ann', lastSeen: T + 1_002 })
})

test('[R3] who was here before a restart is held for the restart grace and keeps the last seen of before', () => {
  const presence = new Presence(OPTIONS)
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

test('[R4] the choice offline hides: as if the user had left at that moment, until chosen anew or gone', () => {
  const presence = new Presence(OPTIONS)
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
  const before = new Presence(OPTIONS)
  before.open('ann', tab('s1'), T)
  before.setStatus('ann', { status: 'offline' }, T)
  before.lose('ann', 's1', T + 1)
  expect(says(before.open('ann', tab('s2'), T + 2))).toEqual([])
  const after = new Presence(OPTIONS)
  after.restore([...before.records()], T + 3)
  expect(says(after.open('ann', tab('s3'), T + 4))).toEqual([])
  expect(after.onlineCount).toBe(0)
  expect(says(after.setStatus('ann', { status: 'online' }, T + 5))).toEqual(['ann online'])
})

test('[R6] beyond a burst of changes a user is shown at a slower pace, and the last state always arrives', () => {
  const presence = new Presence(OPTIONS)
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

test('[R7] a leaving beyond the pace is held like a grace', () => {
  const presence = new Presence({ ...OPTIONS, changePace: { burst: 2, everyMs: 3_000 } })
  presence.open('ann', tab('s1'), T)
  expect(says(presence.leave('ann', 's1', T + 1))).toEqual([])
  expect(says(presence.open('ann', tab('s2'), T + 2))).toEqual([])
  expect(says(presence.leave('ann', 's2', T + 3))).toEqual([])
  expect(says(presence.advance(T + 2_999, 10))).toEqual([])
  expect(says(presence.advance(T + 3_000, 10))).toEqual(['ann offline'])
  expect(presence.see('ann').lastSeen).toBe(T + 2)
  // The leaving has left room for the return.
  expect(says(presence.open('ann', tab('s3'), T + 3_001))).toEqual(['ann online'])
})

test('[R7] back from a leaving that had to wait, a user has the choice of before', () => {
  const presence = new Presence({ ...OPTIONS, changePace: { burst: 2, everyMs: 3_000 } })
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

test('[R8] a pause of this process does not run down anybody’s grace', () => {
  const presence = new Presence(OPTIONS)
  presence.open('ann', tab('s1'), T)
  presence.lose('ann', 's1', T)
  presence.paused(60_000)
  expect(says(presence.advance(T + 64_999, 10))).toEqual([])
  expect(says(presence.advance(T + 65_000, 10))).toEqual(['ann offline'])
})

test('[R9] users who are long gone are forgotten, by age and by number, and never one who is here', () => {
  const presence = new Presence({ ...OPTIONS, maxKnown: 3, keepMs: 1_000 })
  presence.open('ann', tab('s1'), T)
  presence.open('bob', tab('s2'), T)
  presence.leave('bob', 's2', T)
  presence.open('eve', tab('s3'), T + 5)
  presence.leave('eve', 's3', T + 5)
  expect(presence.open('joe', tab('s4'), T + 6).touched).toEqual(['joe', 'bob'])
  expect(presence.see('bob').lastSeen).toBeNull()
  expect(presence.record('bob')).toBeUndefined()
  expect(presence.forgetStale(T + 2_000, 10).touched).toEqual(['eve'])
  expect(presence.knownCount).toBe(2)
})

test('[R10] the list has the online users first and stops at its limit', () => {
  const presence = new Presence(OPTIONS)
  for (const id of ['a', 'b', 'c', 'd']) presence.open(id, tab(id), T)
  presence.leave('a', 'a', T)
  presence.leave('c', 'c', T)
  expect([...presence.list(10)].map(user => user.userId)).toEqual(['b', 'd', 'a', 'c'])
  expect([...presence.list(3)].map(user => user.userId)).toEqual(['b', 'd', 'a'])
  expect([...presence.list(1)].map(user => user.userId)).toEqual(['b'])
})

test('[I9] after everybody has left nothing is waiting', () => {
  const presence = new Presence(OPTIONS)
  for (let n = 0; n < 1_000; n++) presence.open(`u${n}`, tab('s'), T)
  for (let n = 0; n < 1_000; n++) presence[n % 2 ? 'lose' : 'leave'](`u${n}`, 's', T + n)
  let rounds = 0
  while (presence.nextDeadline <= T + 60_000) rounds += presence.advance(T + 60_000, 100) ? 1 : 0
  expect(rounds).toBe(5)
  expect(presence.onlineCount).toBe(0)
})

test('[R4] a name that a hidden user takes shows when the user does', () => {
  const presence = new Presence(OPTIONS)
  presence.open('ann', tab('s1'), T)
  presence.setStatus('ann', { status: 'offline' }, T)
  expect(presence.identify('ann', 'Ann', T).touched).toEqual(['ann'])
  expect(presence.see('ann').username).toBeUndefined()
  expect(presence.record('ann')).toMatchObject({ newUsername: 'Ann' })
  presence.leave('ann', 's1', T + 1)
  expect(presence.see('ann').username).toBeUndefined()
  presence.open('ann', tab('s2'), T + 2)
  expect(presence.see('ann').username).toBe('Ann')
})

test('[R12] whoever chose online is away when idle in every session', () => {
  const presence = new Presence(OPTIONS)
  presence.open('ann', tab('s1'), T)
  presence.open('ann', tab('s2'), T)
  expect(says(presence.setActivity('ann', 's1', 'idle', T))).toEqual([])
  expect(says(presence.setActivity('ann', 's2', 'idle', T))).toEqual(['ann away'])
  expect(presence.onlineCount).toBe(1)
  expect(says(presence.setStatus('ann', { status: 'busy' }, T))).toEqual(['ann busy'])
  expect(says(presence.setActivity('ann', 's1', 'active', T))).toEqual([])
  expect(says(presence.setStatus('ann', { status: 'online' }, T))).toEqual(['ann online'])
  expect(says(presence.setActivity('ann', 'nobody’s', 'idle', T))).toEqual([])
  // The lost session counts with its last activity, and who takes its place inherits that.
  presence.lose('ann', 's1', T + 1)
  expect(says(presence.open('ann', tab('s3'), T + 2))).toEqual([])
  expect(says(presence.setActivity('ann', 's3', 'idle', T + 3))).toEqual(['ann away'])
})

test('[R13] a choice with an end falls back to online, by the wall clock', () => {
  const presence = new Presence(OPTIONS)
  presence.open('ann', tab('s1'), T)
  const exam = { status: 'busy', text: 'exam', expiresAt: T + 10_000 } as const
  expect(presence.setStatus('ann', exam, T)).toMatchObject({
    choices: ['ann'],
    changes: [{ status: 'busy' }],
  })
  expect(presence.see('ann')).toMatchObject({ status: 'busy', text: 'exam', expiresAt: T + 10_000 })
  expect(presence.setStatus('ann', exam, T + 1)).toMatchObject({ choices: [], changes: [] })
  presence.paused(60_000)
  expect(presence.nextDeadline).toBe(T + 10_000)
  expect(presence.advance(T + 10_000, 10)).toMatchObject({
    choices: ['ann'],
    changes: [{ status: 'online' }],
  })
  expect(presence.see('ann')).toMatchObject({ status: 'online', text: undefined })
})

test('[R13] a choice with an end still ahead is in force again for who was gone; any other is not', () => {
  const presence = new Presence(OPTIONS)
  for (const [userId, expiresAt] of [
    ['ann', T + 10_000],
    ['bob', undefined],
  ] as const) {
    presence.open(userId, tab('s'), T)
    presence.setStatus(userId, { status: 'offline', expiresAt }, T)
    presence.leave(userId, 's', T + 1)
  }
  const after = new Presence(OPTIONS)
  after.restore([...presence.records()], T + 2)
  for (const world of [presence, after]) {
    expect(says(world.open('ann', tab('s'), T + 3))).toEqual([])
    expect(says(world.open('bob', tab('s'), T + 3))).toEqual(['bob online'])
    expect(says(world.advance(T + 10_000, 10))).toEqual(['ann online'])
  }
})

test('[R14] a text, its end and a name are changes like any other, and at most one with the arrival', () => {
  const presence = new Presence({ ...OPTIONS, changePace: { burst: 2, everyMs: 3_000 } })
  expect(presence.open('ann', tab('s1'), T, 'Ann').changes).toHaveLength(1)
  expect(presence.see('ann').username).toBe('Ann')
  expect(presence.identify('ann', 'Anna', T).changes).toEqual([
    { userId: 'ann', status: 'online', previous: 'online', at: T },
  ])
  expect(presence.setStatus('ann', { status: 'online', text: 'hi' }, T).changes).toEqual([])
  expect(presence.see('ann').text).toBeUndefined()
  expect(presence.advance(T + 3_000, 10).changes).toHaveLength(1)
  expect(presence.see('ann').text).toBe('hi')
})

test('[R14] a name that somebody who is gone is given waits, over a restart too, until they are seen', () => {
  const presence = new Presence(OPTIONS)
  presence.open('ann', tab('s1'), T, 'Ann')
  presence.leave('ann', 's1', T + 1)
  expect(presence.identify('ann', 'Ann', T + 2).touched).toEqual([])
  expect(presence.identify('ann', 'Anna', T + 2).touched).toEqual(['ann'])
  expect(presence.identify('ann', 'Ann', T + 3).touched).toEqual(['ann'])
  expect(presence.record('ann')).not.toHaveProperty('newUsername')
  presence.identify('ann', 'Anna', T + 4)
  const after = new Presence(OPTIONS)
  after.restore([...presence.records()], T + 5)
  for (const world of [presence, after]) {
    expect(world.see('ann')).toMatchObject({ username: 'Ann', lastSeen: T })
    expect(world.open('ann', tab('s2'), T + 6).changes).toHaveLength(1)
    expect(world.see('ann').username).toBe('Anna')
  }
})

test('[R15] a session with a name of its own takes its own place, live or held, and no other named one', () => {
  const presence = new Presence(OPTIONS)
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

test('[R16] whoever is known throughout a paging is met once, however long it takes', () => {
  const presence = new Presence({ ...OPTIONS, keepMs: 1_000 })
  for (let n = 0; n < 30_000; n++) presence.open(`u${n}`, tab('s'), T)
  for (let n = 0; n < 30_000; n += 2) presence.leave(`u${n}`, 's', T)
  const met = new Set<string>()
  let after: number | undefined = 0
  let pages = 0
  while (after !== undefined) {
    const page = presence.page(after, 3_000, 'online')
    for (const { userId } of page.users) {
      expect(met.has(userId)).toBe(false)
      met.add(userId)
    }
    after = page.next
    presence.forgetStale(T + 5_000, 6_000)
    presence.open(`late ${pages++}`, tab('s'), T + 5_000)
  }
  for (let n = 1; n < 30_000; n += 2) expect(met.has(`u${n}`)).toBe(true)
  expect(met.has('u0')).toBe(false)
  expect(pages).toBeGreaterThan(3)
})

test('[I9 R13] choices that are changed all the time leave nothing behind, and the last one ends when it should', () => {
  const presence = new Presence(OPTIONS)
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
  expect(presence.advance(end, 1_000).choices).toEqual(['ann'])
  while (presence.nextDeadline < T + 2e9 && ++rounds < 1_000) presence.advance(T + 2e9 - 1, 1)
  expect(rounds).toBeLessThan(100)
  expect(presence.advance(T + 2e9, 1_000).choices).toEqual(['bob'])
  expect(presence.nextDeadline).toBe(Number.POSITIVE_INFINITY)
})
