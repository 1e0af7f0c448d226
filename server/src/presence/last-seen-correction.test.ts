import { expect, test } from 'vitest'
import type { Fact } from './fact.ts'
import { LastSeenCorrection, type ShownStamps } from './last-seen-correction.ts'
import type { PresenceRecord } from './record.ts'
import { DAY, HOUR, T } from './testing/scenario.ts'
import { type StoredTimes, WallClock } from './wall-clock.ts'

/** What others see, and the correction of it. A user who is not in `signs` gave no sign of life. */
class Scene {
  readonly wall = new WallClock()
  readonly stamps = new Map<string, number>()
  readonly signs = new Map<string, number>()
  readonly correction: LastSeenCorrection

  constructor() {
    const { stamps, signs } = this
    const shown: ShownStamps = {
      get: userId => {
        const lastSeen = stamps.get(userId)
        return lastSeen === undefined ? undefined : { userId, lastSeen }
      },
      users: () => [...stamps].map(([userId, lastSeen]) => ({ userId, lastSeen })),
      visibleUsers: () => [...signs].map(([userId, lastSeen]) => ({ userId, lastSeen })),
      correct: (userId, lastSeen) => stamps.set(userId, lastSeen),
    }
    this.correction = new LastSeenCorrection(this.wall, shown, userId => signs.get(userId))
  }

  /** The process starts at `now` with the records of these offline users. */
  begin(now: number, times: StoredTimes, ...records: PresenceRecord[]): this {
    const shift = this.wall.begin(now, times)
    for (const record of records) this.stamps.set(record.userId, this.correction.restore(record, now, shift))
    return this
  }

  /** Others see a user as offline since `now`. */
  leave(userId: string, now: number, isOwnSign = true): void {
    this.correction.decided(fact(userId, 'none', now), isOwnSign)
    this.stamps.set(userId, now)
  }

  /** The wall clock is set by `ms`. Returns the users whose timestamps were corrected. */
  jump(ms: number, now: number): string[] {
    return this.correction.jumped(this.wall.jump(ms, now))
  }

  /** What others see of a user, what is stored as `lastSeen`, and what is stored as `aheadMs`. */
  of(userId: string): (number | undefined)[] {
    const lastSeen = this.stamps.get(userId) ?? Number.NaN
    return [lastSeen, this.correction.stored(userId, lastSeen), this.correction.aheadMs(userId, lastSeen)]
  }

  /** All users whose record has changed since the last call. */
  changed(): string[] {
    return this.correction.takeChanged(Number.POSITIVE_INFINITY).toSorted()
  }
}

function fact(userId: string, sessions: Fact['sessions'], at: number): Fact {
  const choice = { status: 'online' } as const
  return { userId, sessions, choice, username: undefined, lastSeen: at, cause: 'left', at }
}

function record(userId: string, lastSeen: number, aheadMs?: number): PresenceRecord {
  const stored = { userId, session: 'none', status: 'offline', lastSeen } as const
  return aheadMs === undefined ? stored : { ...stored, aheadMs }
}

const RIGHT = { knownTime: T, latestTime: T }
/** The latest process ended with a clock that was an hour ahead. */
const AHEAD = { knownTime: T - DAY, latestTime: T + HOUR }

test('with a clock that is right, nothing is corrected or reported', () => {
  const scene = new Scene().begin(T, RIGHT, record('ann', T - HOUR))
  scene.leave('bob', T + 1_000)
  scene.correction.believeClock(T + 2 * HOUR)
  expect([scene.of('ann'), scene.of('bob')]).toEqual([
    [T - HOUR, T - HOUR, undefined],
    [T + 1_000, T + 1_000, undefined],
  ])
  expect([scene.correction.hasChanged, scene.changed()]).toEqual([false, []])
  // Not even if the clock is wrong later.
  scene.jump(DAY, T + DAY + 2 * HOUR)
  expect(scene.jump(-DAY, T + 2 * HOUR)).toEqual([])
})

