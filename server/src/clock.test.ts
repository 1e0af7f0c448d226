import { expect, test } from 'vitest'
import { createClock } from './clock.ts'

test('[R11] the clock follows the wall clock forwards and never goes back', () => {
  let wall = 1_000_000
  let steady = 0
  const clock = createClock(
    () => wall,
    () => steady,
  )
  const after = (ms: number, step = 0) => {
    wall += ms + step
    steady += ms
    return clock.now()
  }
  expect(after(10)).toBe(1_000_010)
  expect(after(10, 3_600_000)).toBe(4_600_020)
  expect(after(10, -1_000)).toBe(4_600_025)
  expect(after(1_000)).toBe(4_600_525)
  expect(after(1_000)).toBe(4_601_030)
})
