import { expect, test, vi } from 'vitest'
import type { Change } from '../presence/change.ts'
import { Hub } from './hub.ts'

const change = (userId: string): Change => ({ userId, status: 'online', at: 0 })

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
    writes,
    write: (frames: Buffer) => void writes.push(frames),
    heard: () => writes.flatMap(idsIn),
  }
}

const settled = () => new Promise(resolve => setTimeout(resolve, 60))

test('[F1] changes of one window reach each member in one write, the same bytes for all', async () => {
  const hub = new Hub(0)
  const members = [member(0), member(0), member(0)]
  for (const one of members) hub.join(one)
  hub.publish([change('a'), change('b')])
  hub.publish([change('c')])
  await settled()
  for (const one of members) {
    expect(one.heard()).toEqual(['a', 'b', 'c'])
    expect(one.writes).toHaveLength(1)
    expect(one.writes[0]).toBe(members[0]?.writes[0])
  }
})

test('[F2] whoever joins within a window hears what comes after, whoever parts hears no more', async () => {
  const hub = new Hub(7)
  const early = member(7)
  const parted = member(7)
  hub.join(early)
  hub.join(parted)
  hub.publish([change('a'), change('b')])
  const late = member(9)
  hub.join(late)
  hub.publish([change('c')])
  const latest = member(10)
  hub.join(latest)
  hub.part(parted)
  await settled()
  expect(early.heard()).toEqual(['a', 'b', 'c'])
  expect(late.heard()).toEqual(['c'])
  expect(latest.writes).toEqual([])
  expect(parted.writes).toEqual([])
  hub.publish([change('d')])
  await settled()
  expect(latest.heard()).toEqual(['d'])
})

test('[F3] the first change after a quiet time goes in the same turn of the loop, later ones gather', async () => {
  const hub = new Hub(0)
  const one = member(0)
  hub.join(one)
  hub.publish([change('a')])
  await new Promise(resolve => setImmediate(resolve))
  expect(one.heard()).toEqual(['a'])
  for (const id of ['b', 'c', 'd']) {
    hub.publish([change(id)])
    await new Promise(resolve => setImmediate(resolve))
  }
  expect(one.writes).toHaveLength(1)
  await settled()
  expect(one.writes).toHaveLength(2)
  expect(one.heard()).toEqual(['a', 'b', 'c', 'd'])
})

test('[F4] a flush that takes long lets others have a turn, and nobody hears out of order', async () => {
  const hub = new Hub(0)
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
  hub.publish([change('a')])
  await new Promise(resolve => setImmediate(resolve))
  hub.publish([change('b')])
  const newcomer = member(2)
  hub.join(newcomer)
  await new Promise(resolve => setTimeout(resolve, 300))
  clearInterval(counting)
  expect(turns).toBeGreaterThan(3)
  for (const one of slow) expect(one.heard()).toEqual(['a', 'b'])
  expect(newcomer.writes).toEqual([])
})

test('[F5] a shared answer is built once per window, and never before the question', async () => {
  const hub = new Hub(0)
  let state = 0
  const answer = { build: vi.fn(() => `state ${state}`) }
  const heard: string[] = []
  const ask = () =>
    hub.sendShared({ writeShared: frame => void heard.push(frame.subarray(2).toString()) }, answer)
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

function busy(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}