test('[R11] a user who left while the clock was ahead is corrected when it is right again', () => {
  const scene = new Scene().begin(T, RIGHT)
  expect(scene.jump(DAY, T + DAY)).toEqual([])
  scene.leave('ann', T + DAY + 1_000)
  expect(scene.of('ann')).toEqual([T + DAY + 1_000, T + DAY + 1_000, undefined])
  expect(scene.jump(-DAY, T + 2_000)).toEqual(['ann'])
  expect(scene.of('ann')).toEqual([T + 1_000, T + 1_000, undefined])
  // Only once.
  scene.jump(DAY, T + DAY + 3_000)
  expect(scene.jump(-DAY, T + 4_000)).toEqual([])
})

test('[R11] a user who left while the clock was behind is stored with the right time before it is set right', () => {
  const scene = new Scene().begin(T, RIGHT)
  scene.jump(-HOUR, T - HOUR)
  scene.leave('ann', T - HOUR + 1_000)
  expect(scene.of('ann')).toEqual([T - HOUR + 1_000, T + 1_000, undefined])
  expect(scene.jump(HOUR, T + 2_000)).toEqual(['ann'])
  expect(scene.of('ann')).toEqual([T + 1_000, T + 1_000, undefined])
})

test('[R11] a timestamp that the wrong clock did not write is not corrected', () => {
  for (const [isOwnSign, sessions] of [
    [false, 'none'],
    [true, 'active'],
  ] as const) {
    const scene = new Scene().begin(T, RIGHT)
    scene.jump(-HOUR, T - HOUR)
    scene.leave('ann', T - HOUR)
    // A newer fact replaces what was known of the earlier one.
    scene.correction.decided(fact('ann', sessions, T - HOUR), isOwnSign)
    expect(scene.of('ann')[1]).toBe(T - HOUR)
    expect(scene.jump(HOUR, T)).toEqual([])
  }
})

test('[R11] a set-back moves the timestamps in the future, except of users with a newer sign of life', () => {
  const scene = new Scene().begin(T + HOUR, AHEAD, record('ann', T + HOUR), record('bob', T))
  scene.stamps.set('eve', T + HOUR)
  scene.signs.set('eve', T + HOUR)
  expect(scene.jump(-HOUR, T)).toEqual([])
  expect(scene.of('ann')).toEqual([T, T + HOUR, HOUR])
  expect(scene.of('bob')).toEqual([T, T, undefined])
  expect(scene.of('eve')).toEqual([T + HOUR, T + HOUR, undefined])
  expect(scene.changed()).toEqual(['ann'])
})

test('[R11] a timestamp that was moved comes back when the set-back is undone', () => {
  const scene = new Scene().begin(T + HOUR, AHEAD, record('ann', T + HOUR))
  scene.jump(-HOUR, T)
  scene.changed()
  scene.jump(HOUR, T + HOUR)
  expect(scene.of('ann')).toEqual([T + HOUR, T + HOUR, undefined])
  expect(scene.changed()).toEqual(['ann'])
})

test('[R11] a timestamp that was moved and written by a wrong clock is corrected from what was written', () => {
  const scene = new Scene().begin(T, RIGHT)
  scene.jump(2 * HOUR, T + 2 * HOUR)
  scene.leave('ann', T + 2 * HOUR + 1_000)
  // Moved to the present time of a clock that is still ahead.
  scene.jump(-HOUR, T + HOUR + 500)
  expect(scene.of('ann')[0]).toBe(T + HOUR + 500)
  expect(scene.jump(-HOUR, T + 2_000)).toEqual(['ann'])
  expect(scene.of('ann')).toEqual([T + 1_000, T + 1_000, undefined])
})

test('[R11] a newer timestamp of a user ends what was known of the moved one', () => {
  for (const end of ['decided', 'forget'] as const) {
    const scene = new Scene().begin(T + HOUR, AHEAD, record('ann', T + HOUR))
    scene.jump(-HOUR, T)
    if (end === 'forget') scene.correction.forget('ann')
    else scene.correction.decided(fact('ann', 'active', T), true)
    expect(scene.of('ann')).toEqual([T, T, undefined])
  }
})

