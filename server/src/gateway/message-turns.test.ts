import { afterEach, beforeEach, expect, test } from 'vitest'
import { rethrow } from '../fanout/testing/rethrow.ts'
import { type Line, MessageTurns } from './message-turns.ts'

const BUDGET_MS = 10

const nextTurn = () => new Promise(resolve => setImmediate(resolve))

let now: number
let done: string[]
let turns: MessageTurns

beforeEach(() => {
  now = 0
  done = []
  turns = new MessageTurns({ steady: () => now }, BUDGET_MS)
})

// What still waits must not take turns in the next test.
afterEach(async () => {
  while (!turns.hasTime(now)) await nextTurn()
})

/** Handles a message that takes this time, in ms. */
function handle(name: string, ms: number): void {
  turns.hasTime(now)
  now += ms
  done.push(name)
}

/** Lets `count` messages wait, which take `ms` each. */
function wait(line: Line, name: string, count: number, ms = 1): void {
  let next = 1
  const one = {
    turn() {
      handle(`${name}${next}`, ms)
      if (next++ < count) turns.wait(line, one)
    },
    fail: rethrow,
  }
  turns.wait(line, one)
}

test('[L11] the time for messages is limited in each turn of the event loop', async () => {
  handle('a', BUDGET_MS - 1)
  expect(turns.hasTime(now)).toBe(true)
  handle('b', 1)
  expect(turns.hasTime(now)).toBe(false)
  await nextTurn()
  expect(turns.hasTime(now)).toBe(true)
})

test('[L11] while one waits, all others wait too, though there is time', () => {
  wait('line', 'a', 1)
  expect(turns.hasTime(now)).toBe(false)
})

test('[L11] in each turn of the event loop, as many wait no longer as there is time for', async () => {
  wait('line', 'a', 7, 4)
  await nextTurn()
  expect(done).toEqual(['a1', 'a2', 'a3'])
  await nextTurn()
  expect(done).toHaveLength(6)
  expect(turns.hasTime(now)).toBe(false)
  await nextTurn()
  expect(done).toHaveLength(7)
  expect(turns.hasTime(now)).toBe(true)
})

test('[L11] one message of each line is handled, then the next of each, and so among those of one line', async () => {
  for (const name of ['a', 'b', 'c']) wait('crowd', name, 2)
  wait('few', 'x', 2)
  wait('one', 'y', 1)
  await nextTurn()
  expect(done.join()).toBe('a1,x1,y1,b1,x2,c1,a2,b2,c2')
})

test('[L11] the order goes on in the next turn of the event loop', async () => {
  for (const name of ['a', 'b', 'c', 'd']) wait('crowd', name, 2, BUDGET_MS)
  wait('few', 'x', 1, BUDGET_MS)
  for (let turn = 0; turn < 5; turn++) await nextTurn()
  expect(done.join()).toBe('a1,x1,b1,c1,d1')
})

test('[L11] one that has left its line gets no turn, and the line ends with the last one', async () => {
  const turn = () => done.push('left')
  const [one, other] = [
    { turn, fail: rethrow },
    { turn: () => done.push('stayed'), fail: rethrow },
  ]
  turns.wait('line', one)
  turns.wait('line', other)
  turns.leave('line', one)
  turns.leave('another line', one)
  await nextTurn()
  expect(done).toEqual(['stayed'])
  turns.wait('line', one)
  turns.leave('line', one)
  expect(turns.hasTime(now)).toBe(true)
})

test('[L11 C2] a bug in a turn concerns only the one whose turn it is', async () => {
  const failed: unknown[] = []
  turns.wait('line', {
    turn() {
      throw new Error('planted')
    },
    fail: error => failed.push(error),
  })
  wait('line', 'a', 1)
  await nextTurn()
  expect([failed.length, done]).toEqual([1, ['a1']])
})
