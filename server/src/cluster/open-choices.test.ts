import { beforeEach, expect, test } from 'vitest'
import { type KnownChoice, NO_SESSION_YET } from '../presence/present-user.ts'
import { OpenChoices } from './open-choices.ts'

const BUSY = { status: 'busy' } as const
const ENDS = { status: 'busy', expiresAt: 99 } as const

let known: KnownChoice | undefined
let isElsewhere: boolean
let isHere: boolean
let isUnplaced: boolean
let open: OpenChoices

beforeEach(() => {
  known = undefined
  isElsewhere = true
  isHere = isUnplaced = false
  const sessions = () =>
    isElsewhere ? { ids: ['s'], isActive: true, isLookedAt: true, lastActive: 0 } : undefined
  open = new OpenChoices({
    fold: { chosen: () => known, sessions },
    isHere: () => isHere,
    isUnplaced: () => isUnplaced,
  })
})

/** Looks, and tells what is known of a promise then. */
async function look(counts: Promise<boolean>): Promise<boolean | 'open'> {
  open.look()
  return Promise.race([counts, Promise.resolve('open' as const)])
}

test('[E6] a choice counts when a node with a session has taken it, or knows a newer one', async () => {
  const counts = open.add('ann', { choice: BUSY, madeAt: 5 })
  expect(await look(counts)).toBe('open')
  known = { choice: BUSY, madeAt: 5, keptSince: NO_SESSION_YET }
  expect(await look(counts)).toBe('open')
  known = { choice: BUSY, madeAt: 4 }
  expect(await look(counts)).toBe('open')
  known = { choice: { status: 'away' }, madeAt: 6 }
  expect(await look(counts)).toBe(true)
})

test.each([
  ['without an end does not count', BUSY, false],
  ['with an end counts', ENDS, true],
])('[N10] when no node has a session any more, a choice %s', async (_what, choice, expected) => {
  const counts = open.add('ann', { choice, madeAt: 5 })
  known = { choice, madeAt: 5, keptSince: NO_SESSION_YET }
  isHere = true
  isElsewhere = false
  expect(await look(counts)).toBe('open')
  isHere = false
  isUnplaced = true
  expect(await look(counts)).toBe('open')
  isUnplaced = false
  expect(await look(counts)).toBe(expected)
})

test('[N10] a choice does not count if the log does not have it, because the user had left before', async () => {
  const counts = open.add('ann', { choice: ENDS, madeAt: 5 })
  isElsewhere = false
  expect(await look(counts)).toBe(false)
})

test('the newest choice of a user answers the earlier callers too', async () => {
  const [one, other] = [5, 7].map(madeAt => open.add('ann', { choice: BUSY, madeAt }))
  expect(one).toBe(other)
  known = { choice: BUSY, madeAt: 5 }
  expect(await look(one as Promise<boolean>)).toBe('open')
  known = { choice: BUSY, madeAt: 7 }
  expect(await look(one as Promise<boolean>)).toBe(true)
})

test('[N10] a choice does not count if the user has left, and has come back before this node has read that', async () => {
  const counts = open.add('ann', { choice: BUSY, madeAt: 5 })
  known = { choice: { status: 'online' }, madeAt: 5 }
  expect(await look(counts)).toBe(false)
  // The negative controls: a choice that has ended has counted, and so has a plain one.
  const ended = open.add('ann', { choice: ENDS, madeAt: 5 })
  const plain = open.add('bob', { choice: { status: 'online' }, madeAt: 5 })
  expect([await look(ended), await look(plain)]).toEqual([true, true])
})
