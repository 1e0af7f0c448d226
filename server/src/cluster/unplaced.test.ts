import { beforeEach, expect, test } from 'vitest'
import type { Fact } from '../presence/fact.ts'
import { NOTHING_SAID } from '../presence/fact.ts'
import type { PresentUser } from '../presence/present-user.ts'
import { fact, T } from '../presence/testing/scenario.ts'
import type { UserItems } from './command.ts'
import { Fold } from './fold.ts'
import { joinValue, splitValue } from './registers.ts'
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
    isSetAhead: false,
    isHere: true,
    isVisible: true,
    connections: 1,
  }
  const sessions = { sessions: {}, leases: [], held: [], isLookedAt: true, idleSince: undefined }
  const usual = { ...nobody, ...sessions, lastSeen: T, username: undefined }
  unplaced = new Unplaced({
    node: 'a',
    fold,
    present: userId => ({ ...usual, ...users.get(userId) }),
    time: () => T,
    isOver: () => false,
    isErased: () => false,
  })
})

function add(facts: readonly Fact[], touched: readonly string[] = [], forgotten: readonly string[] = []) {
  return unplaced.add(facts, { records: touched.map(userId => ({ userId })), forgotten })
}

function read({ fact, registers }: UserItems): void {
  const body = { format: 1, at: T, facts: fact ? [fact] : [], registers } as const
  fold.apply({ place: { epoch: 1, seq: ++seq }, node: 'a', batch: seq, kind: 'say', body })
}

/** The contents of the registers. */
const contentsOf = ({ registers }: UserItems) =>
  Object.fromEntries(registers.map(([key, value]) => [key[0], JSON.parse(splitValue(value)?.json ?? 'null')]))

test('the newest fact of a user is pending until its batch is read back', () => {
  const [first, second, later] = [
    fact('ann'),
    fact('ann', { cause: 'chosen' }),
    fact('ann', { cause: 'idle' }),
  ]
  expect(add([first], ['ann'])).toEqual(['ann'])
  expect(add([second], ['ann', 'bob'], ['eve'])).toEqual(['eve', 'ann', 'bob'])
  const items = ['ann', 'bob', 'eve'].map(userId => unplaced.compose(userId, 1))
  expect(items.map(({ fact }) => `${fact?.[0]} ${fact?.[2]}`)).toEqual(['ann chosen', 'bob left', 'eve left'])
  expect(unplaced.placed(1)).toEqual({ userIds: ['ann', 'bob', 'eve'], facts: [second] })
  add([later])
  unplaced.compose('ann', 2)
  expect(unplaced.placed(2).facts).toEqual([later])
  expect(unplaced.placed(2)).toEqual({ userIds: [], facts: [] })
})

test('a user who changes after the batch was composed stays pending until the next one is read back', () => {
  const [opened, busy] = [fact('ann'), fact('ann', { choice: BUSY, cause: 'chosen' })]
  add([opened], ['ann'])
  unplaced.compose('ann', 1)
  add([busy], ['ann'])
  expect(unplaced.placed(1)).toEqual({ userIds: ['ann'], facts: [] })
  unplaced.compose('ann', 2)
  expect(unplaced.placed(2)).toEqual({ userIds: ['ann'], facts: [busy] })
})

test('a user in a later batch is not placed by an earlier one', () => {
  add([fact('ann')], ['ann'])
  unplaced.compose('ann', 1)
  unplaced.compose('ann', 2)
  expect(unplaced.placed(1).userIds).toEqual([])
  expect(unplaced.placed(2).userIds).toEqual(['ann'])
})

test('a caller who waits is told when all that was known then was read back', async () => {
  const told: string[] = []
  const wait = (name: string, ...userIds: string[]) =>
    void unplaced.whenPlaced(add([], userIds)).then(() => told.push(name))
  const settled = () => new Promise(resolve => setImmediate(resolve))
  wait('first', 'ann', 'bob')
  wait('beside', 'ann')
  unplaced.compose('ann', 1)
  wait('second', 'ann')
  unplaced.placed(1)
  await settled()
  expect(told).toEqual(['beside'])
  unplaced.compose('bob', 2)
  // The outcome of batch 2 is not known, so it is composed again.
  wait('third', 'bob')
  unplaced.compose('bob', 2)
  unplaced.placed(2)
  await settled()
  expect(told).toEqual(['beside', 'first', 'third'])
  unplaced.compose('ann', 3)
  unplaced.placed(3)
  await settled()
  wait('nobody')
  await settled()
  expect(told).toEqual(['beside', 'first', 'third', 'second', 'nobody'])
})

test('a batch that is said again has the present state, and registers that the log may have are said again', () => {
  const said = { sessions: 'active', choice: BUSY } as const
  users.set('ann', { said })
  const busy = fact('ann', { choice: BUSY, cause: 'chosen' })
  add([busy], ['ann'])
  expect(contentsOf(unplaced.compose('ann', 1))).toEqual({ v: BUSY, s: T })
  users.set('ann', { said: { ...said, choice: ONLINE } })
  const online = fact('ann', { cause: 'chosen' })
  add([online], ['ann'])
  expect(unplaced.isUnread('ann')).toBe(true)
  // The log of this node has no choice. But the lost batch may have reached it.
  const items = unplaced.compose('ann', 1)
  expect(contentsOf(items)).toEqual({ v: ONLINE, s: T })
  expect(items.registers.map(([, value]) => splitValue(value)?.stamp)).toEqual([2, T + 1])
  read(items)
  expect(unplaced.placed(1).facts).toEqual([online])
  expect(unplaced.isUnread('ann')).toBe(false)
})

