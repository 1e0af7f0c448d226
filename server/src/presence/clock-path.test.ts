import { expect, test } from 'vitest'
import { ClockPath } from './clock-path.ts'
import { DAY, HOUR } from './testing/scenario.ts'

/** What each jump to one of these sums returns. */
function followed(...sums: readonly number[]): (readonly number[])[] {
  const path = new ClockPath()
  return sums.map(sum => path.follow(sum))
}

test('[R11] a clock that is back where it was, was wrong in between', () => {
  expect(followed(-HOUR, DAY, 40 * DAY, -HOUR)).toEqual([[], [], [], [DAY, 40 * DAY]])
  expect(followed(-HOUR, DAY, 0)).toEqual([[], [], [-HOUR, DAY]])
})

test('[R11] a clock that is at another time was not wrong before', () => {
  expect(followed(-HOUR, -DAY, HOUR)).toEqual([[], [], []])
})

test('[R11] each time is wrong only once', () => {
  expect(followed(-HOUR, DAY, -HOUR, HOUR, -HOUR)).toEqual([[], [], [DAY], [], [HOUR]])
})

test.each([
  [5_000, [DAY]],
  [-5_000, [DAY]],
  [5_001, []],
  [-5_001, []],
])('[R11] back within %d ms', (ms, between) => {
  expect(followed(-HOUR, DAY, -HOUR + ms).at(-1)).toEqual(between)
})

test('[I9] the last 100 jumps are kept', () => {
  const far = (count: number) => Array.from({ length: count }, (_, n) => (n + 1) * DAY)
  expect(followed(...far(99), 0).at(-1)).toHaveLength(99)
  expect(followed(...far(100), 0).at(-1)).toEqual([])
})
