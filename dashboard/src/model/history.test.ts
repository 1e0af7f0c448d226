import { expect, test } from 'vitest'
import { History, type Range, rangeOf } from './history.ts'

const MINUTE = 60_000
const DAY = 86_400_000
const columnsOf = (history: History, nowMs: number, range: Range = 'hour') => {
  const { times, counts } = history.columns(nowMs, range)
  return [times, counts]
}

test('one point a second, with its last number', () => {
  const history = new History()
  history.record(1_000, 1)
  history.record(1_900, 2)
  history.record(2_000, 5)
  expect(columnsOf(history, 2_000)).toEqual([
    [1, 2],
    [2, 5],
  ])
  expect(rangeOf(history.columns(2_000, 'hour'))).toEqual({ least: 2, most: 5 })
})

test('unknown numbers are a gap: a lost connection, and a hidden page', () => {
  const history = new History()
  expect(rangeOf(history.columns(0, 'day'))).toBeUndefined()
  history.record(1_000, undefined)
  expect(columnsOf(history, 1_000)).toEqual([[], []])
  history.record(2_000, 3)
  history.record(3_000, undefined)
  history.record(60_000, 4)
  expect(columnsOf(history, 60_000)).toEqual([
    [2, 3, 4, 60],
    [3, null, null, 4],
  ])
})

test('without an answer of the server, an hour has at most a point a second, and a day no more', () => {
  const history = new History()
  for (let second = 0; second < DAY / 1_000; second++) history.record(second * 1_000, second)
  const { times, counts } = history.columns(DAY - 1_000, 'day')
  expect(times.length).toBeLessThanOrEqual(1_441)
  expect(times.length).toBeGreaterThan(1_300)
  expect([times[0], counts.at(-1)]).toEqual([0, DAY / 1_000 - 1])
  expect(times).toEqual([...new Set(times)].sort((a, b) => a - b))
  expect(counts).not.toContain(null)
})

test('the numbers of the server come first, then those that the page has seen since', () => {
  const history = new History()
  const now = 10 * DAY
  for (let second = 90; second >= 0; second -= 30) history.record(now - second * 1_000, 9)
  history.setServer({ stepMs: MINUTE, until: now - 40_000, online: [1, null, 3] }, now)
  expect(columnsOf(history, now)).toEqual([
    [160, 100, 40, 30, 29, 0].map(age => now / 1_000 - age),
    [1, null, 3, 9, null, 9],
  ])
})

test('a gap in what the page has seen is filled by the server', () => {
  const history = new History()
  history.record(MINUTE, 5)
  history.record(2 * MINUTE, undefined)
  history.record(5 * MINUTE, 6)
  history.setServer({ stepMs: MINUTE, until: 5 * MINUTE, online: [5, 5, 5, 5, 6] }, 5 * MINUTE)
  expect(history.columns(5 * MINUTE, 'hour').counts).toEqual([5, 5, 5, 5, 6])
})

test('a day has the last number of each minute, and an hour has each number', () => {
  const history = new History()
  for (const [second, count] of [
    [60, 1],
    [61, 2],
    [119, 3],
    [120, 4],
    [125, 5],
  ] as const) {
    history.record(second * 1_000, count)
  }
  expect(columnsOf(history, 125_000, 'day')).toEqual([
    [60, 119, 125],
    [1, 3, 5],
  ])
  expect(history.columns(125_000, 'hour').counts).toEqual([1, 2, null, 3, 4, 5])
})

test('an hour has only the numbers of the last hour', () => {
  const history = new History()
  history.setServer({ stepMs: 30 * MINUTE, until: 10 * DAY, online: [1, 2, 3, 4] }, 10 * DAY)
  expect(history.columns(10 * DAY, 'hour').counts).toEqual([2, 3, 4])
  expect(history.columns(10 * DAY, 'day').counts).toEqual([1, 2, 3, 4])
})

test('nothing after the given time is shown', () => {
  const history = new History()
  for (const second of [1, 2, 3]) history.record(second * 1_000, second)
  expect(columnsOf(history, 2_000)).toEqual([
    [1, 2],
    [1, 2],
  ])
})

test('only the last 24 hours are shown, from the first known number on', () => {
  const history = new History()
  const now = 10 * DAY
  history.setServer({ stepMs: DAY / 4, until: now, online: [7, 7, null, 8, 9, 9, 9] }, now)
  expect(history.columns(now, 'day').counts).toEqual([8, 9, 9, 9])
})

test.each([
  ['ahead', 3_600_000],
  ['behind', -3_600_000],
])('if the clock of the server is %s, its numbers end now', (_what, offset) => {
  const history = new History()
  const now = 10 * DAY
  history.record(now - 5_000, 2)
  history.setServer({ stepMs: MINUTE, until: now + offset, online: [1, 2] }, now)
  expect(columnsOf(history, now)).toEqual([
    [now / 1_000 - 60, now / 1_000],
    [1, 2],
  ])
})
