import { expect, test, vi } from 'vitest'
import { newChange } from '../changes/testing/new-change.ts'
import { newFeed } from '../changes/testing/new-feed.ts'
import { webSocketEncoder } from '../gateway/websocket-encoder.ts'
import type { Change } from '../presence/change.ts'
import { Presence } from '../presence/presence.ts'
import { AT_ONCE } from '../presence/testing/options.ts'
import { Hub } from './hub.ts'
import { SharedAnswers } from './shared-answers.ts'
import { Subscriptions } from './subscriptions.ts'

const encoder = webSocketEncoder

/** A hub and the feed it listens to, after so many changes. */
function room(before = 0) {
  const feed = newFeed(100)
  feed.append(Array.from({ length: before }, () => newChange('before')))
  const hub = new Hub(
    feed.seq,
    new Subscriptions(new Presence({ ...AT_ONCE, maxKnown: 10, keepMs: 1 }), feed, 1_000),
  )
  feed.listen({ changed: (changes, seq) => hub.changed(changes, seq) })
  return { hub, publish: (changes: readonly Change[]) => feed.append(changes) }
}

/** The user ids in a run of short unmasked text frames, in order. */
function idsIn(frames: Buffer): string[] {
  const ids: string[] = []
  for (let at = 0; at < frames.length; at += 2 + (frames[at + 1] as number)) {
    expect(frames[at]).toBe(0x81)
    ids.push(JSON.parse(frames.subarray(at + 2, at + 2 + (frames[at + 1] as number)).toString()).userId)
  }
  return ids
}

function member(since: number) {
  const writes: Buffer[] = []
  return {
    since,
    encoder,
    writes,
    write: (frames: Buffer) => void writes.push(frames),
    heard: () => writes.flatMap(idsIn),
  }
}

const settled = () => new Promise(resolve => setTimeout(resolve, 60))

test('[F1] changes of one window reach each member in one write, the same bytes for all', async () => {
  const { hub, publish } = room()
  const members = [member(0), member(0), member(0)]
  for (const one of members) hub.join(one)
  publish([newChange('a'), newChange('b')])
  publish([newChange('c')])
  await settled()
  for (const one of members) {
    expect(one.heard()).toEqual(['a', 'b', 'c'])
    expect(one.writes).toHaveLength(1)
    expect(one.writes[0]).toBe(members[0]?.writes[0])
  }
})

test('[F2] a connection that joins within a window is sent what comes after; one that parts is sent no more', async () => {
  const { hub, publish } = room(7)
  const early = member(7)
  const parted = member(7)
  hub.join(early)
  hub.join(parted)
  publish([newChange('a'), newChange('b')])
  const late = member(9)
  hub.join(late)
  publish([newChange('c')])
  const latest = member(10)
  hub.join(latest)
  hub.part(parted)
  await settled()
  expect(early.heard()).toEqual(['a', 'b', 'c'])
  expect(late.heard()).toEqual(['c'])
  expect(latest.writes).toEqual([])
  expect(parted.writes).toEqual([])
  publish([newChange('d')])
  await settled()
  expect(latest.heard()).toEqual(['d'])
})

test('[F3] the first change after a quiet time goes in the same turn of the loop, later ones gather', async () => {
  const { hub, publish } = room()
  const one = member(0)
  hub.join(one)
  const waits = vi.spyOn(globalThis, 'setTimeout').mockImplementation((() => undefined) as never)
  // A flush that costs nothing, on any machine.
  const clock = vi.spyOn(performance, 'now').mockReturnValue(1_000)
  publish([newChange('a')])
  await new Promise(resolve => setImmediate(resolve))
  expect(one.heard()).toEqual(['a'])
  for (const id of ['b', 'c', 'd']) {
    publish([newChange(id)])
    await new Promise(resolve => setImmediate(resolve))
  }
  const [[flush, ms] = [], ...others] = waits.mock.calls
  waits.mockRestore()
  clock.mockRestore()
  expect(one.writes).toHaveLength(1)
  expect(others).toEqual([])
  expect(ms).toBe(10)
  ;(flush as () => void)()
  expect(one.writes).toHaveLength(2)
  expect(one.heard()).toEqual(['a', 'b', 'c', 'd'])
})

test('[F4] a flush that takes long lets others have a turn, and nobody hears out of order', async () => {
  const { hub, publish } = room()
  const slow = Array.from({ length: 200 }, () => {
    const one = member(0)
    const write = (frames: Buffer) => {
      busy(0.2)
      one.write(frames)
    }
    return { ...one, write }
  })
  for (const one of slow) hub.join(one)
  let turns = 0
  const counting = setInterval(() => turns++, 0)
  publish([newChange('a')])
  await new Promise(resolve => setImmediate(resolve))
  publish([newChange('b')])
  const newcomer = member(2)
  hub.join(newcomer)
  await vi.waitFor(() => expect(slow.at(-1)?.heard()).toEqual(['a', 'b']), 10_000)
  clearInterval(counting)
  expect(turns).toBeGreaterThan(3)
  for (const one of slow) expect(one.heard()).toEqual(['a', 'b'])
  expect(newcomer.writes).toEqual([])
})

test('[F5] a shared answer is built once per window, and never before the question', async () => {
  const answers = new SharedAnswers()
  let state = 0
  const answer = { build: vi.fn(() => `state ${state}`) }
  const heard: string[] = []
  const ask = () =>
    answers.send({ encoder, writeShared: frame => void heard.push(frame.subarray(2).toString()) }, answer)
  ask()
  expect(heard).toEqual(['state 0'])
  state = 1
  for (let n = 0; n < 100; n++) ask()
  state = 2
  expect(heard).toHaveLength(1)
  await vi.waitFor(() => expect(heard).toHaveLength(101), 5_000)
  expect(answer.build).toHaveBeenCalledTimes(2)
  expect(new Set(heard.slice(1))).toEqual(new Set(['state 2']))
})

test('[F6] a change among online, away and busy, or of a text, is no change in v1', async () => {
  const { hub, publish } = room()
  const one = member(0)
  hub.join(one)
  publish([
    { userId: 'a', status: 'away', previous: 'online', at: 0, cause: 'idle' },
    { userId: 'b', status: 'busy', previous: 'offline', at: 0, cause: 'opened' },
    { userId: 'c', status: 'busy', previous: 'busy', at: 0, cause: 'chosen' },
    newChange('d'),
  ])
  const late = member(2)
  hub.join(late)
  publish([{ userId: 'e', status: 'offline', previous: 'away', at: 0, cause: 'left' }])
  await settled()
  expect(one.heard()).toEqual(['b', 'd', 'e'])
  expect(late.heard()).toEqual(['d', 'e'])
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
    const { hub, publish } = room()
    hub.join({
      since: 0,
      encoder,
      write() {
        now += flushMs
      },
    })
    for (let n = 0; n < arrivals; n++) hub.arrived()
    publish([newChange('a')])
    await new Promise(resolve => setImmediate(resolve))
    now += quietMs
    publish([newChange('b')])
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

function busy(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}
