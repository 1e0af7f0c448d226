import { beforeEach, expect, test } from 'vitest'
import { Throttle, weightOfText } from './throttle.ts'

const T = 1_000_000
const PACE = { burst: 200, everyMs: 50 }

/** What the owner was told. Numbers are handled items. */
let told: (number | string)[]
let throttle: Throttle<number>

function open(debt = 0): Throttle<number> {
  throttle = new Throttle<number>(
    PACE,
    {
      handle: item => told.push(item),
      stopReading: () => told.push('stop'),
      readAgain: () => told.push('read'),
      tellTooFast: () => told.push('too fast'),
      sentTooMuch() {
        told.push('too much')
        throttle.end()
      },
    },
    debt,
  )
  return throttle
}

beforeEach(() => {
  told = []
  open()
})

/** Sends items at one time, each as soon as it is read. */
function send(count: number, now: number, weight = 1): void {
  for (let n = 0; n < count; n++) {
    if (throttle.take(now, weight)) told.push(n)
    else throttle.delay(n, weight, now, now)
  }
}

function advance(from: number, ms: number): void {
  for (let at = from + 100; at <= from + ms; at += 100) throttle.advance(at, at)
}

const handled = () => told.filter(each => typeof each === 'number').length
const times = (event: string) => told.filter(each => each === event).length

test('[L3] a burst is handled at once, and the rest in order at the rate, without loss', () => {
  send(300, T)
  expect([handled(), times('stop'), times('read')]).toEqual([200, 1, 0])
  advance(T, 4_900)
  expect([handled(), times('read')]).toEqual([298, 0])
  advance(T + 4_900, 200)
  expect(told.filter(each => typeof each === 'number')).toEqual(Array.from({ length: 300 }, (_, n) => n))
  expect(told.at(-1)).toBe('read')
})

test('[L3] a client that stays below the limit is never stopped', () => {
  for (let at = T; at < T + 60_000; at += 50) send(1, at)
  expect([handled(), times('stop')]).toEqual([1_200, 0])
})

test('[L3] too_fast is told at most once per 100 ms', () => {
  send(200, T)
  for (let ms = 0; ms < 1_000; ms++) send(1, T + ms)
  expect(times('too fast')).toBe(10)
})

test.each([
  ['tiny', 1, 2_000],
  ['heavy', 50, 40],
])('[L4] when %s messages of more than ten bursts wait, the connection ends', (_, weight, limit) => {
  send(200, T)
  send(limit, T, weight)
  expect(times('too much')).toBe(0)
  send(1, T, weight)
  expect([times('too much'), handled()]).toEqual([1, 200])
  advance(T, 60_000)
  expect([handled(), times('read')]).toEqual([200, 0])
})

test.each([1, 210])(
  '[L4] ten seconds of sending too fast end the connection, with reads of %i messages',
  size => {
    send(200, T)
    let at = T
    for (; at < T + 60_000 && times('too much') === 0; at += 100) {
      // A client that is read sends until it is stopped.
      while (!throttle.isStopped) send(size, at)
      throttle.advance(at, at)
    }
    expect(at - T).toBeGreaterThanOrEqual(10_000)
    expect(at - T).toBeLessThanOrEqual(10_300)
  },
)

test('[L4] after a second without waiting messages, the ten seconds begin again', () => {
  for (let round = 0; round < 20; round++) {
    const at = T + round * 15_000
    send(300, at)
    advance(at, 15_000)
  }
  expect([times('too much'), handled()]).toEqual([0, 20 * 300])
})

test('[R8] a suspension counts for the rate and not for the ten seconds', () => {
  send(600, T)
  throttle.advance(T + 15_000, T)
  // A new burst, and no more, however long it was.
  expect([handled(), times('too much')]).toEqual([400, 0])
})

test('[L4] a debt stops the next connection, for at most ten seconds', () => {
  send(200, T)
  expect(throttle.debtAt(T)).toBeDefined()
  expect(throttle.debtAt(T + 50)).toBeUndefined()
  send(2_000, T)
  const debt = throttle.debtAt(T)
  open(debt).start(T)
  expect(told.at(-1)).toBe('stop')
  advance(T, 9_900)
  expect(told.at(-1)).toBe('stop')
  advance(T + 9_900, 100)
  expect(told.at(-1)).toBe('read')
  send(2, T + 10_000)
  expect(told.slice(-3)).toEqual([0, 'stop', 'too fast'])
})

test('[L3] a text counts as more with more bytes and more values, before it is decoded', () => {
  const ids = (count: number) =>
    JSON.stringify({ type: 'subscribe', userIds: Array(count).fill('ann'), id: 1 })
  const keys = Array.from({ length: 7_500 }, (_, n) => `"${n}":1`)
  expect(weightOfText('{"type":"ping"}')).toBe(1)
  expect(weightOfText(ids(90))).toBe(1)
  expect(weightOfText(ids(1_000))).toBe(11)
  expect(weightOfText(`{${keys.join()}}`)).toBeGreaterThan(75)
  expect(weightOfText('x'.repeat(16_383))).toBe(1)
  expect(weightOfText('x'.repeat(16_384))).toBe(2)
  expect(weightOfText('€'.repeat(16_384))).toBe(4)
  expect(weightOfText('x'.repeat(65_536))).toBe(5)
})

test('[W9] while it is held, items wait, and nobody is told that they are too fast', () => {
  const held = T + 250
  throttle.hold(held)
  expect(throttle.take(T, 1)).toBe(false)
  throttle.delay(7, 1, T, T)
  throttle.advance(held - 1, held - 1)
  expect(told).toEqual(['stop'])
  throttle.advance(held, held)
  expect(told).toEqual(['stop', 7, 'read'])
})

test('[W9 L4] a held client that sends more than ten bursts is closed all the same', () => {
  throttle.hold(T + 250)
  for (let n = 0; n < 10_000 && times('too much') === 0; n++) throttle.delay(7, 1, T, T)
  expect([times('too much'), times('too fast')]).toEqual([1, 0])
})

test('[L4] after a hold, a client that was too fast shortly before still counts as too fast', () => {
  send(200, T)
  send(1, T)
  advance(T, 100)
  throttle.hold(T + 350)
  advance(T + 100, 300)
  for (let at = T + 400; at < T + 11_000 && times('too much') === 0; at += 100) {
    while (!throttle.isStopped) send(1, at)
    throttle.advance(at, at)
  }
  expect(times('too much')).toBe(1)
})
