import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { newChange } from '../changes/testing/new-change.ts'
import { newFeed } from '../changes/testing/new-feed.ts'
import { Presence } from '../presence/presence.ts'
import { AT_ONCE } from '../presence/testing/options.ts'
import { newTracker } from '../testing/new-tracker.ts'
import type { BatchReceiver } from './batch.ts'
import { Hub } from './hub.ts'
import { Subscriptions } from './subscriptions.ts'
import { linesIn, newLineEncoder } from './testing/line-encoder.ts'
import { rethrow } from './testing/rethrow.ts'
import { Traffic } from './traffic.ts'

const encoder = newLineEncoder()

/** A hub, and the commands whose changes it sends. */
function newWorld() {
  const presence = new Presence(AT_ONCE)
  const feed = newFeed(100)
  const tracker = newTracker({ presence, feed, clock: { now: () => 1 } })
  const subscriptions = new Subscriptions(presence, feed, 1_000)
  const traffic = new Traffic()
  const hub = new Hub(subscriptions, traffic)
  feed.listen({ changed: changes => hub.changed(changes) })
  /** Opens a session of each of these users, which is one change each. */
  const open = (...userIds: string[]) => {
    for (const userId of userIds) void tracker.open({ userId, sessionId: 's', isNamed: true }, {})
  }
  return { hub, subscriptions, feed, tracker, traffic, open }
}

/** A v1 connection that joins after change `since`. */
function newReceiver(since: number) {
  const writes: Buffer[] = []
  return {
    since,
    encoder,
    writes,
    fail: rethrow,
    write: (bytes: Buffer) => void writes.push(bytes),
    /** The users in what was written, in order. */
    heard: () => writes.flatMap(linesIn).map(text => JSON.parse(text).userId),
  }
}

