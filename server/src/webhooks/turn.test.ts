import { expect, test } from 'vitest'
import { Turn } from './turn.ts'

function newTurn() {
  const state = { isWriter: true, beatAt: 0, now: 0 }
  const turn = new Turn({
    isWriter: () => state.isWriter,
    beatAgeMs: () => (state.beatAt < 0 ? undefined : state.now - state.beatAt),
    now: () => state.now,
  })
  /** Whether it is the turn of the node after some time, with a beat each second. */
  const after = (ms: number, hasBeats = true) => {
    for (const until = state.now + ms; state.now < until; ) {
      state.now += 100
      if (hasBeats && state.now % 1_000 === 0) state.beatAt = state.now
      turn.isMine()
    }
    return turn.isMine()
  }
  return { state, turn, after }
}

test('[M8] a node delivers when it was the one for 5 s, and at once no more when it is not', () => {
  const { state, turn, after } = newTurn()
  expect([turn.isMine(), after(4_900), after(200)]).toEqual([false, false, true])
  state.isWriter = false
  expect(turn.isMine()).toBe(false)
  state.isWriter = true
  expect([turn.isMine(), after(4_900), after(200)]).toEqual([false, false, true])
})

test('[M8] a node whose beats do not come back stops after 4 s, before another one begins', () => {
  const { state, after } = newTurn()
  expect(after(5_100)).toBe(true)
  expect([after(3_800, false), after(200, false)]).toEqual([true, false])
  // A suspension counts too.
  expect(after(6_100)).toBe(true)
  state.now += 4_000
  expect(after(0)).toBe(false)
  expect(after(5_000)).toBe(false)
})

test('[M8] a node without a beat does not deliver', () => {
  const { state, after } = newTurn()
  state.beatAt = -1
  expect(after(10_000, false)).toBe(false)
})
