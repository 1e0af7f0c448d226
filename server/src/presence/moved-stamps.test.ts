import { expect, test } from 'vitest'
import { MovedStamps } from './moved-stamps.ts'
import { HOUR, T } from './testing/scenario.ts'

/** A clock that is right and has not jumped. */
const RIGHT = { ms: 0, now: T, jumpedMs: 0, isBehind: false, wasBehind: false, isRightAgain: false }

/** The clock was an hour ahead, wrote a `lastSeen` and was set back at `T`. */
function movedBack(stored = T + HOUR - 1_000, reading: Partial<typeof RIGHT> = {}) {
  const stamps = new MovedStamps()
  const lastSeen = stamps.move('ann', stored, HOUR, { ...RIGHT, jumpedMs: -HOUR, ...reading })
  return { stamps, lastSeen, stored }
}

test('[R11] a timestamp is moved by as much as the clock was ahead, and never into the future', () => {
  expect(movedBack(T + HOUR - 1_000).lastSeen).toBe(T - 1_000)
  expect(movedBack(T + HOUR + 1_000).lastSeen).toBe(T)
})

test('what was stored is kept until the user has another timestamp', () => {
  const { stamps, lastSeen, stored } = movedBack()
  expect([stamps.size, [...stamps.users()]]).toEqual([1, ['ann']])
  expect(stamps.original('ann', lastSeen)).toBe(stored)
  expect(stamps.aheadMs('ann', lastSeen)).toBe(HOUR)
  for (const [userId, other] of [
    ['ann', lastSeen + 1],
    ['bob', lastSeen],
  ] as const) {
    expect(stamps.original(userId, other)).toBeUndefined()
    expect(stamps.aheadMs(userId, other)).toBeUndefined()
    expect(stamps.follow(userId, other, RIGHT)).toBe(other)
  }
})

test('a timestamp that was not moved by the whole difference is stored with what it was moved by', () => {
  const { stamps, lastSeen } = movedBack(T + HOUR + 1_000)
  expect(stamps.aheadMs('ann', lastSeen)).toBe(HOUR + 1_000)
})

test('[R11] while the clock may be behind, `aheadMs` is unknown', () => {
  const { stamps, lastSeen } = movedBack(T + HOUR - 1_000, { isBehind: true })
  expect(stamps.original('ann', lastSeen)).toBeDefined()
  expect(stamps.aheadMs('ann', lastSeen)).toBeUndefined()
})

test('nothing is left after `delete` and `clear`', () => {
  const { stamps, lastSeen } = movedBack()
  stamps.move('bob', T + HOUR, HOUR, RIGHT)
  stamps.delete('ann')
  expect([stamps.size, stamps.original('ann', lastSeen)]).toEqual([1, undefined])
  stamps.clear()
  expect([stamps.size, [...stamps.users()]]).toEqual([0, []])
})

test.each([0, -5_000])('[R11] a jump that undoes the set-back, up to %d ms, gives the time back', offMs => {
  const { stamps, lastSeen, stored } = movedBack()
  const now = T + HOUR + offMs
  expect(stamps.follow('ann', lastSeen, { ...RIGHT, now, jumpedMs: offMs })).toBe(stored)
  expect(stamps.size).toBe(0)
})

test('[R11] a smaller jump forward may be the end of a pause of the machine and moves nothing', () => {
  const { stamps, lastSeen, stored } = movedBack()
  const jumpedMs = -5_001
  expect(stamps.follow('ann', lastSeen, { ...RIGHT, now: T + HOUR + jumpedMs, jumpedMs })).toBe(lastSeen)
  expect(stamps.original('ann', lastSeen)).toBe(stored)
  expect(stamps.aheadMs('ann', lastSeen)).toBe(HOUR)
})

test('[R11] a clock that is set back further takes the timestamp with it, and gives it back', () => {
  const { stamps, lastSeen } = movedBack()
  const back = { ...RIGHT, now: T - 60_000, jumpedMs: -HOUR - 60_000 }
  const further = stamps.follow('ann', lastSeen, back)
  expect(further).toBe(lastSeen - 60_000)
  const again = stamps.follow('ann', further, { ...RIGHT, now: T, jumpedMs: -HOUR })
  expect(again).toBe(lastSeen)
  expect(stamps.original('ann', lastSeen)).toBe(T + HOUR - 1_000)
})

