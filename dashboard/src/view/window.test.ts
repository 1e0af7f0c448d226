import { expect, test } from 'vitest'
import { windowOf } from './window.ts'

test('of ten thousand lines some dozens are drawn, wherever one is', () => {
  expect(windowOf(0, 600, 60, 10_000)).toEqual({ from: 0, to: 19 })
  expect(windowOf(6_030, 600, 60, 10_000)).toEqual({ from: 92, to: 119 })
  expect(windowOf(599_400, 600, 60, 10_000)).toEqual({ from: 9_982, to: 10_000 })
})

test('a list that became short while one was far below is drawn at its end', () => {
  const { from, to } = windowOf(100_000, 600, 60, 3)
  expect([from <= to, to]).toEqual([true, 3])
  expect(windowOf(0, 600, 60, 0)).toEqual({ from: 0, to: 0 })
})