test('a user who is forgotten while the clock is wrong is not corrected', () => {
  const scene = new Scene().begin(T, RIGHT)
  scene.jump(DAY, T + DAY)
  scene.leave('ann', T + DAY)
  scene.correction.forget('ann')
  expect(scene.jump(-DAY, T)).toEqual([])
})

test('[R11] a start behind the latest stored time moves the timestamps in the future', () => {
  const scene = new Scene().begin(T, AHEAD, record('ann', T + HOUR - 10), record('bob', T))
  expect(scene.of('ann')).toEqual([T - 10, T + HOUR - 10, HOUR])
  expect(scene.of('bob')).toEqual([T, T, undefined])
  expect(scene.changed()).toEqual(['ann'])
})

test('[R11] a start takes a stored `aheadMs` as it is, whatever the clock shows', () => {
  const scene = new Scene().begin(T, AHEAD, record('ann', T + HOUR, 2 * HOUR), record('bob', T - 1, 1_000))
  expect(scene.of('ann')).toEqual([T - HOUR, T + HOUR, 2 * HOUR])
  expect(scene.of('bob')).toEqual([T - 1_001, T - 1, 1_000])
  const unset = new Scene().begin(1_000, RIGHT, record('ann', T, HOUR))
  expect(unset.of('ann')).toEqual([T - HOUR, T, HOUR])
})

test('[R11] a start with a clock that is behind stores no `aheadMs`', () => {
  const scene = new Scene().begin(T - DAY, RIGHT, record('ann', T))
  expect(scene.of('ann')).toEqual([T - DAY, T, undefined])
  expect(scene.correction.hasChanged).toBe(false)
})

test('[R11] timestamps from before the clock was first set are moved to the time before the start', () => {
  const scene = new Scene().begin(T, { latestTime: 62_000 }, record('ann', 2_000))
  expect(scene.of('ann')).toEqual([T - 60_000, T - 60_000, undefined])
})

test('[R11] after an hour without a jump, a moved timestamp is final, and reported', () => {
  const scene = new Scene().begin(T + HOUR, AHEAD, record('ann', T + HOUR))
  scene.jump(-HOUR, T)
  scene.changed()
  scene.correction.believeClock(T + HOUR - 1)
  expect(scene.of('ann')).toEqual([T, T + HOUR, HOUR])
  scene.correction.believeClock(T + HOUR)
  expect(scene.of('ann')).toEqual([T, T, undefined])
  expect(scene.changed()).toEqual(['ann'])
})

test('[R11] after an hour, a clock that was set back is right, and all records that it concerns are reported', () => {
  const scene = new Scene().begin(T, RIGHT)
  scene.jump(-HOUR, T - HOUR)
  scene.leave('ann', T - HOUR)
  scene.signs.set('eve', T - HOUR)
  scene.correction.believeClock(T - 1)
  expect([scene.wall.isOff, scene.changed()]).toEqual([true, []])
  scene.correction.believeClock(T)
  expect([scene.wall.isOff, scene.changed()]).toEqual([false, ['ann', 'eve']])
  expect(scene.of('ann')).toEqual([T - HOUR, T - HOUR, undefined])
  // A later jump does not correct what was believed.
  expect(scene.jump(HOUR, T + HOUR)).toEqual([])
})

test('[R11] a clock that was ahead is believed without a report of present users: their record is the same', () => {
  const scene = new Scene().begin(T, RIGHT)
  scene.jump(DAY, T + DAY)
  scene.signs.set('eve', T + DAY)
  scene.correction.believeClock(T + DAY + HOUR)
  expect([scene.wall.isOff, scene.changed()]).toEqual([false, []])
})

test('[I10] changed users are taken in parts, each one once', () => {
  const { correction } = new Scene()
  for (const userId of ['ann', 'bob', 'eve']) correction.markChanged(userId)
  const first = correction.takeChanged(2)
  expect([first.length, correction.hasChanged]).toEqual([2, true])
  expect([...first, ...correction.takeChanged(2)].toSorted()).toEqual(['ann', 'bob', 'eve'])
  expect([correction.hasChanged, correction.takeChanged(2)]).toEqual([false, []])
})
