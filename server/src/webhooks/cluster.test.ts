import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ChangeStreamModel, streamOf } from '../changes/change-stream.model.ts'
import { ClusterFeed } from '../changes/cluster-feed.ts'
import { ChangeReader } from '../changes/reader.ts'
import { SharedChanges } from '../changes/shared-changes.ts'
import { StreamReader } from '../changes/stream-reader.ts'
import { linesOf } from '../changes/testing/copy.ts'
import { Presence } from '../presence/presence.ts'
import { AT_ONCE } from '../presence/testing/options.ts'
import { newTracker } from '../testing/new-tracker.ts'
import type { Tracker } from '../tracker.ts'
import { secretIn } from './signature.ts'
import { Receiver, SECRET } from './testing/receiver.ts'
import { SharedPlaces } from './testing/shared-places.ts'
import { Webhooks } from './webhooks.ts'

// The webhooks of two nodes that show the same and share the changes and the places. Time is simulated.

const T = Date.UTC(2030, 0, 1)
const STEP_MS = 100
const sleep = setTimeout

let receiver: Receiver
let model: ChangeStreamModel
let shared: SharedChanges
let presence: Presence
let tracker: Tracker
let feed: ClusterFeed
let places: SharedPlaces
let now: number
let lines: string[]
/** Whether it is the turn of each node, as it takes it. */
let isMine: [boolean, boolean]
let nodes: [Webhooks, Webhooks]

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  now = 0
  lines = []
  isMine = [true, false]
  places = new SharedPlaces()
  receiver = new Receiver()
  await receiver.start()
  model = new ChangeStreamModel()
  const epoch = '1900000000000'
  const log = { epoch, recalls: (place: { epoch: string }) => place.epoch === epoch }
  feed = new ClusterFeed({ places: log, recent: 1_000, report: fail })
  presence = new Presence(AT_ONCE)
  tracker = newTracker({ presence, feed, clock: { now: () => T + now } })
  feed.reached(10)
  const standing = () => ({ place: { epoch, seq: feed.seq }, settledSince: 10, since: 10, isWriter: true })
  shared = new SharedChanges({ feed, stream: streamOf(model), standing, learned: () => {}, now: () => now })
  nodes = [newNode(0), newNode(1)]
})

afterEach(async () => {
  for (const webhooks of nodes) await webhooks.stop()
  vi.useRealTimers()
  await receiver.stop()
})

function newNode(index: 0 | 1): Webhooks {
  const log = (text: string, fields: object = {}) =>
    void lines.push(`${index} ${text} ${JSON.stringify(fields)}`)
  const webhooks = new Webhooks({
    urls: [receiver.url],
    secrets: [secretIn(SECRET) as Buffer],
    reader: new StreamReader(streamOf(model), feed, new ChangeReader(presence, feed)),
    feed,
    places: { load: fail, save: fail },
    turns: {
      isMine: () => isMine[index],
      newPlaces: () => places.open(),
      listen: listener => shared.listen(listener),
    },
    clock: { steady: () => now, now: () => T + now },
    log: { info: log, error: log },
    version: '0',
  })
  webhooks.start()
  return webhooks
}

function fail(): never {
  throw new Error('not in a cluster')
}

/** Lets time pass until a condition holds. */
async function until(isTrue: () => boolean): Promise<void> {
  for (let turn = 0; !isTrue(); turn++) {
    if (turn > 4_000) throw new Error(`in vain: ${isTrue}; ${lines.join('\n')}`)
    await new Promise(resolve => sleep(resolve, 1))
    now += STEP_MS
    vi.advanceTimersByTime(STEP_MS)
    shared.advance()
    for (const webhooks of nodes) webhooks.advance()
  }
}

async function pass(ms: number): Promise<void> {
  const at = now + ms
  await until(() => now >= at)
}

const open = (userId: string) => tracker.open({ userId, sessionId: 'tab', isNamed: false }, {})
const isComplete = () => receiver.copy.place?.seq === feed.seq
const shown = () => linesOf(presence.list(100))

test('[M8] one node delivers, and only what is stored for all nodes', async () => {
  void open('ann')
  await until(isComplete)
  expect([receiver.copy.states, receiver.copy.users]).toEqual([1, shown()])
  expect(nodes.map(({ isDelivering }) => isDelivering)).toEqual([true, false])
  void open('bob')
  await until(isComplete)
  expect([...receiver.messages.values()].at(-1)).toContain('"prevSeq":11,"seq":12,"recovered":true')
  expect([receiver.copy.users, receiver.wrong, lines]).toEqual([shown(), [], []])
  // The stream stands still, so nothing is sent.
  const { requests } = receiver
  const store = model.store.bind(model)
  model.store = () => model.end
  void open('cid')
  await pass(5_000)
  expect(receiver.requests).toBe(requests)
  model.store = store
  await until(isComplete)
  expect([receiver.copy.users, receiver.wrong]).toEqual([shown(), []])
})

