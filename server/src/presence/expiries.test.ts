import { expect, test } from 'vitest'
import { Expiries } from './expiries.ts'
import { named, T } from './testing/scenario.ts'
import { User } from './user.ts'

function user(userId: string, expiresAt?: number): User {
  const user = new User(userId, T, true)
  user.open(named('s'), T)
  choose(user, expiresAt)
  return user
}

function choose(user: User, expiresAt?: number): void {
  user.choose({ status: 'busy', expiresAt }, T)
}

/** Takes all that is due at a time. */
function takeAll(expiries: Expiries, now: number): (string | undefined)[] {
  const taken = []
  for (let user = expiries.take(now); user; user = expiries.take(now)) taken.push(user.userId)
  return taken
}

test('[R13] the earliest end comes first, and none comes early', () => {
  const expiries = new Expiries(({ choice }) => choice.expiresAt)
  expect(expiries.next).toBe(Number.POSITIVE_INFINITY)
  for (const [userId, expiresAt] of [
    ['ann', T + 20],
    ['bob', T + 10],
  ] as const)
    expiries.set(user(userId, expiresAt))
  expect(expiries.next).toBe(T + 10)
  expect(takeAll(expiries, T + 9)).toEqual([])
  expect(takeAll(expiries, T + 10)).toEqual(['bob'])
  expect(takeAll(expiries, T + 30)).toEqual(['ann'])
  expect(expiries.next).toBe(Number.POSITIVE_INFINITY)
})

test('a choice without an end is not awaited', () => {
  const expiries = new Expiries(({ choice }) => choice.expiresAt)
  expiries.set(user('ann'))
  expect(expiries.next).toBe(Number.POSITIVE_INFINITY)
})

/** How many entries the heap has, if each has a time of its own. */
function countEntries(expiries: Expiries): number {
  let count = 0
  for (; expiries.next < Number.POSITIVE_INFINITY; count++) expiries.take(expiries.next)
  return count
}

/** Makes the heap so large that it is rebuilt: the end of a user becomes earlier again and again. */
function fill(expiries: Expiries, user: User): void {
  for (let n = 0; n < 200; n++) {
    choose(user, T + 5_000 - n)
    expiries.set(user)
  }
}

test('[I9] an end that becomes earlier leaves few outdated entries', () => {
  const expiries = new Expiries(({ choice }) => choice.expiresAt)
  const [ann, bob] = [user('ann', T + 50_000), user('bob', T + 60_000)]
  expiries.set(bob)
  for (let n = 0; n < 1_000; n++) {
    choose(ann, T + 50_000 - n)
    expiries.set(ann)
  }
  expect(takeAll(expiries, T + 49_000)).toEqual([])
  expect(takeAll(expiries, T + 49_001)).toEqual(['ann'])
  // At most 64 outdated entries, and two entries for each user.
  expect(countEntries(expiries)).toBeLessThanOrEqual(64 + 2 * 2)
})

test('[I9] an end that becomes later keeps its entry, and does not come early', () => {
  const expiries = new Expiries(({ choice }) => choice.expiresAt)
  const ann = user('ann')
  for (let n = 0; n < 1_000; n++) {
    choose(ann, T + 10 + n)
    expiries.set(ann)
  }
  expect(expiries.next).toBe(T + 10)
  expect(takeAll(expiries, T + 1_008)).toEqual([])
  expect(takeAll(expiries, T + 1_009)).toEqual(['ann'])
  expect(countEntries(expiries)).toBe(0)
})

test.each([
  ['forgotten', (expiries: Expiries, ann: User) => expiries.delete(ann)],
  [
    'without an end now',
    (expiries: Expiries, ann: User) => {
      choose(ann)
      expiries.set(ann)
    },
  ],
  ['whose choice has lost its end since', (_: Expiries, ann: User) => choose(ann)],
])('[I9] a sweep leaves nothing of a user %s', (_, change) => {
  const expiries = new Expiries(({ choice }) => choice.expiresAt)
  const [ann, bob] = [user('ann', T + 1), user('bob')]
  expiries.set(ann)
  change(expiries, ann)
  fill(expiries, bob)
  expect(expiries.next).toBe(T + 4_801)
})

test('[I9] a user whose end was taken no longer counts', () => {
  const expiries = new Expiries(({ choice }) => choice.expiresAt)
  for (let n = 0; n < 100; n++) expiries.set(user(`u${n}`, T))
  expect(takeAll(expiries, T)).toHaveLength(100)
  fill(expiries, user('ann'))
  expect(countEntries(expiries)).toBeLessThanOrEqual(64 + 2)
})
