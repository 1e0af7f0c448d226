import { expect, test } from 'vitest'
import { CountHistory, KEPT, STEP_MS } from './count-history.ts'

const START = Date.UTC(2026, 0, 1)

function history() {
  let online = 0
  const counts = new CountHistory(() => online, 0)
  return {
    counts,
    at(steady: number, now: number) {
      online = now
      counts.advance(steady)
    },
    view: (steady: number, now = START + steady) => counts.view(now, steady),
  }
}

test('[T8] begins with the start, and has one number a minute with the time of the last one', () => {
  const it = history()
  expect(it.view(100)).toEqual({ stepMs: STEP_MS, until: START, online: [0] })
  it.at(STEP_MS - 1, 7)
  expect(it.view(STEP_MS - 1).online).toEqual([0])
  it.at(STEP_MS + 80, 3)
  it.at(STEP_MS + 180, 4)
  it.at(2 * STEP_MS + 40, 5)
  expect(it.view(2 * STEP_MS + 30_000)).toEqual({
    stepMs: STEP_MS,
    until: START + 2 * STEP_MS,
    online: [0, 3, 5],
  })
})

test('[T8] keeps the last 24 hours', () => {
  const it = history()
  for (let minute = 1; minute <= KEPT + 5; minute++) it.at(minute * STEP_MS, minute)
  const { online } = it.view((KEPT + 5) * STEP_MS)
  expect([online.length, online[0], online.at(-1)]).toEqual([KEPT, 6, KEPT + 5])
})

test('[T8] the minutes of a suspension are unknown, however long it was', () => {
  const it = history()
  it.at(4 * STEP_MS, 9)
  expect(it.view(4 * STEP_MS).online).toEqual([0, null, null, null, 9])
  it.at(100 * KEPT * STEP_MS, 2)
  const { online, until } = it.view(100 * KEPT * STEP_MS)
  expect([online.length, online[0], online.at(-2), online.at(-1)]).toEqual([KEPT, null, null, 2])
  expect(until).toBe(START + 100 * KEPT * STEP_MS)
})

test('[T8] a wall clock that is set moves all times and no number', () => {
  const it = history()
  it.at(STEP_MS, 3)
  const later = it.view(STEP_MS + 1_000, START + 7_200_000)
  expect(later).toEqual({ stepMs: STEP_MS, until: START + 7_199_000, online: [0, 3] })
})
