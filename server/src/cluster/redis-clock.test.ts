import { expect, test } from 'vitest'
import { RedisClock } from './redis-clock.ts'

const START = 1_750_000_000_000
const HOUR = 3_600_000

/** A clock that Redis has told once, at 0 of the clock of the node. */
function told(): RedisClock {
  const clock = new RedisClock()
  clock.answered(-10, 10, START)
  return clock
}

test('[R11] when Redis is set back, the wall clock follows at once, and the time of stamps runs on', () => {
  const clock = told()
  clock.answered(0, 0, START + HOUR)
  expect([clock.wall(0), clock.at(0)]).toEqual([START + HOUR, START + HOUR])
  clock.answered(1_000, 1_000, START + 1_000)
  expect([clock.wall(1_000), clock.at(1_000)]).toEqual([START + 1_000, START + HOUR + 1_000])
})

test('a small correction back stops the time of stamps until it is reached', () => {
  const clock = told()
  expect(clock.at(1_000)).toBe(START + 1_000)
  clock.answered(1_000, 1_000, START)
  expect([clock.wall(1_000), clock.at(1_000), clock.at(2_500)]).toEqual([START, START + 1_000, START + 1_500])
})

test('stamps follow the time of another node, if a clock can be so far ahead', () => {
  const clock = told()
  clock.seen(START + HOUR, 0)
  expect([clock.wall(0), clock.at(0)]).toEqual([START, START + HOUR])
  for (const time of [START + 48 * HOUR, 2_795_942_161_792, 9_007_199_254_740_000]) clock.seen(time, 0)
  expect(clock.at(0)).toBe(START + HOUR)
})

test('an epoch began at its number, if that is a time', () => {
  const clock = told()
  const epochs = [START - HOUR, START + HOUR, 2_795_942_161_792]
  expect(epochs.map(epoch => clock.began(epoch, 0))).toEqual([START - HOUR, START + HOUR, START])
})

test('before Redis has told its time, nothing is followed', () => {
  const clock = new RedisClock()
  clock.seen(START, 0)
  expect([clock.isKnown, clock.at(5)]).toEqual([false, 5])
})
