import { beforeEach, expect, test } from 'vitest'
import type { Fact } from '../presence/fact.ts'
import { NOTHING_SAID } from '../presence/fact.ts'
import type { PresentUser } from '../presence/here.ts'
import { fact, T } from '../presence/testing/scenario.ts'
import type { Items } from './compose.ts'
import { Fold } from './fold.ts'
import { splitValue } from './registers.ts'
import { Unplaced } from './unplaced.ts'

const BUSY = { status: 'busy' } as const
const ONLINE = { status: 'online' } as const

let fold: Fold
let users: Map<string, Partial<PresentUser>>
let unplaced: Unplaced
let seq: number

beforeEach(() => {
  fold = new Fold()
  users = new Map()
  seq = 0
  const nobody = {
    said: NOTHING_SAID,
    choice: ONLINE,
    madeAt: 0,
    isHere: true,
    isVisible: true,
    connections: 1,
  }
  const usual = { ...nobody, sessions: {}, lastSeen: T, username: undefined }
  unplaced = new Unplaced({ node: 'a', fold, present: userId => ({ ...usual, ...users.get(userId) }) })
})

function add(
  facts: readonly Fact[],
  touched: readonly string[] = [],
  forgotten: readonly string[] = [],
): void {
  unplaced.add(facts, { records: touched.map(userId => ({ userId })), forgotten }, T)
}

function read({ facts, registers }: Items): void {
  const body = { format: 1, at: T, facts, registers } as const
  fold.apply({ place: { epoch: 1, seq: ++seq }, node: 'a', batch: seq, kind: 'say', body })
}

const usersOf = ({ facts }: Items) => facts.map(([userId]) => userId)
/** The contents of the registers of `ann`. */
const contentsOf = ({ registers }: Items) =>
  Object.fromEntries(registers.map(([key, value]) => [key[0], JSON.parse(splitValue(value)?.json ?? 'null')]))

test('users are a set: the newest fact of each is pending until its batch is read back', () => {
  const [first, second, later] = [
    fact('ann'),
    fact('ann', { cause: 'chosen' }),
    fact('ann', { cause: 'idle' }),
  ]
  add([first], ['ann'])
  add([second], ['ann', 'bob'], ['eve'])
  expect([unplaced.hasChanged, unplaced.hasBatch]).toEqual([true, false])
  const items = unplaced.compose(10)
  expect(items.facts.map(([userId, , cause]) => `${userId} ${cause}`)).toEqual([
    'ann chosen',
    'bob left',
    'eve left',
  ])
  expect([unplaced.hasChanged, unplaced.hasBatch]).toEqual([false, true])
  add([later])
  expect(unplaced.placed()).toEqual({ userIds: ['ann', 'bob', 'eve'], facts: [second] })
  expect([unplaced.hasChanged, unplaced.hasBatch]).toEqual([true, false])
  unplaced.compose(10)
  expect(unplaced.placed().facts).toEqual([later])
  expect(unplaced.placed()).toEqual({ userIds: [], facts: [] })
})

test('a batch has at most as many users as it may, the oldest first', () => {
  add([], ['ann', 'bob', 'eve'])
  add([], ['ann'])
  expect(usersOf(unplaced.compose(2))).toEqual(['ann', 'bob'])
  unplaced.placed()
  expect(usersOf(unplaced.compose(2))).toEqual(['eve'])
})

test('a batch that is said again has the present state, and registers that the log may have are said again', () => {
  const said = { sessions: 'active', choice: BUSY } as const
  users.set('ann', { said })
  const busy = fact('ann', { choice: BUSY, cause: 'chosen' })
  add([busy], ['ann'])
  expect(contentsOf(unplaced.compose(10))).toEqual({ v: BUSY, s: T })
  users.set('ann', { said: { ...said, choice: ONLINE } })
  const online = fact('ann', { cause: 'chosen' })
  add([online], ['ann'])
  unplaced.again()
  expect(unplaced.isUnread('ann')).toBe(true)
  // The log of this node has no choice. But the lost batch may have reached it.
  const items = unplaced.compose(10)
  expect(contentsOf(items)).toEqual({ v: ONLINE, s: T })
  expect(items.registers.map(([, value]) => splitValue(value)?.stamp)).toEqual([2, T + 1])
  read(items)
  expect(unplaced.placed().facts).toEqual([online])
  expect([unplaced.isUnread('ann'), unplaced.hasChanged]).toEqual([false, false])
})

test('a fact that is said again without a newer one is still pending', () => {
  const opened = fact('ann')
  add([opened], ['ann'])
  unplaced.compose(10)
  unplaced.again()
  expect([unplaced.hasBatch, unplaced.hasChanged]).toEqual([false, true])
  add([], ['ann'])
  unplaced.compose(10)
  expect(unplaced.placed().facts).toEqual([opened])
})

test('a name is said if it differed from the log when it was decided, also in a batch that is said again', () => {
  users.set('ann', { username: 'Ann' })
  add([fact('ann', { username: 'Ann' })], ['ann'])
  const named = unplaced.compose(10)
  expect(contentsOf(named)).toEqual({ n: 'Ann', s: T })
  unplaced.again()
  expect(contentsOf(unplaced.compose(10))).toEqual({ n: 'Ann', s: T })
  read(named)
  unplaced.placed()
  add([fact('ann', { username: 'Ann', cause: 'idle' })], ['ann'])
  const body = { format: 1, at: T, facts: [], registers: [['n:ann', '999999999999999|b|"Anna"']] } as const
  fold.apply({ place: { epoch: 1, seq: ++seq }, node: 'b', batch: 1, kind: 'say', body })
  // Another node has named the user meanwhile.
  expect(contentsOf(unplaced.compose(10))).toEqual({})
})

test('an assertion has all that a node knows, with the registers that the log had', () => {
  add([fact('ann')], ['ann'])
  read(unplaced.compose(10))
  unplaced.placed()
  unplaced.assert(['ann', 'bob'], T)
  const items = unplaced.compose(10, true)
  expect(usersOf(items)).toEqual(['ann', 'bob'])
  expect(items.registers.map(([key]) => key)).toEqual(['s:ann', 's:bob'])
  expect(items.registers[0]?.[1]).toBe(fold.register('s:ann'))
})
