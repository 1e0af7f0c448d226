import { expect, test } from 'vitest'
import { timeRange, topOf, withWidth } from './chart-options.ts'

test('the time axis has at least ten minutes, whatever the data is', () => {
  expect(timeRange(50_000, 50_000)).toEqual([49_400, 50_000])
  expect(timeRange(0, 86_400)).toEqual([0, 86_400])
  expect(timeRange(null, null)).toEqual([0, 600])
})

test('the count axis begins at 0 and has room above the largest number', () => {
  expect([null, 0, 1, 3, 9, 8_000].map(topOf)).toEqual([4, 4, 4, 4, 10, 10_000])
})

test('the last number has a width, unless it is unknown', () => {
  expect(withWidth([0, 1_000], [3, 4])).toEqual([
    [0, 1_000, 1_020],
    [3, 4, 4],
  ])
  expect(withWidth([0, 1_000], [3, null])).toEqual([
    [0, 1_000],
    [3, null],
  ])
})
