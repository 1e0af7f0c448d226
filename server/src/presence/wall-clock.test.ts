import { expect, test } from 'vitest'
import { DAY, HOUR, T } from './testing/scenario.ts'
import { type StoredTimes, WallClock } from './wall-clock.ts'

/** The start of 2020: a clock that shows an earlier time was not set yet. */
const SET = Date.parse('2020-01-01T00:00:00Z')

function begun(now: number, times: StoredTimes = {}): WallClock {
  const wall = new WallClock()
  wall.begin(now, times)
  return wall
}

test('[R11] durations follow neither jumps nor suspensions', () => {
  const wall = begun(T)
  const before = wall.awake(T + 1_000)
  wall.leaveOut(60_000)
  expect(wall.awake(T + 61_000)).toBe(before)
  wall.jump(HOUR, T + 61_000 + HOUR)
  expect(wall.awake(T + 61_000 + HOUR)).toBe(before)
  expect(wall.at(before + 10)).toBe(T + 61_010 + HOUR)
})

test.each([
  ['right', T, { latestTime: T - HOUR }, { setBackMs: 0, unsetMs: 0 }],
  ['back by little', T, { latestTime: T + 5_000 }, { setBackMs: 0, unsetMs: 0 }],
  ['set back', T, { latestTime: T + 5_001 }, { setBackMs: 5_001, unsetMs: 0 }],
  ['set for the first time', T, { latestTime: 62_000 }, { setBackMs: 0, unsetMs: T - 62_000 }],
  ['still not set', 90_000, { latestTime: 62_000 }, { setBackMs: 0, unsetMs: 0 }],
  ['set to the start of 2020', SET, { latestTime: 62_000 }, { setBackMs: 0, unsetMs: SET - 62_000 }],
  ['without a stored time', T, {}, { setBackMs: 0, unsetMs: 0 }],
])('[R11] a start with a clock that is %s', (_, now, times, result) => {
  expect(new WallClock().begin(now, times)).toEqual(result)
})

test.each([
  ['as it was', T, { knownTime: T, latestTime: T }, false],
  ['a day later', T + DAY, { latestTime: T }, false],
  ['more than a day later', T + DAY + 1, { latestTime: T }, true],
  ['a little behind', T - 5_000, { knownTime: T }, false],
  ['behind', T - 5_001, { knownTime: T }, true],
  ['not set yet', 1_000, {}, true],
])('[R11] a clock that starts %s', (_, now, times, isOff) => {
  expect(begun(now, times).isOff).toBe(isOff)
})

test('[R13] a clock that is ahead at the start ends no choice early', () => {
  const wall = begun(T + 2 * DAY, { latestTime: T })
  expect(wall.aheadMs).toBe(2 * DAY)
  expect(wall.choiceTime(T + 2 * DAY + 10)).toBe(T + 10)
})

test('[R11] a clock that jumps is wrong, and after a jump back it is right', () => {
  const wall = begun(T)
  expect(wall.jump(HOUR, T + HOUR).isRightAgain).toBe(false)
  expect([wall.isOff, wall.aheadMs, wall.jumpedMs]).toEqual([true, HOUR, HOUR])
  expect(wall.jump(-HOUR, T).isRightAgain).toBe(true)
  expect([wall.isOff, wall.aheadMs, wall.jumpedMs]).toEqual([false, 0, 0])
  expect(wall.jump(-HOUR, T - HOUR).isRightAgain).toBe(false)
  expect([wall.behindMs(), wall.behindMs(HOUR), wall.aheadMs]).toEqual([HOUR, 0, 0])
})

test('[R11] the known time grows with awake time, and setting the clock does not change it', () => {
  expect(new WallClock().knownTime(T)).toBe(T)
  const wall = begun(T, { knownTime: T + 500 })
  expect(wall.knownTime(T + 1_000)).toBe(T + 1_500)
  wall.jump(HOUR, T + 1_000 + HOUR)
  expect(wall.knownTime(T + 1_000 + HOUR)).toBe(T + 1_500)
  wall.leaveOut(3_000)
  expect(wall.knownTime(T + 4_000 + HOUR)).toBe(T + 1_500)
  // Corrected back: less time has passed than the clock showed.
  wall.leaveOut(-400)
  expect(wall.knownTime(T + 3_600 + HOUR)).toBe(T + 1_100)
})