test('[M8 M3] the next node repeats the batch in flight with its id and content, and goes on after it', async () => {
  await until(isComplete)
  void open('ann')
  void open('bob')
  receiver.behaviours.push('late')
  await until(() => receiver.messages.size === 2)
  // The endpoint has taken it, but the first node does not know. Its turn ends.
  isMine = [false, false]
  void open('cid')
  await pass(3_000)
  expect([receiver.requests, nodes[0].isDelivering]).toEqual([2, false])
  isMine = [false, true]
  await until(isComplete)
  expect([receiver.repeats, receiver.messages.size, receiver.copy.states]).toEqual([1, 3, 1])
  expect([receiver.copy.users, receiver.wrong]).toEqual([shown(), []])
  // And back, without a batch in flight: nothing is repeated.
  await pass(2_000)
  isMine = [true, false]
  void open('dan')
  await until(isComplete)
  expect([receiver.repeats, receiver.messages.size, receiver.copy.states]).toEqual([1, 4, 1])

  // Control: without the places of the other node, the full state comes again.
  isMine = [false, false]
  await pass(2_000)
  places.rows.clear()
  isMine = [false, true]
  await until(() => receiver.copy.states === 2)
})

test('[M8] a node that was suspended, and takes itself for the one, sends no new batch', async () => {
  await until(isComplete)
  void open('ann')
  receiver.behaviours.push('late')
  await until(() => receiver.messages.size === 2)
  // Both take themselves for the one that delivers.
  isMine = [true, true]
  await until(() => receiver.repeats === 1)
  const { requests } = receiver
  for (const userId of ['bob', 'cid', 'dan']) {
    void open(userId)
    await until(isComplete)
    await pass(1_000)
  }
  // The first one repeats only the batch that it has had: the same id, and the same content.
  await pass(20_000)
  expect(receiver.messages.size).toBe(5)
  expect(receiver.requests).toBeGreaterThan(requests + 3)
  expect([receiver.copy.users, receiver.wrong]).toEqual([shown(), []])
})

test('[M9] each node can test the endpoints, and only the one that delivers tells how old the oldest change is', async () => {
  await until(isComplete)
  expect(await nodes[1].test()).toMatchObject([{ delivered: true, status: 204 }])
  receiver.behaviours.push('fail')
  void open('ann')
  await pass(1_500)
  expect(nodes.map(webhooks => [webhooks.isDelivering, ...webhooks.unsentMs().values()])).toEqual([
    [true, expect.any(Number)],
    [false],
  ])
  expect(nodes[0].unsentMs().values().next().value).toBeGreaterThan(0)
  await until(isComplete)
  expect(receiver.wrong).toEqual([])
})

test('[M8 M2] a place before the stream, one of another epoch, and an entry that can not be read get the full state', async () => {
  await until(isComplete)
  void open('ann')
  await until(isComplete)
  await pass(2_000)
  const url = receiver.url
  const turnTo = async (place: string) => {
    isMine = [false, false]
    await pass(500)
    places.rows.set(url, `{"since":"${place}"}`)
    isMine = [true, false]
    await pass(2_000)
    await until(isComplete)
  }
  await turnTo('1900000000000:11')
  expect(receiver.copy.states).toBe(1)
  await turnTo('1900000000000:9')
  expect(receiver.copy.states).toBe(2)
  await turnTo('1800000000000:11')
  expect(receiver.copy.states).toBe(3)
  void open('bob')
  await until(isComplete)
  const last = model.entries.at(-1)
  model.entries[model.entries.length - 1] = {
    after: 11,
    seq: 12,
    content: '?',
    ...(last && { after: last.after }),
  }
  await turnTo('1900000000000:11')
  expect(receiver.copy.states).toBe(4)
  expect(receiver.copy.users).toEqual(shown())
})

test('[M8] while the stream or the places can not be read, nothing is sent, and the log says why', async () => {
  await until(isComplete)
  const read = model.read.bind(model)
  model.read = () => {
    throw new Error('LOADING Redis is loading')
  }
  void open('ann')
  const { requests } = receiver
  await pass(5_000)
  expect(receiver.requests).toBe(requests)
  expect(lines).toEqual([expect.stringMatching(/^0 the place of a webhook endpoint .*LOADING/)])
  model.read = read
  await until(isComplete)
  expect(receiver.copy.users).toEqual(shown())
})
