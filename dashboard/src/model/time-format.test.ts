import { expect, test } from 'vitest'
import { elapsed, timeFormat } from './time-format.ts'

const NOW = Date.parse('2026-01-02T12:00:00Z')
const format = timeFormat('en-GB', 'UTC')

test('today is shown as a time, any other day with its date', () => {
  expect(format.clock(NOW - 3_600_000, NOW)).toBe('11:00')
  expect(format.clock(NOW - 86_400_000, NOW)).toBe('1 Jan, 12:00')
  expect(format.clock(NOW - 2 * 86_400_000, NOW)).toBe('31 Dec 2025')
  expect(format.tick(NOW)).toBe('12:00')
  expect(format.second(NOW)).toBe('12:00:00')
})

test.each([
  [0, 'now'],
  [-5_000, 'now'],
  [9_999, 'now'],
  [19_000, '10 seconds ago'],
  [60_000, '1 minute ago'],
  [3_599_000, '59 minutes ago'],
  [7_200_000, '2 hours ago'],
  [86_400_000, 'yesterday'],
  [864_000_000, '10 days ago'],
])('%i ms before now is "%s"', (passed, words) => {
  expect(format.ago(NOW - passed, NOW)).toBe(words)
})

test.each([
  [9_999, 'now'],
  [19_000, '10s'],
  [3_599_000, '59m'],
  [7_200_000, '2h'],
  [864_000_000, '10d'],
])('%i ms are "%s" in a narrow column', (passed, words) => {
  expect(format.short(NOW - passed, NOW)).toBe(words)
})

test.each([
  [19_000, '10 seconds'],
  [60_000, '1 minute'],
  [7_200_000, '2 hours'],
])('%i ms are "%s" in a sentence', (passed, words) => {
  expect(format.span(NOW - passed, NOW)).toBe(words)
})

test.each([
  [1, '1 s'],
  [59, '59 s'],
  [60, '1 min'],
  [3_599, '59 min'],
  [3_600, '1 h'],
  [86_399, '23 h'],
  [172_800, '2 d'],
])('%i seconds have lasted "%s"', (seconds, words) => {
  expect(elapsed(seconds)).toBe(words)
})
