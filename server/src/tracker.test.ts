import { beforeEach, expect, test } from 'vitest'
import { newFeed } from './changes/testing/new-feed.ts'
import { createSingleLog } from './cluster/single.ts'
import { UNPACED } from './presence/pace.ts'
import { Presence } from './presence/presence.ts'
import { Tracker } from './tracker.ts'

// Commands without a socket, with a clock that the test moves.

const DAY_MS = 86_400_000
const ann = { userId: 'ann', sessionId: 's1', isNamed: false }

let now: number
let presence: Presence
let tracker: Tracker
/** What left by the one exit: to the store and to the feed, in order. */
let exits: string[]
let forgotten: number[]

beforeEach(() => {
  now = Date.UTC(2030, 0, 1)
  exits = []
  forgotten = []
  presence = new Presence({
    graceMs: 5_000,
    restartGraceMs: 30_000,
    inactiveGraceMs: 75_000,
    noticedMs: 5_000,
    hiddenKeepMs: 1_000,
    changePace: UNPACED,
    maxKnown: 100,
    keepMs: DAY_MS,
  })
  presence.restore([], now)
  const feed = newFeed(10)
  feed.listen({
    changed: changes => exits.push(...changes.map(({ userId, status }) => `${userId} ${status}`)),
    chosen: ({ userId }, bySession) => exits.push(`chosen ${userId} by ${bySession}`),
  })
  tracker = new Tracker({
    presence,
    log: createSingleLog(),
    feed,
    store: {
      put: ({ userId, session }) => exits.push(`put ${userId} ${session}`),
      delete: userId => exits.push(`delete ${userId}`),
      recordAlive: at => exits.push(`alive ${at - now}`),
    },
    clock: { now: () => now },
    forgot: users => forgotten.push(users),
  })
})

const taken = () => exits.splice(0)

test('[W4] what a command changed is stored and then told', () => {
  tracker.open(ann, {})
  expect(taken()).toEqual(['put ann live', 'ann online'])
  expect(tracker.setStatus(ann, { status: 'busy' })).toBe(now)
  expect(taken()).toEqual(['put ann live', 'chosen ann by s1', 'ann busy'])
  tracker.identify('ann', 'Ann')
  expect(taken()).toEqual(['put ann live', 'ann busy'])
  tracker.leave(ann)
  expect(taken()).toEqual(['put ann none', 'ann offline'])
})

test('[R2] a lost session is told when its grace is over, and the last sign of life is kept', () => {
  tracker.open(ann, {})
  now += 1_000
  tracker.heard(ann)
  now += 1_000
  tracker.lose(ann)
  taken()
  now += 4_999
  expect(tracker.advance(now, 6_999)).toBe(false)
  expect(taken()).toEqual(['alive 0'])
  now += 1
  tracker.advance(now, 7_000)
  expect(taken()).toEqual(['put ann none', 'ann offline'])
  expect(presence.see('ann').lastSeen).toBe(now - 6_000)
})

test('[I8] while somebody is online, it is noted every 4 s of awake time that the process lives', () => {
  tracker.advance(now, 0)
  expect(taken()).toEqual([])
  tracker.open(ann, {})
  taken()
  for (let awake = 100; awake <= 8_200; awake += 100) tracker.advance(now, awake)
  expect(taken()).toEqual(['alive 0', 'alive 0', 'alive 0'])
})

test('[R9] it is said how many users were forgotten, once for many', () => {
  for (let n = 0; n < 20; n++) {
    const session = { userId: `u${n}`, sessionId: 's', isNamed: false }
    tracker.open(session, {})
    tracker.leave(session)
  }
  now += DAY_MS + 1
  tracker.advance(now, 100)
  expect(taken().filter(exit => exit.startsWith('delete'))).toHaveLength(20)
  expect(forgotten).toEqual([])
  tracker.advance(now, 5_100)
  tracker.advance(now, 5_200)
  expect(forgotten).toEqual([20])
})

test('[R11 R8] the core is told of suspensions and jumps, and what they changed is stored', () => {
  tracker.open(ann, {})
  tracker.lose(ann)
  taken()
  now += 3_600_000
  tracker.jumped(3_600_000, now)
  expect(taken()).toEqual(['put ann held', 'alive 0'])
  now += 20_000
  tracker.suspended(20_000, now)
  now += 29_999
  tracker.advance(now, 0)
  expect(taken().filter(exit => exit.startsWith('ann'))).toEqual([])
  now += 1
  tracker.advance(now, 0)
  expect(taken()).toContain('ann offline')
})

test('[Q3] a tracker that was stopped changes and tells nothing', () => {
  tracker.open(ann, {})
  taken()
  tracker.stop()
  tracker.leave(ann)
  tracker.setStatus(ann, { status: 'offline' })
  tracker.identify('ann', 'Ann')
  now += 1e9
  expect(tracker.advance(now, 1e9)).toBe(false)
  expect(taken()).toEqual([])
  expect(presence.record('ann')).toMatchObject({ session: 'live', status: 'online' })
})
