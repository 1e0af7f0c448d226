import { expect, test } from 'vitest'
import { OFFLINE } from './choice.ts'
import { Retention } from './retention.ts'
import { Parts } from './testing/parts.ts'
import { DAY, HOUR, named, T } from './testing/scenario.ts'

// Who is forgotten, by what the other parts know.

const KEEP_MS = 30 * DAY

class Scene extends Parts {
  /** The users who have a session on another node, and those whom another node has hidden. */
  readonly present = new Set<string>()
  readonly hidden = new Set<string>()
  readonly retention = new Retention(this.options, this.wall, this.here, this.view, this.correction, {
    isPresent: userId => this.present.has(userId),
    choiceOf: userId => (this.hidden.has(userId) ? { choice: { status: 'offline' }, madeAt: 0 } : undefined),
  })

  /** Whether nothing is left of a user. */
  isGone(userId: string): boolean {
    return this.view.get(userId) === undefined && this.here.get(userId) === undefined
  }
}

/** A scene whose clock is right. */
function scene(options: ConstructorParameters<typeof Scene>[0] = {}): Scene {
  const made = new Scene({ keepMs: KEEP_MS, ...options })
  made.wall.begin(T, {})
  return made
}

/** A user who was always hidden and is lost, and is kept hidden from `now` on. */
function keepHidden(parts: Scene, userId: string, now: number): void {
  const user = parts.come(userId, now, { choice: { status: 'offline' } })
  parts.apply(parts.here.lose(user, 's', now - parts.options.graceMs))
  parts.apply(parts.here.advance(now))
}

test('[R9] the excess is what exceeds the limit with one more user', () => {
  const { retention } = scene({ maxKnown: 3 })
  expect([0, 2, 3, 4, 10].map(known => retention.excess(known))).toEqual([0, 0, 1, 2, 8])
})

test('[R9] room is made by forgetting as many as needed, the oldest first, and each once', () => {
  const parts = scene()
  for (const [userId, at] of [
    ['c', 3],
    ['a', 1],
    ['d', 4],
    ['b', 2],
  ] as const)
    parts.visit(userId, T + at)
  expect(parts.retention.makeRoom(2, T)).toEqual(['a', 'b'])
  expect(['a', 'b', 'c', 'd'].map(userId => parts.isGone(userId))).toEqual([true, true, false, false])
  // The sample has each of the two who are left several times.
  expect(parts.retention.makeRoom(5, T)).toEqual(['c', 'd'])
  expect(parts.retention.makeRoom(1, T)).toEqual([])
})

test('[R9] nobody who is present, visible, or about to be visible is forgotten', () => {
  const parts = scene({ changePace: { burst: 1, everyMs: 10_000 } })
  parts.come('online', T)
  parts.come('hidden', T, { choice: { status: 'offline' } })
  parts.here.lose(parts.come('held', T), 's', T)
  // The rate limit delays the change to offline.
  parts.visit('still seen', T)
  // The change is decided, and is not visible yet.
  parts.here.open('pending', named('s'), T, {})
  // By what another node has said.
  parts.view.put('elsewhere', { ...OFFLINE, status: 'online' }, T, undefined)
  expect(parts.view.isVisible('still seen')).toBe(true)
  expect(parts.retention.makeRoom(10, T)).toEqual([])
  expect(parts.retention.forgetStale(T + 2 * KEEP_MS, 100)).toEqual([])
})

test('[R9] a user whose changes are not visible yet is not forgotten', () => {
  const parts = scene()
  parts.visit('ann', T)
  // The user comes and leaves. Others still see the user as offline, and will see both.
  const come = parts.here.open('ann', named('s'), T + 1, {})
  const left = parts.here.leave(come.user, 's', T + 1)
  expect(parts.here.get('ann')).toBeUndefined()
  expect(parts.retention.makeRoom(1, T)).toEqual([])
  parts.apply(come)
  expect(parts.retention.makeRoom(1, T)).toEqual([])
  parts.apply(left)
  expect(parts.retention.makeRoom(1, T)).toEqual(['ann'])
})

test('[R4 R9] a user who is kept hidden is forgotten only for lack of others, one at a time, and the first one first', () => {
  const parts = scene()
  keepHidden(parts, 'eve', T + 10_000)
  keepHidden(parts, 'joe', T + 20_000)
  parts.visit('ann', T + 30_000)
  expect(parts.retention.makeRoom(3, T)).toEqual(['ann'])
  expect(parts.retention.forgetStale(T + 2 * KEEP_MS, 100)).toEqual([])
  expect(parts.retention.makeRoom(3, T)).toEqual(['eve'])
  expect(parts.retention.makeRoom(3, T)).toEqual(['joe'])
  expect(parts.isGone('joe')).toBe(true)
})

test.each([
  [31, ['ann']],
  [32, []],
])(
  '[R9] to make room 32 users are checked, and the next time the following ones: behind %d others',
  (others, first) => {
    const parts = scene()
    for (let n = 0; n < others; n++) parts.come(`present ${n}`, T)
    parts.visit('ann', T)
    expect(parts.retention.makeRoom(1, T)).toEqual(first)
    expect([...first, ...parts.retention.makeRoom(1, T)]).toEqual(['ann'])
  },
)