test('[R11] a clock that is behind moves nothing that a better clock has moved, nor does its correction', () => {
  const { stamps, lastSeen, stored } = movedBack()
  const far = { ...RIGHT, ms: -1_000_000, now: T - 1_000_000, jumpedMs: -HOUR - 1_000_000, isBehind: true }
  expect(stamps.follow('ann', lastSeen, far)).toBe(lastSeen)
  expect(stamps.aheadMs('ann', lastSeen)).toBe(HOUR)
  const right = { ...RIGHT, ms: 1_000_000, now: T, jumpedMs: -HOUR, wasBehind: true }
  expect(stamps.follow('ann', lastSeen, right)).toBe(lastSeen)
  // The set-back before that can still be undone.
  expect(stamps.follow('ann', lastSeen, { ...RIGHT, ms: HOUR, now: T + HOUR, jumpedMs: 0 })).toBe(stored)
})

test('[R11] a jump that is larger than the set-back does not undo it', () => {
  const { stamps, lastSeen } = movedBack()
  const day = 24 * HOUR
  const jump = { ...RIGHT, ms: day, now: T + day, jumpedMs: day - HOUR }
  expect(stamps.follow('ann', lastSeen, jump)).toBe(lastSeen)
})

test('[R11] what an earlier process has found out does not depend on what the clock shows', () => {
  const stamps = new MovedStamps()
  const unset = { ...RIGHT, now: 1_000, isBehind: true }
  expect(stamps.move('ann', T + HOUR, HOUR, unset, true)).toBe(T)
  expect(stamps.aheadMs('ann', T)).toBe(HOUR)
})

test('[R11] a clock that was behind and has reached the stored time gives it back', () => {
  for (const [now, isBack] of [
    [T + HOUR - 1_000, true],
    [T + HOUR - 1_001, false],
  ] as const) {
    const { stamps, lastSeen, stored } = movedBack(T + HOUR - 1_000, { isBehind: true })
    const jumpedMs = -HOUR + 10_000
    const followed = stamps.follow('ann', lastSeen, { ...RIGHT, now, jumpedMs, wasBehind: true })
    // If it has not, the timestamp moves with the clock, also forward.
    expect(followed).toBe(isBack ? stored : lastSeen + 10_000)
    expect(stamps.aheadMs('ann', followed)).toBe(isBack ? undefined : HOUR - 10_000)
  }
})

test('[R11] what moved with a clock that was behind stays there after a later jump forward', () => {
  const { stamps, lastSeen } = movedBack(T + HOUR - 1_000, { isBehind: true })
  const first = { ...RIGHT, now: T + 10_000, jumpedMs: -HOUR + 10_000, wasBehind: true }
  const moved = stamps.follow('ann', lastSeen, first)
  const later = { ...RIGHT, now: T + 30_000, jumpedMs: -HOUR + 20_000 }
  expect(stamps.follow('ann', moved, later)).toBe(moved)
})

test('[R11] a timestamp that follows the clock is never in the future', () => {
  const { stamps, lastSeen } = movedBack(T + HOUR - 1_000, { isBehind: true })
  const now = T - HOUR
  expect(stamps.follow('ann', lastSeen, { ...RIGHT, now, jumpedMs: -HOUR - 1, wasBehind: true })).toBe(now)
})

test('[R11] what an earlier process has measured moves with a set-back only if it would be in the future', () => {
  const stamps = new MovedStamps()
  const ahead = { ...RIGHT, now: T + 10 * HOUR }
  expect(stamps.move('ann', T + HOUR, HOUR, ahead, true)).toBe(T)
  const back = { ...RIGHT, ms: -10 * HOUR, now: T, jumpedMs: -10 * HOUR }
  expect(stamps.follow('ann', T, back)).toBe(T)
  expect(stamps.aheadMs('ann', T)).toBe(HOUR)
  // Control: this process has measured it, so its clock was wrong by more.
  const own = new MovedStamps()
  own.move('ann', T + HOUR, HOUR, ahead)
  expect(own.follow('ann', T, back)).toBe(T - 10 * HOUR)
  const further = { ...back, ms: -10 * HOUR - 1, now: T - 1, jumpedMs: -10 * HOUR - 1 }
  expect(stamps.follow('ann', T, further)).toBe(T - 10 * HOUR - 1)
})