test('[R9 R11] a known time from before the clock was set is replaced by the first right time', () => {
  const wall = begun(T, { knownTime: 62_000 })
  expect(wall.knownTime(T + 10)).toBe(T + 10)
  const unset = begun(1_000)
  expect(unset.knownTime(2_000)).toBe(2_000)
  unset.jump(T, T + 3_000)
  expect(unset.knownTime(T + 4_000)).toBe(T + 4_000)
  // A known time that is plausible stays.
  const behind = begun(1_000, { knownTime: T })
  behind.jump(T + HOUR, T + HOUR + 1_000)
  expect(behind.knownTime(T + HOUR + 1_000)).toBe(T)
})

test('[R9] a timestamp of a clock that was not set counts from the known time', () => {
  const wall = begun(T)
  expect([wall.lastPresent(SET - 1), wall.lastPresent(SET)]).toEqual([T, SET])
  expect(new WallClock().lastPresent(5)).toBe(5)
})

test('[R11] no lastSeen is shown in the future', () => {
  const wall = begun(T)
  expect([wall.shown(T - 1), wall.shown(T + 1)]).toEqual([T - 1, T])
  wall.tell(T + 10)
  wall.tell(T + 5)
  expect(wall.shown(T + 20)).toBe(T + 10)
  wall.jump(-HOUR, T - HOUR)
  expect(wall.shown(T)).toBe(T - HOUR)
})

test('[R11] stored times are not behind the right time, if that is known', () => {
  const wall = begun(T - HOUR, { knownTime: T })
  expect(wall.behindMs()).toBe(HOUR)
  // It is not known how far a clock is behind that was never set.
  expect(begun(1_000).behindMs()).toBe(0)
  expect(new WallClock().behindMs()).toBe(0)
})

test('[R11] a wrong clock that does not jump for an hour is believed', () => {
  const wall = begun(T)
  expect(wall.isToBeBelieved(T + 2 * HOUR)).toBe(false)
  wall.jump(DAY, T + DAY)
  expect(wall.isToBeBelieved(T + DAY + HOUR - 1)).toBe(false)
  expect(wall.isToBeBelieved(T + DAY + HOUR)).toBe(true)
  wall.believe()
  expect([wall.isOff, wall.aheadMs, wall.isToBeBelieved(T + DAY + HOUR)]).toEqual([false, 0, false])
  // A clock that was never set is not believed.
  expect(begun(1_000).isToBeBelieved(1_000 + HOUR)).toBe(false)
})

test('[R11] a clock is behind if it shows less than the known time', () => {
  const wall = begun(T)
  expect(wall.isBehind).toBe(false)
  const little = { ms: -5_000, now: T - 5_000, jumpedMs: -5_000, isBehind: false, wasBehind: false }
  expect(wall.jump(-5_000, T - 5_000)).toMatchObject(little)
  expect(wall.isBehind).toBe(false)
  expect(wall.jump(-1, T - 5_001)).toMatchObject({ jumpedMs: -5_001, isBehind: true, wasBehind: false })
  expect(wall.isBehind).toBe(true)
  expect(wall.jump(5_001, T)).toMatchObject({ jumpedMs: 0, isBehind: false, wasBehind: true })
})

test('[R11] a clock is set back for good after an hour without a jump, unless it is behind', () => {
  const wall = begun(T)
  expect(wall.isSetBackForGood(T + HOUR - 1)).toBe(false)
  expect(wall.isSetBackForGood(T + HOUR)).toBe(true)
  wall.jump(10_000, T + HOUR + 10_000)
  expect(wall.isSetBackForGood(T + HOUR + 20_000)).toBe(false)
  wall.jump(-DAY, T + HOUR + 20_000 - DAY)
  expect(wall.isSetBackForGood(T + 3 * HOUR - DAY)).toBe(false)
})