test('[R9] users whom others have never seen make room by the time of their arrival', () => {
  const parts = scene()
  const ends = { status: 'offline', expiresAt: T + 100 * DAY } as const
  parts.visit('eve', T + 5, { choice: ends })
  parts.visit('ann', T + 9)
  parts.visit('joe', T + 1, { choice: ends })
  expect(parts.here.unseenCount).toBe(2)
  expect(parts.retention.makeRoom(2, T)).toEqual(['joe', 'eve'])
  expect(parts.here.unseenCount).toBe(0)
})

test('[R9] a user is stale after more than keepMs, and at most `count` users are checked', () => {
  const parts = scene()
  for (const userId of ['ann', 'bob', 'eve']) parts.visit(userId, T)
  expect(parts.retention.forgetStale(T + KEEP_MS, 10)).toEqual([])
  expect(parts.retention.forgetStale(T + KEEP_MS + 1, 0)).toEqual([])
  expect(parts.retention.forgetStale(T + KEEP_MS + 1, 2)).toHaveLength(2)
  expect(parts.retention.forgetStale(T + KEEP_MS + 1, 2)).toHaveLength(1)
  expect(parts.view.size).toBe(0)
})

test('[R9] a user whom others have never seen is stale after more than keepMs since the arrival, others since they were seen', () => {
  const parts = scene()
  const ann = parts.come('ann', T, { choice: { status: 'busy', expiresAt: T + 100 * DAY } })
  ann.heard(T + DAY)
  parts.apply(parts.here.leave(ann, 's', T + DAY))
  parts.visit('eve', T, { choice: { status: 'offline', expiresAt: T + 100 * DAY } })
  expect(parts.retention.forgetStale(T + KEEP_MS, 10)).toEqual([])
  expect(parts.retention.forgetStale(T + KEEP_MS + 1, 10)).toEqual(['eve'])
  expect(parts.here.get('eve')).toBeUndefined()
})

test('[R9] neither a clock that is ahead nor one that is behind makes a user stale', () => {
  const ahead = scene()
  ahead.visit('ann', T)
  ahead.jump(10 * KEEP_MS, T + 10 * KEEP_MS)
  // Only the time in which a server ran counts.
  expect(ahead.retention.forgetStale(T + 11 * KEEP_MS, 10)).toEqual([])
  expect(ahead.retention.forgetStale(T + 11 * KEEP_MS + 1, 10)).toEqual(['ann'])
  const behind = new Scene({ keepMs: KEEP_MS })
  behind.wall.begin(T - KEEP_MS, { knownTime: T + KEEP_MS, latestTime: T })
  behind.view.put('ann', OFFLINE, T - 2 * KEEP_MS, undefined)
  expect(behind.retention.forgetStale(T - KEEP_MS, 10)).toEqual([])
  expect(behind.retention.forgetStale(T - KEEP_MS + 1, 10)).toEqual(['ann'])
})

test('[R9 R11] the time as it was written decides, and what was noted about it is forgotten too', () => {
  // Without a known time, because by that the clock would be behind after the jump.
  const parts = new Scene({ keepMs: KEEP_MS })
  parts.visit('ann', T + DAY)
  parts.jump(-DAY, T)
  expect(parts.view.get('ann')?.lastSeen).toBe(T)
  expect(parts.correction.aheadMs('ann', T)).toBe(DAY)
  expect(parts.retention.forgetStale(T + DAY + KEEP_MS, 10)).toEqual([])
  expect(parts.retention.forgetStale(T + DAY + KEEP_MS + 1, 10)).toEqual(['ann'])
  expect(parts.correction.aheadMs('ann', T)).toBeUndefined()
})

test('[R9 R11] a time from before the clock was ever set counts from the first known time', () => {
  const parts = scene()
  parts.view.put('ann', OFFLINE, 5 * HOUR, undefined)
  expect(parts.retention.forgetStale(T + KEEP_MS, 10)).toEqual([])
  expect(parts.retention.forgetStale(T + KEEP_MS + 1, 10)).toEqual(['ann'])
})

test('[R9] one step forgets no more than asked, whether others have seen the users or not', () => {
  const parts = scene({ keepMs: HOUR })
  parts.visit('seen', T)
  // A choice with an end is kept until then, and does not keep a user from being forgotten.
  const hidden = parts.come('hidden', T, { choice: { status: 'offline', expiresAt: T + DAY } })
  parts.apply(parts.here.leave(hidden, 's', T))
  const later = T + HOUR + 10
  const steps = [1, 2, 3].map(() => parts.retention.forgetStale(later, 1))
  expect(steps.map(({ length }) => length)).toEqual([1, 1, 0])
  expect(steps.flat().toSorted()).toEqual(['hidden', 'seen'])
})

test('[I9] a user who has a session on another node is not forgotten, visible or not', () => {
  const parts = scene()
  for (const userId of ['ann', 'bob']) parts.visit(userId, T)
  parts.present.add('ann')
  expect(parts.retention.makeRoom(2, T)).toEqual(['bob'])
  expect(parts.retention.forgetStale(T + 2 * KEEP_MS, 10)).toEqual([])
  parts.present.delete('ann')
  expect(parts.retention.forgetStale(T + 2 * KEEP_MS, 10)).toEqual(['ann'])
})

test('[I9] no room is made by forgetting a user whom another node has hidden; after keepMs, the user is forgotten', () => {
  const parts = scene()
  for (const userId of ['ann', 'bob']) parts.visit(userId, T)
  parts.hidden.add('ann')
  expect(parts.retention.makeRoom(2, T)).toEqual(['bob'])
  expect(parts.retention.forgetStale(T + KEEP_MS + 1, 10)).toEqual(['ann'])
})
