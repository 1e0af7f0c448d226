import { expect, test } from 'vitest'
import { History } from './history.ts'

test('one point a second, the last that was so', () => {
  const history = new History()
  history.note(1_000, 1)
  history.note(1_900, 2)
  history.note(2_000, 5)
  expect([history.times, history.counts]).toEqual([
    [1, 2],
    [2, 5],
  ])
  expect(history.range).toEqual({ least: 2, most: 5 })
})

test('what nobody knew is a hole: a lost connection, and a page that did not look', () => {
  const history = new History()
  expect(history.range).toBeUndefined()
  history.note(1_000, undefined)
  expect(history.range).toBeUndefined()
  history.note(2_000, 3)
  history.note(60_000, 4)
  expect([history.times, history.counts]).toEqual([
    [1, 2, 3, 60],
    [null, 3, null, 4],
  ])
})

test('a week takes no more room than an hour, and still begins where it began', () => {
  const history = new History()
  const seconds = 7 * 86_400
  for (let second = 0; second < seconds; second += 1) history.note(second * 1_000, second)
  expect(history.times.length).toBeLessThanOrEqual(3_600)
  expect(history.times.length).toBeGreaterThan(1_700)
  expect(history.times[0]).toBe(0)
  expect(history.times.at(-1)).toBeGreaterThan(seconds - 600)
  expect(history.counts.at(-1)).toBe(seconds - 1)
  expect(history.times).toEqual([...new Set(history.times)].sort((a, b) => a - b))
  expect(history.counts).not.toContain(null)
})
