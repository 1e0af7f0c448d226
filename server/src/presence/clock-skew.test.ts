import { expect, test } from 'vitest'
import { ClockSkew } from './clock-skew.ts'
import { DAY, HOUR } from './testing/scenario.ts'

function begun(aheadMs: number): ClockSkew {
  const skew = new ClockSkew()
  skew.begin(aheadMs, 0)
  return skew
}

/** By how much the clock is wrong, as far as the process can tell. */
const offOf = (skew: ClockSkew) => ({ ahead: skew.aheadMs, behind: skew.behindMs(skew.jumpedMs) })

const RIGHT = { ahead: 0, behind: 0 }

test.each([
  [0, RIGHT],
  [DAY, RIGHT],
  [DAY + 1, { ahead: DAY + 1, behind: 0 }],
  [-5_000, RIGHT],
  [-5_001, { ahead: 0, behind: 5_001 }],
])('[R11] a start %d ms after the last stored time', (aheadMs, off) => {
  const skew = begun(aheadMs)
  expect([skew.isOff, offOf(skew)]).toEqual([off !== RIGHT, off])
})

test.each([
  ['by little', 5_000, RIGHT],
  ['forward', 5_001, { ahead: 5_001, behind: 0 }],
  ['back', -5_001, { ahead: 0, behind: 5_001 }],
])('[R11] a jump %s', (_, ms, off) => {
  const skew = begun(0)
  expect(skew.jump(ms, 0)).toBe(false)
  expect([skew.isOff, offOf(skew)]).toEqual([off !== RIGHT, off])
})

test('[R11] jumps add up, and the clock is right again after a jump back', () => {
  const skew = begun(0)
  expect([HOUR, DAY, -HOUR].map(ms => skew.jump(ms, 0))).toEqual([false, false, false])
  expect([skew.jumpedMs, skew.aheadMs]).toEqual([DAY, DAY])
  // What was written after the first jump is ahead as well, and what was written after a set-back is behind.
  expect([skew.behindMs(HOUR), skew.behindMs(-HOUR)]).toEqual([0, HOUR])
  expect(skew.jump(-DAY + 5_000, 0)).toBe(true)
  expect(offOf(skew)).toEqual(RIGHT)
})

test.each([
  ['and is set right', HOUR, true],
  ['and is set almost right', HOUR - 5_000, true],
  ['and is still behind then', HOUR - 5_001, false],
  ['and is set far ahead: how far it was behind was only the least', 40 * DAY, true],
])('[R11] a clock that was behind at the start %s', (_, ms, isRight) => {
  const skew = begun(-HOUR)
  expect(skew.jump(ms, 0)).toBe(isRight)
  expect(skew.isOff).toBe(!isRight)
  // The time after the jump is the right one from now on.
  if (isRight) expect(skew.jump(-HOUR, 0)).toBe(false)
  if (isRight) expect(offOf(skew)).toEqual({ ahead: 0, behind: HOUR })
})

test.each([
  ['and is set back to a plausible time', -40 * DAY, true],
  ['and is set back to a day after the stored time', -39 * DAY, true],
  ['and is still ahead then', -39 * DAY + 1, false],
  ['and is set back too far', -40 * DAY - 5_001, false],
])('[R11] a clock that was ahead at the start %s', (_, ms, isRight) => {
  const skew = begun(40 * DAY)
  expect(skew.jump(ms, 0)).toBe(isRight)
  expect(skew.isOff).toBe(!isRight)
})

test('[R11] the hour after which a clock is believed begins with its last jump', () => {
  const skew = begun(0)
  expect(skew.isToBeBelieved(9 * HOUR)).toBe(false)
  skew.jump(DAY, 10)
  skew.jump(DAY, 20)
  expect([skew.isToBeBelieved(HOUR + 19), skew.isToBeBelieved(HOUR + 20)]).toEqual([false, true])
  skew.believe()
  expect([skew.isOff, offOf(skew)]).toEqual([false, RIGHT])
})

test('[R11] for a clock that is wrong at the start, the hour begins with the start', () => {
  const skew = new ClockSkew()
  skew.begin(2 * DAY, 100)
  expect([skew.isToBeBelieved(HOUR + 99), skew.isToBeBelieved(HOUR + 100)]).toEqual([false, true])
  skew.believe()
  expect([skew.isOff, offOf(skew)]).toEqual([false, RIGHT])
})
