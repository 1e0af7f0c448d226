import { expect, test } from 'vitest'
import type { ChangeStream } from './change-stream.ts'
import { ClusterFeed } from './cluster-feed.ts'
import { createPlaces } from './places.ts'
import { SharedChanges } from './shared-changes.ts'

/** A stream that never answers. */
const SILENT: ChangeStream = {
  end: () => new Promise(() => {}),
  read: () => new Promise(() => {}),
  store: () => new Promise(() => {}),
}

const STANDING = { place: { epoch: 'e', seq: 10 }, settledSince: 10, since: 10, isWriter: false }

function begin() {
  const node = { now: 0, isSettled: false }
  const feed = new ClusterFeed({
    places: createPlaces('e'),
    recent: 10,
    report: error => expect.unreachable(String(error)),
  })
  const shared = new SharedChanges({
    feed,
    stream: SILENT,
    standing: () => (node.isSettled ? STANDING : undefined),
    now: () => node.now,
  })
  return { node, shared }
}

test('[N1 N7] a node that shows what all others show waits for what was before it, for 3 s at most', () => {
  const { node, shared } = begin()
  node.isSettled = true
  shared.advance()
  expect(shared.isReady(true)).toBe(false)
  node.now = 2_999
  expect(shared.isReady(true)).toBe(false)
  node.now = 3_000
  expect([shared.isReady(true), shared.isReady(false)]).toEqual([true, false])
})

test('[N7] a node that is ready stays ready when it begins to show what all others show', () => {
  const { node, shared } = begin()
  // Nobody waits for a member that may be dead.
  expect([shared.isReady(false), shared.isReady(true)]).toEqual([false, true])
  node.isSettled = true
  shared.advance()
  expect(shared.isReady(true)).toBe(true)
  // It must read all users again.
  expect([shared.isReady(false), shared.isReady(true)]).toEqual([false, false])
})
