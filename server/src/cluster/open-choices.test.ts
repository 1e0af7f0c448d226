import { beforeEach, expect, test } from 'vitest'
import type { KnownChoice } from '../presence/here.ts'
import { NO_SESSION_YET } from '../presence/here.ts'
import { OpenChoices } from './open-choices.ts'

const BUSY = { status: 'busy' } as const
const ENDS = { status: 'busy', expiresAt: 99 } as const

let chosen: KnownChoice | undefined
let isElsewhere: boolean
let isHere: boolean
let open: OpenChoices

beforeEach(() => {
  chosen = undefined
  isElsewhere = true
  isHere = false
  const sessions = () =>
    isElsewhere ? { ids: ['s'], isActive: true, isLookedAt: true, lastActive: 0 } : undefined
  open = new OpenChoices({ chosen: () => chosen, sessions }, () => isHere)
})

const PLACED = Promise.resolve()

/** What is known of a promise now. */
async function stateOf(promise: Promise<boolean>): Promise<boolean | 'open'> {
  await PLACED
  await PLACED
  return Promise.race([promise, PLACED.then(() => PLACED).then(() => 'open' as const)])
}

test('[E6] a choice counts when a node with a session has taken it, or knows a newer one', async () => {
  const counts = open.add('ann', { choice: BUSY, madeAt: 5 }, PLACED)
  chosen = { choice: BUSY, madeAt: 5, keptSince: NO_SESSION_YET }
  open.look()
  expect(await stateOf(counts)).toBe('open')
  chosen = { choice: BUSY, madeAt: 4 }
  open.look()
  expect(await stateOf(counts)).toBe('open')
  chosen = { choice: { status: 'away' }, madeAt: 6 }
  open.look()
  expect(await stateOf(counts)).toBe(true)
})

test.each([
  ['without an end does not count', BUSY, false],
  ['with an end counts', ENDS, true],
])('[N10] when no node has a session any more, a choice %s', async (_what, choice, expected) => {
  const counts = open.add('ann', { choice, madeAt: 5 }, PLACED)
  chosen = { choice, madeAt: 5, keptSince: NO_SESSION_YET }
  isHere = true
  isElsewhere = false
  expect(await stateOf(counts)).toBe('open')
  isHere = false
  open.look()
  expect(await stateOf(counts)).toBe(expected)
})

test('[E15] a choice ahead counts when it is in the log', async () => {
  isElsewhere = false
  let place = (): void => {}
  const counts = open.add('ann', { choice: ENDS, madeAt: 5 }, new Promise<void>(resolve => (place = resolve)))
  open.look()
  expect(await stateOf(counts)).toBe('open')
  chosen = { choice: ENDS, madeAt: 5, keptSince: NO_SESSION_YET }
  place()
  expect(await stateOf(counts)).toBe(true)
})

test('the newest choice of a user answers the earlier callers too', async () => {
  const [one, other] = [5, 7].map(madeAt => open.add('ann', { choice: BUSY, madeAt }, PLACED)) as [
    Promise<boolean>,
    Promise<boolean>,
  ]
  chosen = { choice: BUSY, madeAt: 5 }
  open.look()
  expect([await stateOf(one), await stateOf(other)]).toEqual(['open', 'open'])
  chosen = { choice: BUSY, madeAt: 7 }
  open.look()
  expect([await stateOf(one), await stateOf(other)]).toEqual([true, true])
})

test('[N10] a choice does not count if the user has left, and has come back before this node has read that', async () => {
  const counts = open.add('ann', { choice: BUSY, madeAt: 5 }, PLACED)
  chosen = { choice: { status: 'online' }, madeAt: 5 }
  open.look()
  expect(await stateOf(counts)).toBe(false)
  // The negative controls: a choice that has ended has counted, and so has a plain one.
  const ended = open.add('ann', { choice: ENDS, madeAt: 5 }, PLACED)
  const plain = open.add('bob', { choice: { status: 'online' }, madeAt: 5 }, PLACED)
  open.look()
  expect([await stateOf(ended), await stateOf(plain)]).toEqual([true, true])
})
