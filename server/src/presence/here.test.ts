import { expect, test } from 'vitest'
import type { Fact } from './fact.ts'
import { Here, type Seen } from './here.ts'
import type { PresenceOptions } from './options.ts'
import type { PresenceRecord } from './record.ts'
import { DEFAULTS } from './testing/options.ts'
import { HOUR, named, T } from './testing/scenario.ts'
import type { User } from './user.ts'
import { WallClock } from './wall-clock.ts'

/** What this node decides. Nothing is visible until a test applies it. */
class Node {
  readonly #seen = new Map<string, Seen>()
  readonly wall = new WallClock()
  readonly here: Here

  constructor(options: Partial<PresenceOptions> = {}) {
    this.here = new Here({ ...DEFAULTS, ...options }, this.wall, userId => this.#seen.get(userId))
  }

  /** Opens a session `s` of a user, and applies what that decides. */
  arrive(userId: string, now = T, username?: string): User {
    const { user, fact } = this.here.open(userId, named('s'), now, { username })
    this.apply(fact)
    return user
  }

  apply(fact: Fact | undefined): void {
    if (!fact) throw new Error('nothing was decided')
    this.here.applied(fact)
    this.#seen.set(fact.userId, fact)
  }
}

const NONE = Number.POSITIVE_INFINITY
const ONLINE = { status: 'online' } as const
const BUSY = { status: 'busy' } as const
const HIDDEN = { status: 'offline' } as const

test('[R1] the first session of a user is a fact, and a second one is not', () => {
  const { here } = new Node()
  const { fact, choice, isOwnSign } = here.open('ann', named('a'), T, { username: 'Ann' })
  expect(fact).toEqual({
    userId: 'ann',
    sessions: 'active',
    choice: ONLINE,
    username: 'Ann',
    lastSeen: T,
    cause: 'opened',
    at: T,
  })
  expect([choice, isOwnSign]).toEqual([undefined, true])
  expect(here.open('ann', named('b'), T + 1, {}).fact).toBeUndefined()
})

test('each fact has the choice, the sessions and the cause of that moment', () => {
  const { here } = new Node()
  const ann = here.open('ann', named('a'), T, {}).user
  const lunch = { status: 'busy', text: 'at lunch', expiresAt: T + 50 } as const
  const steps = [
    here.setStatus(ann, lunch, T + 1),
    here.setActivity(ann, 'a', true, T + 2),
    here.advance(T + 50),
    here.setActivity(ann, 'a', false, T + 51),
    here.identify('ann', 'Ann', T + 52),
    here.leave(ann, 'a', T + 53),
  ]
  expect(steps.map(step => step?.fact)).toMatchObject(
    [
      { cause: 'chosen', choice: lunch, sessions: 'active', at: T + 1 },
      undefined,
      { cause: 'expired', choice: ONLINE, sessions: 'idle', at: T + 50 },
      { cause: 'active', choice: ONLINE, sessions: 'active', at: T + 51 },
      { cause: 'renamed', username: 'Ann', at: T + 52 },
      { cause: 'left', sessions: 'none', username: 'Ann', lastSeen: T, at: T + 53 },
    ].map(fact => fact && expect.objectContaining(fact)),
  )
})

test('[R2] a lost session ends after the grace period, and `lastSeen` is the last sign of life', () => {
  const node = new Node()
  const { here } = node
  const ann = node.arrive('ann')
  ann.heard(T + 10)
  expect(here.lose(ann, 's', T + 1_000).fact).toBeUndefined()
  expect(here.nextDeadline).toBe(T + 6_000)
  expect(here.advance(T + 5_999)).toBeUndefined()
  expect(here.advance(T + 6_000)).toMatchObject({
    fact: { cause: 'lost', sessions: 'none', lastSeen: T + 10, at: T + 6_000 },
    isOwnSign: true,
    ended: [{ userId: 'ann', sessionId: 's' }],
  })
  expect([here.get('ann'), here.nextDeadline]).toEqual([undefined, NONE])
})

test('[R2] an inactive session is held for longer, and a name is not a sign of life', () => {
  const node = new Node()
  const { here } = node
  const ann = node.arrive('ann')
  here.setVisibility(ann, 's', true, T)
  here.lose(ann, 's', T)
  expect(here.nextDeadline).toBe(T + DEFAULTS.inactiveGraceMs)
  expect(here.identify('ann', 'Ann', T + 9).fact).toMatchObject({ lastSeen: T })
})

test('a fact that is not applied yet counts for the next decision', () => {
  const node = new Node()
  const { here } = node
  const { user, fact } = here.open('ann', named('s'), T, { username: 'Ann' })
  expect(here.seen('ann')).toBe(fact)
  expect(here.leave(user, 's', T + 1).fact?.username).toBe('Ann')
  const left = here.seen('ann')
  // The older fact becomes visible, and the newer one still waits.
  node.apply(fact)
  expect(here.seen('ann')).toBe(left)
  expect(here.open('ann', named('s'), T + 2, { username: 'Ann' }).user.newName).toBeUndefined()
})

test('a fact that was applied is what others see', () => {
  const node = new Node()
  node.arrive('ann', T, 'Ann')
  const view = node.here.seen('ann')
  expect(view).toMatchObject({ username: 'Ann' })
  expect(node.here.seen('bob')).toBeUndefined()
})

test('the end of an unknown session, or of one of two sessions, decides nothing', () => {
  const node = new Node()
  const { here } = node
  const ann = node.arrive('ann')
  here.open('ann', named('b'), T, {})
  expect(here.leave(ann, 'unknown', T)).toMatchObject({ fact: undefined, ended: [] })
  expect(here.leave(ann, 'b', T)).toMatchObject({
    fact: undefined,
    ended: [{ userId: 'ann', sessionId: 'b' }],
  })
})

test('a user is told of a choice only if it differs', () => {
  const node = new Node()
  const { here } = node
  const ann = node.arrive('ann')
  expect(here.setStatus(ann, BUSY, T + 1).choice).toEqual({ userId: 'ann', choice: BUSY, madeAt: T + 1 })
  expect(here.setStatus(ann, BUSY, T + 2).choice).toBeUndefined()
  const older = { ...ONLINE, madeAt: T }
  expect(here.open('ann', named('b'), T + 3, { choice: older }).choice).toBeUndefined()
})

test('[R13] a choice that has ended counts as a plain `online`', () => {
  const node = new Node()
  const { here } = node
  const ann = node.arrive('ann')
  const over = { status: 'busy', text: 'at lunch', expiresAt: T + 5 } as const
  expect(here.setStatus(ann, over, T + 5)).toMatchObject({ fact: undefined, choice: undefined })
  expect(here.setStatus(ann, over, T + 4).fact).toMatchObject({ choice: over })
  expect(here.nextDeadline).toBe(T + 5)
  expect(here.advance(T + 5)).toMatchObject({ choice: { choice: ONLINE }, ended: [] })
  expect(here.nextDeadline).toBe(NONE)
})

test('[R13] the end of a choice is not reported for a user without a session', () => {
  const node = new Node()
  const { here } = node
  const ann = node.arrive('ann')
  here.setStatus(ann, { status: 'busy', expiresAt: T + 50 }, T)
  node.apply(here.leave(ann, 's', T + 1).fact)
  expect(here.advance(T + 50)).toMatchObject({ fact: undefined, choice: undefined })
})

test('[R13] a choice that ended while its user was away is not in force on returning', () => {
  const node = new Node()
  const { here } = node
  const ann = node.arrive('ann')
  here.setStatus(ann, { status: 'busy', expiresAt: T + 50 }, T)
  node.apply(here.leave(ann, 's', T + 1).fact)
  expect(here.open('ann', named('s'), T + 50, {}).fact).toMatchObject({ choice: ONLINE, cause: 'opened' })
})

test('[R13] a jump forward puts off the end of a choice that was made while the clock was ahead', () => {
  const node = new Node()
  const { here, wall } = node
  const ann = node.arrive('ann')
  wall.jump(HOUR, T + HOUR)
  here.jumped(HOUR)
  here.setStatus(ann, { status: 'busy', expiresAt: T + HOUR + 50 }, T + HOUR)
  wall.jump(HOUR, T + 2 * HOUR)
  here.jumped(HOUR)
  const causes = []
  for (const now of [T + 3 * HOUR + 49, T + 3 * HOUR + 50]) {
    for (let step = here.advance(now); step; step = here.advance(now)) causes.push([step.fact?.cause, now])
  }
  expect(causes.filter(([cause]) => cause !== undefined)).toEqual([['expired', T + 3 * HOUR + 50]])
})

test('[R4] a hidden user whose connection was lost is kept for as long as the setting says', () => {
  const node = new Node()
  const { here } = node
  for (const [at, userId] of ['ann', 'bob'].entries()) {
    const user = node.arrive(userId, T + at)
    expect(here.setStatus(user, HIDDEN, T + at).fact).toMatchObject({ cause: 'left', choice: HIDDEN })
    here.lose(user, 's', T + at)
  }
  for (let step = here.advance(T + 5_001); step; step = here.advance(T + 5_001)) {
    expect(step.fact).toBeUndefined()
  }
  expect(here.keptLongest?.userId).toBe('ann')
  expect(here.nextDeadline).toBe(T + 5_001 + HOUR)
  expect(here.advance(T + 5_000 + HOUR)).toBeUndefined()
  // A user who is back is not kept, and still hidden.
  expect(here.open('ann', named('s'), T + 6_000, {}).user.hides).toBe(true)
  expect(here.keptLongest?.userId).toBe('bob')
  expect(here.advance(T + 5_001 + HOUR)?.user.userId).toBe('bob')
  expect([here.get('bob'), here.keptLongest, here.nextDeadline]).toEqual([undefined, undefined, NONE])
})

test('[R4] nothing is kept of a hidden user who leaves on purpose', () => {
  const node = new Node()
  const { here } = node
  const ann = node.arrive('ann')
  here.setStatus(ann, HIDDEN, T)
  expect(here.leave(ann, 's', T + 1).fact).toBeUndefined()
  expect([here.get('ann'), here.keptLongest]).toEqual([undefined, undefined])
})

test('[R4 V13] a user who was always hidden counts as unseen until others see the user', () => {
  const node = new Node()
  const { here } = node
  const { user, fact } = here.open('ann', named('a'), T, { username: 'Ann', choice: HIDDEN })
  expect([fact, here.seen('ann'), here.unseenCount, here.signOfLife(user)]).toEqual([
    undefined,
    undefined,
    1,
    undefined,
  ])
  expect(here.setStatus(user, ONLINE, T + 5).fact).toMatchObject({
    cause: 'opened',
    username: 'Ann',
    lastSeen: T + 5,
  })
  expect([here.unseenCount, here.signOfLife(user)]).toEqual([0, T + 5])
  here.open('bob', named('b'), T, { choice: HIDDEN })
  here.forget('bob')
  expect([here.unseenCount, here.get('bob')]).toEqual([0, undefined])
})

test('[R4 R14] the new name of a hidden user is in the next fact that others see', () => {
  const node = new Node()
  const { here } = node
  const ann = node.arrive('ann', T, 'Ann')
  here.setStatus(ann, HIDDEN, T)
  expect(here.identify('ann', 'Anna', T).fact).toBeUndefined()
  expect(here.setStatus(ann, BUSY, T + 1).fact).toMatchObject({ username: 'Anna', choice: BUSY })
  expect(ann.newName).toBeUndefined()
})

test('[R6] a change beyond the rate limit is delayed, and the last one becomes a fact', () => {
  const node = new Node({ changePace: { burst: 2, everyMs: 3_000 } })
  const { here } = node
  const ann = node.arrive('ann')
  expect(here.setStatus(ann, BUSY, T).fact).toBeDefined()
  expect(here.setStatus(ann, { status: 'away' }, T).fact).toBeUndefined()
  expect(here.nextDeadline).toBe(T + 3_000)
  expect(here.setStatus(ann, { ...BUSY, text: 'at lunch' }, T + 10).fact).toBeUndefined()
  expect(here.advance(T + 2_999)).toBeUndefined()
  expect(here.advance(T + 3_000)?.fact).toMatchObject({ choice: { text: 'at lunch' }, at: T + 3_000 })
  expect(here.nextDeadline).toBe(NONE)
})

test('[R6] hiding is never delayed, and counts for the rate limit', () => {
  const node = new Node({ changePace: { burst: 1, everyMs: 3_000 } })
  const { here } = node
  const ann = node.arrive('ann')
  expect(here.setStatus(ann, HIDDEN, T).fact).toBeDefined()
  expect(here.setStatus(ann, BUSY, T).fact).toBeUndefined()
  expect(here.nextDeadline).toBe(T + 6_000)
})

test('[R7] a leave is delayed until the rate limit allows the return as well', () => {
  const node = new Node({ changePace: { burst: 2, everyMs: 3_000 } })
  const { here } = node
  const ann = node.arrive('ann')
  expect(here.leave(ann, 's', T).fact).toBeUndefined()
  expect(here.nextDeadline).toBe(T + 3_000)
  expect(here.open('ann', named('s'), T + 1, {}).fact).toBeUndefined()
  expect(here.advance(T + 3_000)?.fact).toBeUndefined()
})

test('[I9] rate limiters that have recovered are dropped, some users at a time', () => {
  const node = new Node({ changePace: { burst: 1, everyMs: 3_000 } })
  const { here } = node
  const [ann, bob] = [node.arrive('ann'), node.arrive('bob')]
  here.dropRecovered(T + 2_999, 9)
  here.dropRecovered(T + 3_000, 0)
  expect(here.setStatus(ann, BUSY, T + 1).fact).toBeUndefined()
  here.dropRecovered(T + 3_000, 1)
  expect(here.setActivity(ann, 's', false, T + 2)?.fact).toMatchObject({ choice: BUSY })
  expect(here.setStatus(bob, BUSY, T + 2).fact).toBeUndefined()
})

test('[R8] after a suspension lost sessions have the restart grace', () => {
  const node = new Node()
  const { here } = node
  const [ann, bob] = [node.arrive('ann'), node.arrive('bob')]
  here.lose(ann, 's', T)
  here.awaitReturn(T + 1_000)
  here.lose(bob, 's', T + 2_000)
  const until = T + 1_000 + DEFAULTS.restartGraceMs
  expect(here.advance(until - 1)?.fact).toBeUndefined()
  const ended = []
  for (let step = here.advance(until); step; step = here.advance(until)) ended.push(...(step.ended ?? []))
  expect(ended.map(({ userId }) => userId).toSorted()).toEqual(['ann', 'bob'])
})

test('[R11] a jump of the clock moves the sign of life of the users who are visible', () => {
  const node = new Node()
  const { here } = node
  const ann = node.arrive('ann')
  here.open('bob', named('b'), T, { choice: HIDDEN })
  expect(here.jumped(HOUR)).toEqual([ann])
  expect(here.signOfLife(ann)).toBe(T + HOUR)
})

const OFFLINE_USER: PresenceRecord = { userId: 'ann', session: 'none', status: 'offline', lastSeen: T - 500 }

test.each<[string, Partial<PresenceRecord>]>([
  ['an offline user', {}],
  ['a choice that has ended', { status: 'busy', expiresAt: T }],
  ['a new name of a user whom others have never seen', { newUsername: 'Ann', unseen: true }],
])('[R3] a restart keeps nothing of %s besides what others see', (_, what) => {
  const { here } = new Node()
  expect(here.restore({ ...OFFLINE_USER, ...what }, T)).toBeUndefined()
  expect([here.get('ann'), here.unseenCount, here.next()]).toEqual([undefined, 0, undefined])
})

test.each<[string, Partial<PresenceRecord>]>([
  ['a choice with an end', { status: 'busy', expiresAt: T + 1 }],
  ['the choice to be hidden', { keptHidden: true }],
  ['the time of a choice', { chosenAt: T - 9 }],
  ['a new name', { newUsername: 'Ann' }],
])('[R5 R13 R17] a restart keeps %s', (_, what) => {
  const { here } = new Node()
  const user = here.restore({ ...OFFLINE_USER, ...what }, T)
  expect(user).toMatchObject({ userId: 'ann', liveness: 'none', wasSeen: true, isVisible: false })
  expect([...here.users()]).toEqual([user])
  expect(here.next()).toBe(user)
  const isKept = !('newUsername' in what)
  expect(here.keptLongest).toBe(isKept ? user : undefined)
  expect(user?.keptUntil).toBe(isKept ? T + HOUR : 0)
})

test('[R3] a user who was present is held for the restart grace, with the same presence', () => {
  const node = new Node()
  const { here } = node
  const ann = here.restore({ ...OFFLINE_USER, session: 'live', status: 'busy', idle: true }, T)
  expect(ann).toMatchObject({ liveness: 'held', isVisible: true, isIdle: true, choice: BUSY })
  expect(here.nextDeadline).toBe(T + DEFAULTS.restartGraceMs)
  expect(here.advance(T + DEFAULTS.restartGraceMs)).toMatchObject({
    fact: { cause: 'lost', sessions: 'none' },
    isOwnSign: false,
    ended: [],
  })
})

test('[R3 R14] a new name is seen from the restart on, but not that of a hidden user', () => {
  const { here } = new Node()
  const record = { ...OFFLINE_USER, session: 'live', newUsername: 'Ann' } as const
  expect(here.restore({ ...record, status: 'online' }, T)?.newName).toBeUndefined()
  expect(here.restore({ ...record, userId: 'bob', status: 'offline' }, T)?.newName).toBe('Ann')
})
