import { expect, test } from 'vitest'
import { rowIntoView, windowOf } from './window.ts'

test('of ten thousand rows some dozens are drawn, at any scroll position', () => {
  expect(windowOf(0, 600, 60, 10_000)).toEqual({ from: 0, to: 19 })
  expect(windowOf(6_030, 600, 60, 10_000)).toEqual({ from: 92, to: 119 })
  expect(windowOf(599_400, 600, 60, 10_000)).toEqual({ from: 9_982, to: 10_000 })
})

test('a list that has become shorter than the scroll position is drawn at its end', () => {
  const { from, to } = windowOf(100_000, 600, 60, 3)
  expect([from <= to, to]).toEqual([true, 3])
  expect(windowOf(0, 600, 60, 0)).toEqual({ from: 0, to: 0 })
})

test('a row that the keyboard moves to is scrolled into view by the shortest way', () => {
  expect(rowIntoView(50, 0, 400, 40)).toBe(1_640)
  expect(rowIntoView(2, 1_640, 400, 40)).toBe(80)
  expect(rowIntoView(4, 80, 400, 40)).toBe(80)
})