test('a fact that is said again without a newer one is still pending', () => {
  const opened = fact('ann')
  add([opened], ['ann'])
  unplaced.compose('ann', 1)
  add([], ['ann'])
  unplaced.compose('ann', 1)
  expect(unplaced.placed(1).facts).toEqual([opened])
})

test('a user who leaves is said to be gone if the log may have a fact, also one that was not read back', () => {
  add([fact('ann')], ['ann'])
  unplaced.compose('ann', 1)
  users.set('ann', { isHere: false, isVisible: false, connections: 0 })
  add([fact('ann', { sessions: 'none', cause: 'left' })], ['ann'])
  expect(unplaced.compose('ann', 1).fact).toEqual(['ann', null, 'left'])
  users.set('bob', { isHere: false, isVisible: false, connections: 0 })
  add([], ['bob'])
  expect(unplaced.compose('bob', 2).fact).toBeUndefined()
})

test('a name is said if it differed from the log when it was decided, also in a batch that is said again', () => {
  users.set('ann', { username: 'Ann' })
  add([fact('ann', { username: 'Ann' })], ['ann'])
  const named = unplaced.compose('ann', 1)
  expect(contentsOf(named)).toEqual({ n: 'Ann', s: T })
  expect(contentsOf(unplaced.compose('ann', 1))).toEqual({ n: 'Ann', s: T })
  read(named)
  unplaced.placed(1)
  add([fact('ann', { username: 'Ann', cause: 'idle' })], ['ann'])
  const body = { format: 1, at: T, facts: [], registers: [['n:ann', '999999999999999|b|"Anna"']] } as const
  fold.apply({ place: { epoch: 1, seq: ++seq }, node: 'b', batch: 1, kind: 'say', body })
  // Another node has named the user meanwhile.
  expect(contentsOf(unplaced.compose('ann', 2))).toEqual({})
})

test('an assertion has all that a node knows, with the registers that the log had', () => {
  add([fact('ann')], ['ann'])
  read(unplaced.compose('ann', 1))
  unplaced.placed(1)
  const [ann, bob] = [unplaced.compose('ann', 2, true), unplaced.compose('bob', 2, true)]
  expect([ann.fact?.[0], bob.fact?.[0]]).toEqual(['ann', 'bob'])
  expect([...ann.registers, ...bob.registers].map(([key]) => key)).toEqual(['s:ann', 's:bob'])
  expect(ann.registers[0]?.[1]).toBe(fold.register('s:ann'))
})

test('what was refused is not placed, even if its batch number is used again for something else', async () => {
  const first = fact('ann')
  let isPlaced = false
  const waiting = unplaced.whenPlaced(add([first])).then(() => (isPlaced = true))
  unplaced.compose('ann', 1)
  unplaced.refused(1)
  // An epoch began with the same batch number. It says nothing of users.
  expect(unplaced.placed(1)).toEqual({ userIds: [], facts: [] })
  expect([isPlaced, unplaced.isUnread('ann')]).toEqual([false, true])
  unplaced.compose('ann', 2)
  expect(unplaced.placed(2)).toEqual({ userIds: ['ann'], facts: [first] })
  await waiting
  expect([isPlaced, unplaced.isUnread('ann')]).toEqual([true, false])
})

test('a user of a refused batch who is gone is still said, because the log may have the user', () => {
  unplaced.compose('ann', 1)
  unplaced.refused(1)
  users.set('ann', { isHere: false })
  expect(unplaced.compose('ann', 2).fact).toEqual(['ann', null, 'left'])
})

test('a name that another node said meanwhile is not replaced by the name of an earlier fact', () => {
  const nameOf = (items: UserItems) => contentsOf(items)['n']
  add([fact('ann', { username: 'Ann' })])
  users.set('ann', { username: 'Ann' })
  read(unplaced.compose('ann', 1))
  unplaced.placed(1)
  // The node is cut off now. Its next fact has the name that it knows.
  add([fact('ann', { username: 'Ann' })])
  const registers = [['n:ann', joinValue({ stamp: T + 9, node: 'b', json: '"Anna"' })]] as const
  const body = { format: 1, at: T, facts: [], registers } as const
  fold.apply({ place: { epoch: 1, seq: ++seq }, node: 'b', batch: 1, kind: 'say', body })
  add([fact('ann', { username: 'Ann', cause: 'left' })])
  expect(nameOf(unplaced.compose('ann', 2))).toBeUndefined()
  // The negative control: another name is a decision of this node.
  add([fact('ann', { username: 'Annie' })])
  users.set('ann', { username: 'Annie' })
  expect(nameOf(unplaced.compose('ann', 3))).toBe('Annie')
})

test.each([
  { what: 'with the choice to be hidden, which ends', choice: { status: 'offline' } as const, ends: true },
  { what: 'without it, as the choice was made on another node later', choice: BUSY, ends: false },
])('[R4] a user has left $what', ({ choice, ends }) => {
  const hidden = { status: 'offline' } as const
  users.set('ann', { choice, madeAt: T })
  add([fact('ann')], ['ann'])
  read(unplaced.compose('ann', 1))
  unplaced.placed(1)
  const made = joinValue({ stamp: T, node: 'b', json: JSON.stringify({ ...hidden, madeAt: T }) })
  read({ fact: undefined, registers: [['c:ann', made]] })
  users.set('ann', { isHere: false, madeAt: 0, lastSeen: T })
  add([], ['ann'])
  const { c } = contentsOf(unplaced.compose('ann', 2))
  expect(c).toEqual(ends ? { ...ONLINE, madeAt: 0 } : { ...hidden, madeAt: T, keptSince: T })
})
