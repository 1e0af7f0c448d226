import { beforeEach, describe, expect, test, vi } from 'vitest'
import { newFeed } from './changes/testing/new-feed.ts'
import { type FactLog, NOTHING_AGREED } from './cluster/log.ts'
import { createSingleLog } from './cluster/single.ts'
import { UNPACED } from './presence/pace.ts'
import { Presence } from './presence/presence.ts'
import { newTracker } from './testing/new-tracker.ts'
import { SlowLog } from './testing/slow-log.ts'
import { Tracker } from './tracker.ts'

// The commands, without sockets and with a simulated clock.

const DAY_MS = 86_400_000
const ann = { userId: 'ann', sessionId: 's1', isNamed: false }

let now: number
let log: FactLog
let presence: Presence
let tracker: Tracker
/** The calls of the store and the events of the feed, in order. */
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
  log = createSingleLog()
  tracker = new Tracker({
    presence,
    log,
    feed,
    store: {
      put: ({ userId, session }) => exits.push(`put ${userId} ${session}`),
      delete: userId => exits.push(`delete ${userId}`),
      recordAlive: at => exits.push(`alive ${at - now}`),
      purge: async () => void exits.push('purge'),
    },
    clock: { now: () => now },
    ended: ({ sessionId }) => exits.push(`ended ${sessionId}`),
    forgot: users => forgotten.push(users),
  })
})

const taken = () => exits.splice(0)

test('[W4] what a command changes is stored and then published', () => {
  void tracker.open(ann, {})
  expect(taken()).toEqual(['put ann live', 'ann online'])
  expect(tracker.setStatus(ann, { status: 'busy' })).toEqual({ madeAt: now, placed: undefined })
  expect(taken()).toEqual(['put ann live', 'chosen ann by s1', 'ann busy'])
  tracker.identify('ann', 'Ann')
  expect(taken()).toEqual(['put ann live', 'ann busy'])
  tracker.leave(ann)
  expect(taken()).toEqual(['ended s1', 'put ann none', 'ann offline'])
})

test('[R2] a lost session is published at the end of its grace period, and lastSeen is its last sign of life', () => {
  void tracker.open(ann, {})
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
  expect(taken()).toEqual(['ended s1', 'put ann none', 'ann offline'])
  expect(presence.see('ann').lastSeen).toBe(now - 6_000)
})

test('[I8] while a user is online, it is recorded every 4 s of awake time that the process is alive', () => {
  tracker.advance(now, 0)
  expect(taken()).toEqual([])
  void tracker.open(ann, {})
  taken()
  for (let awake = 100; awake <= 8_200; awake += 100) tracker.advance(now, awake)
  expect(taken()).toEqual(['alive 0', 'alive 0', 'alive 0'])
})

