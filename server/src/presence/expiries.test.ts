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
  const expiries = new Expiries()
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
  const expiries = new Expiries()
  expiries.set(user('ann'))
  expect(expiries.next).toBe(Number.POSITIVE_INFINITY)
})

test('[I9] ends of replaced choices are removed, and the ends of present choices stay', () => {
  const expiries = new Expiries()
  const [ann, bob] = [user('ann', T + 50_000), user('bob', T + 60_000)]
  expiries.set(bob)
  for (let n = 0; n < 1_000; n++) {
    choose(ann, T + 50_000 - n)
    expiries.set(ann)
  }
  // At most 64 outdated entries, and two entries for each user.
  const taken = takeAll(expiries, T + 60_000)
  expect(taken.length).toBeLessThanOrEqual(64 + 2 * 2)
  expect(taken).toContain('ann')
  expect(taken.at(-1)).toBe('bob')
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
  const expiries = new Expiries()
  const [ann, bob] = [user('ann', T + 1), user('bob', T + 100)]
  expiries.set(ann)
  change(expiries, ann)
  for (let n = 0; n < 200; n++) expiries.set(bob)
  expect(expiries.next).toBe(T + 100)
})

test('[I9] a user whose end was taken no longer counts', () => {
  const expiries = new Expiries()
  for (let n = 0; n < 100; n++) expiries.set(user(`u${n}`, T))
  expect(takeAll(expiries, T)).toHaveLength(100)
  const ann = user('ann', T + 100)
  for (let n = 0; n < 1_000; n++) expiries.set(ann)
  expect(takeAll(expiries, T + 100).length).toBeLessThanOrEqual(64 + 2)
})

test('a user who was taken for an earlier end is still awaited', () => {
  const expiries = new Expiries()
  const ann = user('ann', T + 10)
  expiries.set(ann)
  choose(ann, T + 20)
  expiries.set(ann)
  expect(expiries.take(T + 10)).toBe(ann)
  const bob = user('bob', T + 5_000)
  for (let n = 0; n < 200; n++) expiries.set(bob)
  expect(expiries.next).toBe(T + 20)
})