describe('with a clock that only the test moves', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'setImmediate', 'performance'] }))
  afterEach(() => void vi.useRealTimers())

  test('[F1] changes of one window reach each connection in one write, the same bytes for all', () => {
    const { hub, open } = newWorld()
    const receivers = [newReceiver(0), newReceiver(0), newReceiver(0)]
    for (const receiver of receivers) hub.join(receiver)
    open('a', 'b', 'c')
    vi.advanceTimersByTime(60)
    for (const { heard, writes } of receivers) {
      expect(heard()).toEqual(['a', 'b', 'c'])
      expect(writes).toHaveLength(1)
      expect(writes[0]).toBe(receivers[0]?.writes[0])
    }
  })

  test('[T10] each connection that a window tells something is a delivery, and the window waits as measured', () => {
    const { hub, traffic, open } = newWorld()
    for (const since of [0, 0, 99]) hub.join(newReceiver(since))
    open('a')
    vi.advanceTimersByTime(60)
    open('b', 'c')
    vi.advanceTimersByTime(60)
    expect(traffic.deliveries).toEqual({ v1: 4, v2: 0 })
    expect([traffic.windows.count, traffic.flushes.count]).toEqual([2, 2])
    const [, , , upTo10] = traffic.windows.buckets
    expect(upTo10).toEqual({ most: 0.01, count: 2 })
  })

  test('[C2] a bug while one connection is sent a window ends only that one', () => {
    const { hub, subscriptions, open } = newWorld()
    const failed: string[] = []
    const sent: string[] = []
    const newSubscriber = (name: string, bug?: keyof BatchReceiver): BatchReceiver => {
      const step = (method: keyof BatchReceiver): true => {
        if (method === bug) throw new Error('planted')
        sent.push(`${name} ${method}`)
        return true
      }
      return {
        fail: () => void failed.push(name),
        holder: { address: undefined },
        gather: () => step('gather'),
        sendGathered: () => void step('sendGathered'),
        sendBatch: () => void step('sendBatch'),
        sendCount: () => void step('sendCount'),
      }
    }
    const plain = newReceiver(0)
    const broken = { ...newReceiver(0), write: () => rethrow('planted'), fail: () => void failed.push('v1') }
    for (const receiver of [broken, plain]) hub.join(receiver)
    const own = newReceiver(0)
    for (const receiver of [broken, own]) hub.join(receiver, 'a')
    for (const bug of ['gather', 'sendGathered', undefined] as const) {
      subscriptions.subscribe(newSubscriber(`${bug}`, bug), 'a')
    }
    for (const bug of ['sendBatch', 'sendCount', undefined] as const) {
      const subscriber = newSubscriber(`all ${bug}`, bug)
      subscriptions.subscribeToAll(subscriber)
      subscriptions.subscribeToCount(subscriber)
    }
    open('a')
    vi.advanceTimersByTime(60)
    subscriptions.advance(0)
    expect([plain.heard(), own.heard()]).toEqual([['a'], ['a']])
    expect(failed).toEqual(['v1', 'v1', 'all sendBatch', 'gather', 'sendGathered', 'all sendCount'])
    expect(sent).toContain('undefined sendGathered')
    expect(sent).toContain('all undefined sendBatch')
    expect(sent).toContain('all undefined sendCount')
    // The hub goes on.
    open('b')
    vi.advanceTimersByTime(60)
    expect(plain.heard()).toEqual(['a', 'b'])
  })

  test('[F2] a connection gets what comes after it has joined, until it parts', () => {
    const { hub, feed, open } = newWorld()
    open('before')
    vi.advanceTimersByTime(60)
    const join = () => {
      const receiver = newReceiver(feed.seq)
      hub.join(receiver)
      return receiver
    }
    const [early, parted] = [join(), join()]
    open('a', 'b')
    const late = join()
    open('c')
    const latest = join()
    hub.part(parted)
    vi.advanceTimersByTime(60)
    expect(early.heard()).toEqual(['a', 'b', 'c'])
    expect(late.heard()).toEqual(['c'])
    expect(latest.writes).toEqual([])
    expect(parted.writes).toEqual([])
    open('d')
    vi.advanceTimersByTime(60)
    expect(latest.heard()).toEqual(['d'])
  })

  test('[F2] with the numbers of a log, a connection gets the whole of each entry after it has joined', () => {
    const { hub, feed, tracker, subscriptions } = newWorld()
    const join = (only?: string) => {
      const receiver = newReceiver(feed.seq)
      hub.join(receiver, only)
      return receiver
    }
    const batches: unknown[] = []
    subscriptions.subscribeToAll({
      fail: rethrow,
      holder: { address: undefined },
      gather: () => false,
      sendGathered() {},
      sendBatch: ({ items, seq }) => batches.push([items.map(item => item.seq), seq]),
      sendCount() {},
    })
    for (const userId of ['a', 'b', 'c']) void tracker.open({ userId, sessionId: 's', isNamed: true }, {})
    vi.advanceTimersByTime(60)
    expect(batches.pop()).toEqual([[1, 2, 3], 3])
    const [early, ownEarly] = [join(), join('b')]
    feed.append(['a', 'b'].map(newChange), 20)
    feed.reached(25)
    const [late, ownLate] = [join(), join('b')]
    feed.append(['b', 'c'].map(newChange), 31)
    feed.reached(40)
    const latest = join()
    vi.advanceTimersByTime(60)
    expect([early, late, latest].map(({ heard }) => heard())).toEqual([['a', 'b', 'b', 'c'], ['b', 'c'], []])
    expect([ownEarly, ownLate].map(({ heard }) => heard())).toEqual([['b', 'b'], ['b']])
    // One batch, with each user once. Its number is that of its last change.
    expect(batches).toEqual([[[20, 31, 31], 31]])
    // Reaching a number sends nothing.
    feed.reached(50)
    vi.advanceTimersByTime(60)
    expect([early.writes.length, batches.length]).toEqual([1, 1])
  })

  test('[F3] the first change after a quiet time is sent in the same turn of the loop, later ones gather', () => {
    const { hub, open } = newWorld()
    const receiver = newReceiver(0)
    hub.join(receiver)
    open('a')
    vi.advanceTimersByTime(0)
    expect(receiver.heard()).toEqual(['a'])
    for (const userId of ['b', 'c', 'd']) {
      open(userId)
      vi.advanceTimersByTime(0)
    }
    vi.advanceTimersByTime(9)
    expect(receiver.writes).toHaveLength(1)
    vi.advanceTimersByTime(1)
    expect(receiver.writes).toHaveLength(2)
    expect(receiver.heard()).toEqual(['a', 'b', 'c', 'd'])
    vi.advanceTimersByTime(10)
    open('e')
    vi.advanceTimersByTime(0)
    expect(receiver.heard()).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  test('[F6] a change among online, away and busy, or of a text, is no change in v1', () => {
    const { hub, feed, tracker, open } = newWorld()
    const session = (userId: string) => ({ userId, sessionId: 's' })
    open('a', 'c', 'e')
    tracker.setStatus(session('c'), { status: 'busy' })
    tracker.setStatus(session('e'), { status: 'away' })
    vi.advanceTimersByTime(60)
    const before = feed.seq
    const receiver = newReceiver(before)
    hub.join(receiver)
    tracker.setActivity(session('a'), 'idle')
    void tracker.open({ ...session('b'), isNamed: true }, { choice: { status: 'busy' } })
    const late = newReceiver(feed.seq)
    hub.join(late)
    tracker.setStatus(session('c'), { status: 'busy', text: 'in a call' })
    open('d')
    tracker.leave(session('e'))
    expect(feed.seq).toBe(before + 5)
    vi.advanceTimersByTime(60)
    expect(receiver.heard()).toEqual(['b', 'd', 'e'])
    expect(late.heard()).toEqual(['d', 'e'])
  })
})

