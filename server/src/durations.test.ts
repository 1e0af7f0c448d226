import { expect, test } from 'vitest'
import { Durations } from './durations.ts'

test('durations are counted by the bounds that they do not exceed', () => {
  const durations = new Durations()
  for (const ms of [0, 1, 1.5, 10, 10.5, 60_000]) durations.add(ms)
  const counts = new Map(durations.buckets.map(({ most, count }) => [most, count]))
  expect(counts.get(0.001)).toBe(2)
  expect(counts.get(0.002)).toBe(3)
  expect(counts.get(0.01)).toBe(4)
  expect(counts.get(0.02)).toBe(5)
  expect(counts.get(10)).toBe(5)
  expect(counts.get(Number.POSITIVE_INFINITY)).toBe(6)
  expect(durations.count).toBe(6)
  expect(durations.sum).toBeCloseTo(60.023)
})