test('[R9] the number of forgotten users is reported once for many', () => {
  for (let n = 0; n < 20; n++) {
    const session = { userId: `u${n}`, sessionId: 's', isNamed: false }
    void tracker.open(session, {})
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

test('[R11 R8] presence is told about suspensions and jumps, and what they change is stored', () => {
  void tracker.open(ann, {})
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

test('[D19] all sessions of a user end at once, also those that are held', () => {
  void tracker.open(ann, {})
  void tracker.open({ ...ann, sessionId: 's2' }, {})
  tracker.lose(ann)
  taken()
  void tracker.endSessions('ann')
  void tracker.endSessions('nobody')
  expect(taken()).toEqual(['ended s2', 'ended s1', 'put ann none', 'ann offline'])
})

test('[Q3] a stopped tracker changes and publishes nothing', () => {
  void tracker.open(ann, {})
  taken()
  tracker.stop()
  tracker.leave(ann)
  void tracker.endSessions('ann')
  tracker.setStatus(ann, { status: 'offline' })
  tracker.identify('ann', 'Ann')
  now += 1e9
  tracker.jumped(1e9, now)
  expect(tracker.advance(now, 1e9)).toBe(false)
  expect(taken()).toEqual([])
  expect(presence.record('ann')).toMatchObject({ session: 'live', status: 'online' })
})

test('in a cluster the log is told who has changed, and what the nodes agree on is followed', () => {
  const told: string[] = []
  let applied: Parameters<FactLog['listen']>[0] = () => {}
  log.listen = listener => {
    applied = listener
  }
  log.append = (facts, touched) => {
    const users = [...(touched?.records ?? []).map(({ userId }) => userId), ...(touched?.forgotten ?? [])]
    told.push(`${facts.length} ${users.join()}`)
    return undefined
  }
  const feed = newFeed(10)
  feed.listen({
    changed: changes => exits.push(...changes.map(({ userId, status }) => `${userId} ${status}`)),
    chosen: ({ userId }) => exits.push(`chosen ${userId}`),
  })
  const store = { put() {}, delete() {}, recordAlive() {}, async purge() {} }
  tracker = new Tracker({ presence, log, feed, store, clock: { now: () => now }, ended() {}, forgot() {} })
  void tracker.open(ann, {})
  void tracker.open({ ...ann, sessionId: 's2' }, {})
  expect(told.splice(0)).toEqual(['1 ann', '0 ann'])
  expect(presence.see('ann').status).toBe('offline')

  const choice = { status: 'busy' } as const
  const facts = [
    {
      userId: 'ann',
      sessions: 'active',
      choice,
      username: undefined,
      lastSeen: now,
      cause: 'opened',
      at: now,
    },
  ] as const
  const archived = [{ userId: 'bob', lastSeen: now, username: 'Bob' }]
  const choices = [{ userId: 'ann', shown: choice, chosen: { choice, madeAt: now } }]
  applied(facts, { ...NOTHING_AGREED, archived, choices })
  expect(taken()).toEqual(['ann busy', 'chosen ann'])
  expect(told.splice(0)).toEqual(['0 ann'])
  expect(presence.see('bob').lastSeen).toBe(now)

  tracker.stop()
  const other = [
    { userId: 'ann', shown: choice, chosen: { choice: { status: 'away' }, madeAt: now + 1 } },
  ] as const
  applied([], { ...NOTHING_AGREED, forgotten: ['bob'], choices: other })
  expect([taken(), told, presence.see('bob').lastSeen]).toEqual([[], [], null])
})

test('[R20] a leased session is stored with each renewal, ends one way or the other, and is not taken while the server stops', () => {
  const bot = { userId: 'ann', sessionId: 'bot' }
  const closed: string[] = []
  tracker.listen({
    kicked: () => {},
    ended: ({ sessionId }) => closed.push(sessionId),
    moved: () => {},
  })
  expect(tracker.lease(bot, { ttlMs: 10_000 })).toEqual({ isNew: true, placed: undefined })
  expect(taken()).toEqual(['put ann leased', 'ann online'])
  now += 9_000
  expect(tracker.lease(bot, { ttlMs: 10_000 })).toEqual({ isNew: false, placed: undefined })
  expect(taken()).toEqual(['put ann leased'])
  now += 10_000
  tracker.advance(now, 0)
  expect(taken()).toContain('ann offline')
  tracker.lease(bot, { ttlMs: 10_000 })
  taken()
  expect(tracker.endSession(bot)).toBeUndefined()
  expect(taken()).toEqual(['ended bot', 'put ann none', 'ann offline'])
  expect(tracker.endSession(bot)).toBeUndefined()
  expect(taken()).toEqual([])
  // A connected session ends too, and its connection is closed.
  void tracker.open(ann, {})
  expect(tracker.lease(ann, { ttlMs: 10_000 })).toBe('connected')
  expect(tracker.endSession(ann)).toBeUndefined()
  expect(closed).toEqual(['bot', 's1'])
  expect(presence.hasSession('ann')).toBe(false)
  tracker.stop()
  expect(tracker.lease(bot, { ttlMs: 10_000 })).toBe('stopping')
})

describe('what other nodes have caused', () => {
  let slow: SlowLog
  const closed: string[] = []

  beforeEach(() => {
    closed.length = 0
    slow = new SlowLog()
    tracker = newTracker({ presence, log: slow, feed: newFeed(10), clock: { now: () => now } })
    tracker.listen({
      kicked: userId => closed.push(`kicked ${userId} ${presence.hasSession(userId)}`),
      ended: ({ userId, sessionId }) => closed.push(`ended ${sessionId} ${presence.hasSession(userId)}`),
      moved: ({ userId, sessionId }) => closed.push(`moved ${sessionId} ${presence.hasSession(userId)}`),
    })
    void tracker.open({ ...ann, isNamed: true }, {})
  })

  test('[W9 N5] who opens a session is told when all nodes see it', async () => {
    slow.isSlow = true
    const placed = tracker.open({ ...ann, userId: 'bob' }, {})
    expect(presence.see('bob').status).toBe('offline')
    slow.place()
    await placed
    expect(presence.see('bob').status).toBe('online')
    slow.isSlow = false
    expect(tracker.open({ ...ann, userId: 'eve' }, {})).toBeUndefined()
  })

  test('[N3] only who opens a session or chooses waits for the other nodes, so that an outage of Redis fills no memory', () => {
    const before = slow.awaited
    slow.isSlow = true
    tracker.setActivity(ann, 'idle')
    tracker.setVisibility(ann, 'inactive')
    tracker.identify('ann', 'Ann')
    tracker.lose(ann)
    tracker.advance(now, 0)
    expect(slow.awaited).toBe(before)
    const bot = { userId: 'bob', sessionId: 'bot' }
    expect(tracker.lease(bot, { ttlMs: 10_000 })).toMatchObject({ placed: expect.any(Promise) })
    tracker.lease(bot, { ttlMs: 10_000 })
    expect(slow.awaited).toBe(before + 1)
    expect(tracker.setStatus(ann, { status: 'offline' }).placed).toBeInstanceOf(Promise)
    expect(tracker.open({ ...ann, userId: 'bob' }, {})).toBeInstanceOf(Promise)
    expect(slow.awaited).toBe(before + 3)
  })

  test('[I9] a node forgets users only if it does so for all nodes', () => {
    tracker.leave({ userId: 'ann', sessionId: ann.sessionId })
    now += 1_000 * 86_400_000
    slow.forgetsStale = false
    for (let i = 0; i < 5; i++) tracker.advance(now, now)
    expect(presence.see('ann').lastSeen).not.toBeNull()
    slow.forgetsStale = true
    for (let i = 0; i < 5; i++) tracker.advance(now, now)
    expect(presence.see('ann').lastSeen).toBeNull()
  })

  test('[I9] a user of this node whom another one has forgotten keeps the name', () => {
    tracker.identify('ann', 'Ann')
    const [seen] = presence.list(1)
    const fact = {
      userId: 'ann',
      sessions: 'active',
      choice: { status: 'online' },
      username: undefined,
      lastSeen: now,
      cause: 'renamed',
      at: now,
    } as const
    slow.agree({ unnamed: [{ userId: 'ann', username: 'Ann' }] }, [fact])
    expect(seen?.username).toBe('Ann')
    expect(presence.see('ann').username).toBe('Ann')
  })

  test('[D19] a kick ends the sessions when the log says so, and before the connections are closed', async () => {
    slow.isSlow = true
    const done = tracker.endSessions('ann')
    expect([presence.hasSession('ann'), closed]).toEqual([true, []])
    slow.place()
    await done
    expect(closed).toEqual(['kicked ann false'])
    slow.agree({ kicked: ['nobody'] })
    expect(closed.at(-1)).toBe('kicked nobody false')
  })

  test('[E20] a user is erased when the log says so, not because this node does not know the user yet', async () => {
    const done: string[] = []
    slow.isSlow = true
    const erased = tracker.erase('new').then(() => done.push('erased'))
    slow.agree({})
    tracker.advance(now, 0)
    await new Promise(resolve => setImmediate(resolve))
    expect(done).toEqual([])
    slow.isKept = true
    slow.place()
    await new Promise(resolve => setImmediate(resolve))
    expect(done).toEqual([])
    slow.isKept = false
    slow.agree({})
    await erased
    expect(done).toEqual(['erased'])
  })

  test('[E20] a node that stops before it has read an erasure does not confirm it', async () => {
    slow.isSlow = true
    const erased = tracker.erase('ann')
    tracker.stop()
    slow.place()
    await expect(erased).rejects.toThrow('stopped')
  })

  test('[E12] a session ends here at once, on other nodes when the log says so, and an unknown one changes nothing', async () => {
    slow.isSlow = true
    const other = { userId: 'ann', sessionId: 'other' }
    const done = tracker.endSession(other)
    slow.place()
    await done
    expect([presence.hasSession('ann'), closed]).toEqual([true, []])
    const own = tracker.endSession(ann)
    expect([presence.hasSession('ann'), closed]).toEqual([false, ['ended s1 false']])
    slow.place()
    await own
    void tracker.open({ ...ann, isNamed: true }, {})
    slow.agree({ ended: [other, ann] })
    expect(closed).toEqual(['ended s1 false', 'ended s1 false'])
    tracker.stop()
    slow.agree({ ended: [ann] })
    // Another node waits for that, and clients are about to go anyway.
    expect(closed).toHaveLength(3)
  })

  test('[V8 N4] a session that moved ends before its connection is closed', () => {
    slow.agree({ moved: [{ userId: 'ann', sessionId: 'other' }] })
    slow.agree({ moved: [ann] })
    expect(closed).toEqual(['moved other true', 'moved s1 false'])
  })

  test('[L7] changes of users count in their rate limit', () => {
    const counted = vi.spyOn(presence, 'changedElsewhere')
    slow.agree({ paced: ['ann', 'bob'], agoMs: 700 })
    expect(counted).toHaveBeenCalledWith(['ann', 'bob'], now, 700)
  })

  test('[Q3] when the tracker is stopped, sessions stay as they were saved, and connections are closed', () => {
    tracker.stop()
    slow.agree({ moved: [ann], kicked: ['ann'] })
    expect(closed).toEqual(['moved s1 true', 'kicked ann true'])
  })
})

test('[E20] a user who is erased is told offline once, and then forgotten everywhere', async () => {
  void tracker.open(ann, {})
  tracker.identify('ann', 'Ann')
  taken()
  const erased = tracker.erase('ann')
  expect(taken()).toEqual(['ended s1', 'put ann none', 'ann offline', 'delete ann', 'purge'])
  await erased
  expect(presence.see('ann')).toMatchObject({ status: 'offline', lastSeen: null, username: undefined })
  expect([presence.knownCount, presence.record('ann')]).toEqual([0, undefined])
  void tracker.open(ann, {})
  expect(presence.see('ann')).toMatchObject({ status: 'online', username: undefined })
})

test('[E20] nothing is kept of a user who hides, who changes too often, or who is not known', async () => {
  void tracker.open(ann, {
    choice: { status: 'offline', text: undefined, expiresAt: undefined, madeAt: now },
  })
  tracker.lose(ann)
  await tracker.erase('ann')
  void tracker.open(ann, {})
  expect(presence.see('ann').status).toBe('online')
  // The rate limit of visible changes does not delay it, and nothing of that limit is left.
  for (let change = 0; change < 40; change++) {
    tracker.setStatus(ann, { status: change % 2 ? 'busy' : 'away', text: undefined, expiresAt: undefined })
  }
  await tracker.erase('ann')
  expect(presence.see('ann')).toMatchObject({ status: 'offline', lastSeen: null })
  void tracker.open(ann, {})
  expect(presence.see('ann').status).toBe('online')
  await tracker.erase('nobody')
})
