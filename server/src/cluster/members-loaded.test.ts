import { expect, test } from 'vitest'
import type { Entry, NodeAbout } from './entry.ts'
import { BEAT_MS, Members } from './members.ts'

const EPOCH = 1_000_000
const LOADED_AT = EPOCH + 60_000

/** The members of a node that loads while one member lives, and one has said at `left` that it stops. */
function loadedWith(left: number | undefined): Members {
  const members = new Members()
  const about = { name: 'stopped', version: '1' }
  const abouts = new Map<string, NodeAbout>([['stopped', left === undefined ? about : { ...about, left }]])
  const nodes = new Map([
    ['alive', 5],
    ['stopped', 7],
  ])
  members.load({ nodes, abouts, epoch: EPOCH }, LOADED_AT)
  return members
}

function beat(node: string, batch: number, at: number): Entry {
  const body = { format: 1, at, facts: [], registers: [], isComplete: true } as const
  return { place: { epoch: EPOCH, seq: EPOCH + batch }, node, batch, kind: 'beat', body }
}

/** After how many own beats since it has loaded the node takes the stopped member for lost. */
function beatsUntilLost(members: Members): number {
  for (let count = 1; count <= 30; count++) {
    const at = LOADED_AT + count * BEAT_MS
    members.read(beat('alive', 5 + count, at), at)
    members.beat(at)
    if (members.silent().includes('stopped')) return count
  }
  return Number.POSITIVE_INFINITY
}

test('a node that has loaded does not wait for a member that has stopped in this epoch', () => {
  const isComplete = (left: number | undefined) => {
    const members = loadedWith(left)
    members.read(beat('alive', 6, LOADED_AT), LOADED_AT)
    return members.areComplete
  }
  expect(isComplete(LOADED_AT - 2_000)).toBe(true)
  // It has stopped before Redis may have lost what it had said.
  expect(isComplete(EPOCH - 1)).toBe(false)
  // It may live, and say more.
  expect(isComplete(undefined)).toBe(false)
})

test('a node that has loaded gives the clients of a stopped member as much time as all others do', () => {
  // 15 s after it has stopped, not 9 s after this node has loaded.
  expect(beatsUntilLost(loadedWith(LOADED_AT - 2_000))).toBe(13)
  // It is judged by nine beats at least.
  expect(beatsUntilLost(loadedWith(LOADED_AT - 20_000))).toBe(9)
  expect(beatsUntilLost(loadedWith(undefined))).toBe(9)
})
