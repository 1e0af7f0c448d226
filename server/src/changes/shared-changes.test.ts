import { expect, test } from 'vitest'
import { ChangeStreamModel, streamOf } from './change-stream.model.ts'
import type { ChangeStream } from './change-stream.ts'
import { ClusterFeed } from './cluster-feed.ts'
import type { NumberedChange } from './feed.ts'
import { createPlaces } from './places.ts'
import { SharedChanges } from './shared-changes.ts'
import type { Standing } from './stream-keeper.ts'
import { newChange } from './testing/new-change.ts'

const EPOCH = '1900000000000'

function newNode(stream: ChangeStream, since = 10) {
  const state = { isWriter: true, isSettled: true, now: 0 }
  const places = { epoch: EPOCH, recalls: ({ seq }: { seq: number }) => seq >= since }
  const feed = new ClusterFeed({ places, recent: 100, report: fail })
  feed.reached(since)
  const told: number[] = []
  const learned: NumberedChange[] = []
  const standing = (): Omit<Standing, 'isStopping'> | undefined => {
    const place = { epoch: EPOCH, seq: feed.seq }
    return state.isSettled ? { place, settledSince: since, since, isWriter: state.isWriter } : undefined
  }
  const shared = new SharedChanges({
    feed,
    stream,
    standing,
    learned: changes => void learned.push(...changes),
    now: () => state.now,
  })
  shared.listen(count => void told.push(count))
  const pass = async (ms: number) => {
    for (const until = state.now + ms; state.now < until; state.now += 100) {
      shared.advance()
      await new Promise(resolve => setImmediate(resolve))
    }
  }
  return { state, feed, shared, told, learned, pass }
}

function fail(error: unknown): never {
  throw error
}

test('[N12] it stores what the feed is told, and says how much', async () => {
  const model = new ChangeStreamModel()
  const { feed, told, pass } = newNode(streamOf(model))
  await pass(500)
  feed.append(['ann', 'bob'].map(newChange), 12)
  await pass(500)
  expect([model.end?.seq, told]).toEqual([12, [2]])
})

test('[N12] a stream that fails is tried again, and two commands never run at once', async () => {
  const model = new ChangeStreamModel()
  let isDown = true
  let running = 0
  let most = 0
  const one = streamOf(model)
  const slow = async <Answer>(answer: Promise<Answer>): Promise<Answer> => {
    most = Math.max(most, ++running)
    await new Promise(resolve => setTimeout(resolve, 2))
    running--
    if (isDown) throw new Error('Redis does not answer')
    return answer
  }
  const node = newNode({
    end: () => slow(one.end()),
    read: (after, count) => slow(one.read(after, count)),
    store: request => slow(isDown ? one.end() : one.store(request)),
  })
  node.feed.append([newChange('ann')], 12)
  await node.pass(2_000)
  expect(model.end).toBeUndefined()
  isDown = false
  while (model.end?.seq !== 12) await node.pass(100)
  expect(most).toBe(1)
})

test('[N12] when it stops, it stores at once what is missing, although another node is the writer', async () => {
  const model = new ChangeStreamModel()
  const { feed, shared, state, pass } = newNode(streamOf(model))
  await pass(500)
  state.isWriter = false
  feed.append([newChange('ann')], 12)
  await shared.stop()
  expect(model.end?.seq).toBe(12)
  feed.append([newChange('bob')], 13)
  await pass(5_000)
  expect(model.end?.seq).toBe(12)
  // A node that can't continue the stream leaves it as it is.
  const late = newNode(streamOf(model), 20)
  await late.shared.stop()
  expect(model.end?.seq).toBe(12)
})

test('[N12] a node is ready when it has read what was before', async () => {
  const model = new ChangeStreamModel()
  const writer = newNode(streamOf(model))
  writer.feed.append([newChange('ann')], 12)
  await writer.pass(500)
  const node = newNode(streamOf(model), 14)
  node.state.isWriter = false
  await node.pass(1_000)
  expect([node.shared.isReady(true), node.learned]).toEqual([false, []])
  writer.feed.reached(15)
  await writer.pass(2_000)
  await node.pass(1_000)
  expect([node.shared.isReady(true), node.learned]).toMatchObject([true, [{ userId: 'ann', seq: 12 }]])
})

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
    learned: () => {},
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
