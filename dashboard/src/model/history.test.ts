import { expect, test } from 'vitest'
import { History } from './history.ts'

test('one point a second, with its last number', () => {
  const history = new History()
  history.record(1_000, 1)
  history.record(1_900, 2)
  history.record(2_000, 5)
  expect([history.times, history.counts]).toEqual([
    [1, 2],
    [2, 5],
  ])
  expect(history.range).toEqual({ least: 2, most: 5 })
})

test('unknown numbers are a gap: a lost connection, and a hidden page', () => {
  const history = new History()
  expect(history.range).toBeUndefined()
  history.record(1_000, undefined)
  expect(history.range).toBeUndefined()
  history.record(2_000, 3)
  history.record(60_000, 4)
  expect([history.times, history.counts]).toEqual([
    [1, 2, 3, 60],
    [null, 3, null, 4],
  ])
})

test('a week has no more points than an hour, and still begins when the page was opened', () => {
  const history = new History()
  const seconds = 7 * 86_400
  for (let second = 0; second < seconds; second += 1) history.record(second * 1_000, second)
  expect(history.times.length).toBeLessThanOrEqual(3_600)
  expect(history.times.length).toBeGreaterThan(1_700)
  expect(history.times[0]).toBe(0)
  expect(history.times.at(-1)).toBeGreaterThan(seconds - 600)
  expect(history.counts.at(-1)).toBe(seconds - 1)
  expect(history.times).toEqual([...new Set(history.times)].sort((a, b) => a - b))
  expect(history.counts).not.toContain(null)
})