test('[F4] a flush that takes long lets others have a turn, and every connection gets changes in order', async () => {
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  try {
    const { hub, feed, open } = newWorld()
    const receivers = Array.from({ length: 200 }, () => {
      const receiver = newReceiver(0)
      const write = (bytes: Buffer) => {
        now += 0.2
        receiver.write(bytes)
      }
      return { ...receiver, write }
    })
    for (const receiver of receivers) hub.join(receiver)
    open('a')
    const nextLoop = () => new Promise(resolve => setImmediate(resolve))
    await nextLoop()
    // The flush has begun: this change and this connection are not part of its window.
    open('b')
    const newcomer = newReceiver(feed.seq)
    hub.join(newcomer)
    const told = [receivers.filter(({ writes }) => writes.length > 0).length]
    while ((told.at(-1) as number) < receivers.length) {
      await nextLoop()
      told.push(receivers.filter(({ writes }) => writes.length > 0).length)
    }
    // The clock is read after 32 connections, which is 6.4 ms.
    expect(told).toEqual([32, 64, 96, 128, 160, 192, 200])
    // The next window waits until this flush is over.
    expect(Math.max(...receivers.map(({ writes }) => writes.length))).toBe(1)
    await vi.waitFor(() => expect(receivers.at(-1)?.writes).toHaveLength(2), 10_000)
    for (const receiver of receivers) expect(receiver.heard()).toEqual(['a', 'b'])
    expect(newcomer.writes).toEqual([])
  } finally {
    vi.restoreAllMocks()
  }
})

interface Flushing {
  readonly flushMs: number
  readonly arrivals?: number
  readonly quietMs?: number
}

/**
 * For how long the next flush is put off, in ms, when one has cost so much by a clock that only flushing and
 * `quietMs` move; empty when it goes at once.
 */
async function waitAfter({ flushMs, arrivals = 0, quietMs = 0 }: Flushing) {
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  const waits = vi.spyOn(globalThis, 'setTimeout').mockImplementation((() => undefined) as never)
  try {
    const { hub, open } = newWorld()
    hub.join({
      since: 0,
      encoder,
      fail: rethrow,
      write() {
        now += flushMs
      },
    })
    for (let n = 0; n < arrivals; n++) hub.arrived()
    open('a')
    await new Promise(resolve => setImmediate(resolve))
    now += quietMs
    open('b')
    return waits.mock.calls.map(([, ms]) => ms)
  } finally {
    vi.restoreAllMocks()
  }
}

test('[F3] after a quiet time, where a flush takes long the first change waits a tenth of that for others', async () => {
  expect(await waitAfter({ flushMs: 9, quietMs: 1_000 })).toEqual([])
  expect(await waitAfter({ flushMs: 45, quietMs: 1_000 })).toEqual([5])
  expect(await waitAfter({ flushMs: 300, quietMs: 1_000 })).toEqual([10])
})

test('[F3] while a crowd arrives, changes gather for longer', async () => {
  expect(await waitAfter({ flushMs: 20, arrivals: 16 })).toEqual([50 - 20])
  expect(await waitAfter({ flushMs: 20, arrivals: 17 })).toEqual([100 - 20])
})
