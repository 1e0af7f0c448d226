import { expect, test } from 'vitest'
import { newChange, numbered } from '../changes/testing/new-change.ts'
import type { SeenUser } from '../presence/view.ts'
import type { BatchReceiver, Topic } from './batch.ts'
import { Subscriptions } from './subscriptions.ts'
import { rethrow } from './testing/rethrow.ts'

// The table of subscriptions, without sockets and without a hub.

interface Receiver extends BatchReceiver {
  readonly counts: number[]
}

function newReceiver(): Receiver {
  const counts: number[] = []
  return {
    counts,
    fail: rethrow,
    holder: { address: undefined },
    gather: () => true,
    sendGathered() {},
    sendBatch() {},
    sendCount: count => counts.push(count),
  }
}

function see(userId: string): SeenUser {
  const nothing = { username: undefined, text: undefined, expiresAt: undefined, since: undefined }
  return { userId, status: 'online', lastSeen: 0, ...nothing }
}

const changesOf = (userIds: readonly string[], seqs: readonly number[]) =>
  numbered(userIds.map(newChange), seqs)

const presence = { onlineCount: 7, see }
const newSubscriptions = () =>
  new Subscriptions(presence, { newestOf: userId => (userId === 'ann' ? 4 : 0) }, 3)

test('[V11 I9] a subscription counts once, and no subscriptions remain after the last one has ended', () => {
  const subscriptions = newSubscriptions()
  const [one, other] = [newReceiver(), newReceiver()]
  const [ann] = subscriptions.subscribe(one, ['ann'])
  expect(ann?.newest).toBe(4)
  expect(subscriptions.subscribe(one, ['ann'])).toEqual([ann])
  expect(subscriptions.subscribe(other, ['ann'])).toEqual([ann])
  expect([subscriptions.size, subscriptions.refusalOf(2, one)?.left]).toEqual([2, 1])
  const topics = [ann as Topic]
  subscriptions.unsubscribe(one, topics)
  subscriptions.unsubscribe(one, topics)
  expect([subscriptions.size, subscriptions.topic('ann')]).toEqual([1, ann])
  subscriptions.unsubscribe(other, topics)
  expect([subscriptions.size, subscriptions.refusalOf(4, one)?.left]).toEqual([0, 3])
  expect(subscriptions.topic('ann')).toBeUndefined()
})

test('[V11] after a bug halfway, what was added counts, so that its end makes no count negative', () => {
  const subscriptions = newSubscriptions()
  const one = newReceiver()
  function* failing() {
    yield 'ann'
    yield 'bob'
    throw new Error('a bug')
  }
  expect(() => subscriptions.subscribe(one, failing())).toThrow('a bug')
  expect(subscriptions.size).toBe(2)
  subscriptions.unsubscribe(one, [subscriptions.topic('ann') as Topic, subscriptions.topic('bob') as Topic])
  expect(subscriptions.size).toBe(0)
})

test('[I6 F7] a batch has each user once, with the number and in the order of the newest changes', () => {
  const subscriptions = newSubscriptions()
  const [bob] = subscriptions.subscribe(newReceiver(), ['bob'])
  const changes = changesOf(['bob', 'ann', 'bob', 'eve'], [7, 8, 9, 10])
  subscriptions.note(changes)
  expect(bob?.newest).toBe(9)
  const named = subscriptions.batchOf(changes)
  expect(named.items.map(({ topic, seq }) => [topic?.userId, seq])).toEqual([['bob', 9]])
  subscriptions.subscribeToAll(newReceiver())
  const all = subscriptions.batchOf(changes)
  expect(all.items.map(({ topic, seq, json }) => [topic, seq, JSON.parse(json).userId])).toEqual([
    [undefined, 8, 'ann'],
    [bob, 9, 'bob'],
    [undefined, 10, 'eve'],
  ])
})

test('[I6] in a batch of entries of a log, each item has the number of its entry', () => {
  const subscriptions = newSubscriptions()
  const [bob, ann] = subscriptions.subscribe(newReceiver(), ['bob', 'ann'])
  subscriptions.subscribeToAll(newReceiver())
  const changes = changesOf(['ann', 'bob', 'eve', 'ann', 'joe', 'ann'], [20, 20, 20, 31, 31, 31])
  subscriptions.note(changes)
  expect([bob?.newest, ann?.newest]).toEqual([20, 31])
  const batch = subscriptions.batchOf(changes)
  expect(batch.seq).toBe(31)
  expect(batch.items.map(({ topic, seq, json }) => [topic, seq, JSON.parse(json).userId])).toEqual([
    [bob, 20, 'bob'],
    [undefined, 20, 'eve'],
    [undefined, 31, 'joe'],
    [ann, 31, 'ann'],
  ])
})

test('[F7] without a subscriber nothing is encoded', () => {
  const subscriptions = newSubscriptions()
  const receiver = newReceiver()
  subscriptions.subscribeToAll(receiver)
  subscriptions.unsubscribeFromAll(receiver)
  expect([...subscriptions.all]).toEqual([])
  expect(subscriptions.batchOf(changesOf(['ann'], [1])).items).toEqual([])
})

test('[V5] the count is sent at most once a second, until its subscription ends', () => {
  const subscriptions = newSubscriptions()
  const receiver = newReceiver()
  subscriptions.advance(0)
  subscriptions.subscribeToCount(receiver)
  for (const awake of [100, 500, 1_099, 1_100, 2_000]) subscriptions.advance(awake)
  expect(receiver.counts).toEqual([7, 7])
  subscriptions.unsubscribeFromCount(receiver)
  subscriptions.advance(9_000)
  expect(receiver.counts).toEqual([7, 7])
})
