import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { SLICE_MS } from './slices.ts'
import { rethrow } from './testing/rethrow.ts'
import { type Turn, Turns } from './turns.ts'

/** A clock that only the pieces move. */
let now = 0
beforeEach(() => void vi.spyOn(performance, 'now').mockImplementation(() => now))
afterEach(() => void vi.restoreAllMocks())

const nextLoop = () => new Promise(resolve => setImmediate(resolve))

/** Sends so many pieces, each of which takes so long, and notes its name for each. */
function newTurn(name: string, pieces: number, sent: string[], pieceMs = 0): Turn {
  let left = pieces
  return {
    fail: rethrow,
    turn() {
      sent.push(name)
      now += pieceMs
      return --left > 0
    },
  }
}

test('the first piece is not sent by the one who asks, but soon', async () => {
  const sent: string[] = []
  new Turns().take(newTurn('a', 1, sent))
  expect(sent).toEqual([])
  await nextLoop()
  expect(sent).toEqual(['a'])
})

test('each sends one piece at a time, until all have sent everything', async () => {
  const sent: string[] = []
  const turns = new Turns()
  turns.take(newTurn('a', 3, sent))
  turns.take(newTurn('b', 1, sent))
  turns.take(newTurn('c', 2, sent))
  await nextLoop()
  expect(sent).toEqual(['a', 'b', 'c', 'a', 'c', 'a'])
  await nextLoop()
  expect(sent).toHaveLength(6)
})

test('after a slice others have the event loop, and the next one in line goes on', async () => {
  const sent: string[] = []
  const turns = new Turns()
  for (const name of ['a', 'b', 'c']) turns.take(newTurn(name, 2, sent, SLICE_MS / 2))
  const slices: string[][] = []
  for (let loop = 0; loop < 4; loop++) {
    await nextLoop()
    slices.push(sent.splice(0))
  }
  expect(slices).toEqual([['a', 'b'], ['c', 'a'], ['b', 'c'], []])
})

test('one that waits already does not get a second turn', async () => {
  const sent: string[] = []
  const turns = new Turns()
  const one = newTurn('a', 1, sent)
  turns.take(one)
  turns.take(one)
  await nextLoop()
  expect(sent).toEqual(['a'])
  turns.take(one)
  await nextLoop()
  expect(sent).toEqual(['a', 'a'])
})

test('one that asks during its own turn gets another', async () => {
  const turns = new Turns()
  let sent = 0
  const one: Turn = {
    fail: rethrow,
    turn() {
      if (++sent === 1) turns.take(one)
      return false
    },
  }
  turns.take(one)
  await nextLoop()
  await nextLoop()
  expect(sent).toBe(2)
})

test('[C2] a bug in the turn of one does not stop the others', async () => {
  const sent: string[] = []
  const turns = new Turns()
  const failed = vi.fn()
  turns.take(newTurn('a', 2, sent))
  turns.take({ turn: () => rethrow('planted'), fail: failed })
  turns.take(newTurn('b', 1, sent))
  await nextLoop()
  expect(sent).toEqual(['a', 'b', 'a'])
  expect(failed.mock.calls).toEqual([['planted']])
})
