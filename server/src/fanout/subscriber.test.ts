import type { User } from '@who-is-online/protocol/catalogue'
import { describe, expect, test, vi } from 'vitest'
import type { ChangeFeed, Place, Places } from '../changes/feed.ts'
import { newChange } from '../changes/testing/new-change.ts'
import { newFeed } from '../changes/testing/new-feed.ts'
import { webSocketEncoder } from '../gateway/websocket-encoder.ts'
import { Presence } from '../presence/presence.ts'
import { AT_ONCE } from '../presence/testing/options.ts'
import { Refusals } from '../refusals.ts'
import type { Refused } from '../reply.ts'
import { newTracker } from '../testing/new-tracker.ts'
import type { Tracker } from '../tracker.ts'
import { Subscriber, type SubscriberConnection, type SubscriberPorts } from './subscriber.ts'
import { Subscriptions } from './subscriptions.ts'
import { rethrow } from './testing/rethrow.ts'
import { Traffic } from './traffic.ts'
import { Turns } from './turns.ts'

// What the fold test can't reach: windows that are told in slices, states of many pages, rings that are overrun.

interface Told {
  readonly type: string
  readonly prevSeq?: number
  readonly seq: number
  readonly users: readonly User[]
  readonly last?: boolean
  readonly recovered?: boolean
  readonly all?: boolean
}

class Desk implements SubscriberConnection {
  readonly fail = rethrow
  readonly encoder = webSocketEncoder
  readonly presence = new Presence(AT_ONCE)
  readonly feed: ChangeFeed
  readonly tracker: Tracker
  readonly subscriptions: Subscriptions
  readonly turns = new Turns()
  readonly refusals = new Refusals()
  readonly traffic = new Traffic()
  readonly ports: SubscriberPorts
  readonly subscriber: Subscriber
  readonly userId = 'desk'
  readonly address: string | undefined = '8.8.8.8'
  readonly holder = { userId: this.userId, address: this.address }
  readonly logged: unknown[] = []
  told: Told[] = []
  acks = 0
  behind = 0
  backlog = 0
  /** After so many messages the client reads no more for now. */
  stallsAfter = Number.POSITIVE_INFINITY

  constructor({
    recent = 1_000,
    allUsersLimit = 10_000,
    maxSubscriptions = 1e6,
    maxSubscribedUsers = 1e5,
    places = undefined as Places | undefined,
  } = {}) {
    this.feed = newFeed(recent, places)
    this.tracker = newTracker({ presence: this.presence, feed: this.feed, clock: { now: () => 1 } })
    this.subscriptions = new Subscriptions(this.presence, this.feed, maxSubscriptions)
    this.feed.listen({ changed: changes => this.subscriptions.note(changes) })
    const { presence, feed, subscriptions, turns, refusals, traffic } = this
    const log: SubscriberPorts['log'] = {
      limited: (kind, text, fields) => this.logged.push({ kind, text, ...fields }),
    }
    const limits = { maxSubscribedUsers, allUsersLimit, highWaterMark: 1_000 }
    const clock = { now: () => 0 }
    this.ports = { presence, feed, subscriptions, turns, refusals, traffic, log, clock, ...limits }
    this.subscriber = new Subscriber(this.ports, this)
  }

  write(frames: Buffer): void {
    const begin = frames.indexOf(0x7b)
    this.told.push(JSON.parse(frames.subarray(begin).toString()))
    if (this.told.length === this.stallsAfter) this.backlog = 2_000
  }
  reply(): void {
    this.acks++
  }
  refuse({ text }: Refused): void {
    throw new Error(`refused: ${text}`)
  }
  fellBehind(): void {
    this.behind++
  }

  come(...userIds: string[]): void {
    for (const userId of userIds) {
      void this.tracker.open({ userId, sessionId: 's', isNamed: true }, {})
    }
  }
  be(userId: string, status: 'online' | 'away' | 'busy' | 'offline'): void {
    this.tracker.setStatus({ userId, sessionId: 's' }, { status })
  }
  follow(...userIds: string[]): void {
    this.subscriber.subscribe({ type: 'subscribe', userIds, id: undefined })
  }
  subscribeToAll(since?: { epoch: string; seq: number }): void {
    this.subscriber.subscribe({ type: 'subscribe', all: true, since, id: 1 })
  }
  /** What a window that closes now says of a user. */
  item(userId: string) {
    const topic = this.subscriptions.topic(userId)
    return { topic, seq: topic?.newest ?? 0, json: JSON.stringify({ userId }) }
  }
  ids(): string[][] {
    return this.told.map(({ users }) => users.map(({ userId }) => userId))
  }
}

/** Nothing more comes of itself. */
const settled = () => new Promise(resolve => setTimeout(resolve, 30))
const lastPage = (desk: Desk) => vi.waitFor(() => expect(desk.told.at(-1)?.last).toBe(true), 10_000)
const many = (count: number) => Array.from({ length: count }, (_, n) => `user-${n}`)

test('[V2] a client that subscribes between two slices of a window is told everything once', () => {
  const desk = new Desk()
  desk.come('ann', 'bob', 'cid')
  desk.follow('ann', 'bob')
  desk.be('ann', 'busy')
  desk.be('bob', 'busy')
  desk.told = []
  expect(desk.subscriber.gather(desk.item('ann'))).toBe(true)
  desk.backlog = 2_000
  desk.follow('cid')
  expect(desk.subscriber.gather(desk.item('bob'))).toBe(false)
  desk.backlog = 0
  desk.subscriber.sendGathered(desk.feed.seq)
  expect(desk.told).toEqual([])
  desk.subscriber.drained()
  expect(desk.ids().map(ids => ids.toSorted())).toEqual([['ann', 'bob', 'cid']])
})

test('[V2] between two slices of a window: what is unsubscribed is not told after the ack', () => {
  const desk = new Desk()
  desk.come('ann')
  desk.follow('ann')
  desk.be('ann', 'busy')
  desk.told = []
  desk.subscriber.gather(desk.item('ann'))
  desk.backlog = 2_000
  desk.subscriber.unsubscribe({ type: 'unsubscribe', userIds: ['ann'], id: undefined })
  expect(desk.acks).toBe(1)
  desk.backlog = 0
  desk.subscriber.sendGathered(desk.feed.seq)
  desk.subscriber.drained()
  expect(desk.told).toEqual([])
})

test('[V4] between two slices of a window: who looks away is told nothing more, and all of it later', () => {
  const desk = new Desk()
  desk.come('ann')
  desk.follow('ann')
  desk.be('ann', 'busy')
  desk.told = []
  desk.subscriber.gather(desk.item('ann'))
  desk.subscriber.setActive(false)
  desk.subscriber.sendGathered(desk.feed.seq)
  expect(desk.told).toEqual([])
  desk.subscriber.setActive(true)
  expect(desk.ids()).toEqual([['ann']])
})

test('[V2] a state of everybody comes in pages; who changes meanwhile is in the last', async () => {
  const desk = new Desk()
  desk.come(...many(2_500))
  desk.stallsAfter = 1
  desk.subscribeToAll()
  await settled()
  desk.be('user-1', 'busy')
  desk.be('user-2400', 'offline')
  await settled()
  expect(desk.told).toHaveLength(1)
  desk.backlog = 0
  desk.subscriber.drained()
  await lastPage(desk)
  expect(desk.told.map(({ last }) => last)).toEqual([...desk.told.slice(1).map(() => false), true])
  expect(desk.told.every(({ all, recovered }) => all === true && recovered === false)).toBe(true)
  const view = new Map(desk.told.flatMap(({ users }) => users.map(user => [user.userId, user.status])))
  expect(view.size).toBe(2_500)
  expect(view.get('user-1')).toBe('busy')
  expect(view.get('user-2400')).toBe('offline')
  expect(desk.told.at(-1)?.seq).toBe(desk.feed.seq)
})

test('[V2] unsubscribing ends a state of everybody that is on its way', async () => {
  const desk = new Desk()
  desk.come(...many(3_500))
  desk.subscribeToAll()
  desk.subscriber.unsubscribe({ type: 'unsubscribe', all: true, id: 2 })
  await settled()
  expect(desk.ids()).toEqual([[]])
  expect(desk.told[0]).toMatchObject({ last: true })
})

test('[V2] a state ends, however much changes while it is told', async () => {
  const desk = new Desk({ recent: 100_000 })
  const users = many(3_000)
  desk.come(...users)
  desk.subscribeToAll()
  for (let round = 0; round < 20; round++) {
    for (const user of users) desk.be(user, round % 2 ? 'busy' : 'away')
    await settled()
    if (desk.told.at(-1)?.last) break
  }
  expect(desk.told.at(-1)?.last).toBe(true)
})

test('[V3] a client that falls out of the recent changes is told all users again, and is not cut off', async () => {
  const desk = new Desk({ recent: 3, allUsersLimit: 2 })
  desk.come('ann', 'bob', 'cid', 'dan')
  desk.subscribeToAll()
  desk.follow('dan')
  await settled()
  desk.told = []
  desk.subscriber.setActive(false)
  for (const userId of ['ann', 'bob', 'cid', 'dan']) desk.be(userId, 'offline')
  desk.be('ann', 'busy')
  desk.subscriber.setActive(true)
  await settled()
  expect(desk.behind).toBe(0)
  expect(desk.told).toMatchObject([{ recovered: false, all: true, last: true }])
  // Users subscribed to by id are among them though the list has no room for more who are offline.
  expect(desk.ids()[0]).toContain('dan')
  expect(desk.told[0]?.users.find(({ userId }) => userId === 'ann')).toMatchObject({ status: 'busy' })
})

test('[I7] a client that unsubscribes from all users during an unasked state is still told of those it subscribed to by id', async () => {
  const desk = new Desk({ recent: 3 })
  const users = many(2_500)
  desk.come(...users)
  desk.follow('user-7')
  desk.subscribeToAll()
  await lastPage(desk)
  desk.subscriber.setActive(false)
  for (const user of users) desk.be(user, 'busy')
  desk.told = []
  desk.stallsAfter = 1
  desk.subscriber.setActive(true)
  await settled()
  desk.subscriber.unsubscribe({ type: 'unsubscribe', all: true, id: 2 })
  desk.backlog = 0
  desk.subscriber.drained()
  await lastPage(desk)
  const last = desk.told.at(-1)
  expect(last).toMatchObject({ last: true, users: [{ userId: 'user-7', status: 'busy' }] })
  expect(last?.all).toBeUndefined()
})

test('[V3] a state that changes faster than it can be sent is sent again on another connection', async () => {
  const desk = new Desk({ recent: 3 })
  desk.come(...many(2_500))
  desk.stallsAfter = 1
  desk.subscribeToAll()
  await settled()
  for (const user of many(10)) desk.be(user, 'busy')
  desk.backlog = 0
  desk.subscriber.drained()
  await vi.waitFor(() => expect(desk.behind).toBeGreaterThan(0), 10_000)
})

test('[V4] a state that nobody asked for waits while the client looks away', async () => {
  const desk = new Desk()
  const users = many(2_500)
  desk.come(...users)
  desk.subscribeToAll()
  await lastPage(desk)
  desk.told = []
  desk.subscriber.setActive(false)
  for (const user of users) desk.be(user, 'busy')
  desk.subscriber.setActive(true)
  desk.subscriber.setActive(false)
  await settled()
  expect(desk.told).toEqual([])
  desk.subscriber.setActive(true)
  await lastPage(desk)
})

test('[K3] a client that was behind and subscribed is sent changes again when it has read', () => {
  const desk = new Desk()
  desk.come('ann', 'bob')
  desk.follow('ann')
  desk.be('ann', 'busy')
  desk.backlog = 2_000
  desk.subscriber.gather(desk.item('ann'))
  desk.subscriber.sendGathered(desk.feed.seq)
  desk.follow('bob')
  desk.backlog = 0
  desk.subscriber.drained()
  desk.told = []
  desk.be('ann', 'away')
  expect(desk.subscriber.gather(desk.item('ann'))).toBe(true)
  desk.subscriber.sendGathered(desk.feed.seq)
  expect(desk.ids()).toEqual([['ann']])
})

describe('with the numbers of a log', () => {
  /** The changes of one entry. */
  const append = (desk: Desk, seq: number, ...userIds: string[]) =>
    desk.feed.append(userIds.map(newChange), seq)

  test('[V2] a number without changes sends no diff, and the next diff follows what the client was told', async () => {
    const desk = new Desk()
    desk.come('ann', 'bob')
    desk.feed.reached(10)
    desk.follow('ann')
    desk.subscribeToAll()
    await settled()
    expect(desk.told.map(({ seq }) => seq)).toEqual([10, 10])
    desk.told = []
    desk.feed.reached(20)
    for (const isActive of [false, true]) desk.subscriber.setActive(isActive)
    desk.subscriber.drained()
    expect(desk.told).toEqual([])
    append(desk, 31, 'ann', 'bob')
    desk.subscriber.drained()
    desk.feed.reached(40)
    append(desk, 41, 'bob')
    desk.subscriber.drained()
    expect(desk.told).toMatchObject([
      { prevSeq: 10, seq: 31, users: [{ userId: 'ann' }, { userId: 'bob' }] },
      { prevSeq: 31, seq: 41, users: [{ userId: 'bob' }] },
    ])
  })

  test('[V2] a client that catches up between two slices of a window is told an entry once, as a whole', () => {
    const desk = new Desk()
    desk.come('ann', 'bob')
    desk.follow('ann', 'bob')
    desk.told = []
    append(desk, 9, 'ann', 'bob')
    expect(desk.subscriber.gather(desk.item('ann'))).toBe(true)
    desk.subscriber.drained()
    expect(desk.subscriber.gather(desk.item('bob'))).toBe(false)
    desk.subscriber.sendGathered(9)
    expect(desk.told).toMatchObject([{ prevSeq: 2, seq: 9, users: [{ userId: 'ann' }, { userId: 'bob' }] }])
  })

  test('[V3] a client resumes from a number without changes, and from the number of an entry', async () => {
    const desk = new Desk()
    const resume = (seq: number) =>
      desk.subscriber.subscribe({ type: 'subscribe', userIds: ['ann', 'bob'], since: { epoch: 'e', seq } })
    append(desk, 9, 'ann', 'eve')
    desk.feed.reached(12)
    append(desk, 15, 'bob', 'eve')
    for (const seq of [8, 9, 12, 14, 15, 16]) resume(seq)
    expect(desk.told.map(({ recovered }) => recovered)).toEqual([true, true, true, true, true, false])
    expect(desk.ids()).toEqual([['ann', 'bob'], ['bob'], ['bob'], ['bob'], [], ['ann', 'bob']])
    desk.told = []
    desk.subscribeToAll({ epoch: 'e', seq: 12 })
    await settled()
    expect(desk.told).toMatchObject([{ recovered: true, seq: 15 }])
    expect(desk.ids()).toEqual([['bob', 'eve']])
  })

  test('[V3] when another epoch begins, clients that are connected are told the changes, and others all users', async () => {
    const places = { epoch: 'old', recalls: ({ epoch }: Place) => epoch === places.epoch }
    const desk = new Desk({ places })
    append(desk, 9, 'ann', 'bob')
    desk.subscribeToAll()
    await settled()
    desk.told = []
    desk.subscriber.setActive(false)
    append(desk, 15, 'ann')
    places.epoch = 'new'
    append(desk, 1_000, 'bob')
    desk.subscriber.setActive(true)
    expect(desk.told).toMatchObject([{ type: 'presence_diff', prevSeq: 9, seq: 1_000 }])
    expect(desk.ids()).toEqual([['ann', 'bob']])
    desk.told = []
    for (const epoch of ['old', 'new']) desk.subscribeToAll({ epoch, seq: 15 })
    await settled()
    expect(desk.told).toMatchObject([
      { epoch: 'new', seq: 1_000, recovered: false, all: true },
      { epoch: 'new', seq: 1_000, recovered: true, users: [{ userId: 'bob' }] },
    ])
  })
})

test('[I9] hundreds who ask for everybody at once take turns', async () => {
  const desk = new Desk()
  desk.come(...many(5_000))
  let done = 0
  const outlet: SubscriberConnection = {
    userId: 'desk',
    address: undefined,
    holder: { address: undefined },
    backlog: 0,
    encoder: webSocketEncoder,
    write: frames => void (frames.includes('"last":true') && done++),
    reply: () => {},
    refuse: () => {},
    fellBehind: () => {},
    fail: rethrow,
  }
  let beats = 0
  const beat = (): void => {
    beats++
    if (done < 100) setImmediate(beat)
  }
  setImmediate(beat)
  for (let n = 0; n < 100; n++) {
    new Subscriber(desk.ports, outlet).subscribe({ type: 'subscribe', all: true, id: 1 })
  }
  while (done < 100) await settled()
  // All in one go would be one beat, a page of each at a time five.
  expect(beats).toBeGreaterThan(20)
})

/** Another connection to the same server as a desk, which keeps its refusals. */
function neighbour(desk: Desk, userId: string, address: string | undefined) {
  const refused: string[] = []
  const subscriber = new Subscriber(desk.ports, {
    fail: rethrow,
    userId,
    address,
    holder: { userId, address },
    backlog: 0,
    encoder: webSocketEncoder,
    write: () => {},
    reply: () => {},
    refuse: ({ text }) => refused.push(text),
    fellBehind: () => {},
  })
  const follow = (...userIds: string[]) => subscriber.subscribe({ type: 'subscribe', userIds, id: undefined })
  return { subscriber, refused, follow }
}

test('[V11 L9] a refused subscription names the limit that was reached, is counted and is logged', () => {
  const desk = new Desk({ maxSubscriptions: 8, maxSubscribedUsers: 6 })
  const ids = many(10)
  const ann = neighbour(desk, 'ann', '8.8.8.8')
  ann.follow(...ids.slice(0, 7))
  ann.follow(...ids.slice(0, 6))
  // Other connections of the user, and other users of the address, share what one user and one address may have.
  const again = neighbour(desk, 'ann', '9.9.9.9')
  again.follow('bob')
  const bob = neighbour(desk, 'bob', '8.8.8.8')
  bob.follow('bob')
  const eve = neighbour(desk, 'eve', undefined)
  eve.follow(...ids.slice(0, 2))
  eve.follow(...ids.slice(0, 1))
  const joe = neighbour(desk, 'joe', undefined)
  joe.follow('ann', 'bob')
  joe.follow('ann')
  joe.follow('bob')
  expect([ann, again, bob, eve, joe].map(({ refused }) => refused)).toEqual([
    ['this connection can subscribe to 6 more users by id (MAX_WATCHED_USERS)'],
    ['this user can subscribe to 0 more users by id (MAX_WATCHED_IDS_SHARE)'],
    ['this address can subscribe to 0 more users by id (MAX_WATCHED_IDS_SHARE)'],
    // The number is what would not be refused.
    ['this user can subscribe to 1 more users by id (MAX_WATCHED_IDS_SHARE)'],
    [
      'the server is full: all clients together can subscribe to 1 more users by id (MAX_WATCHED_IDS)',
      'the server is full: all clients together can subscribe to 0 more users by id (MAX_WATCHED_IDS)',
    ],
  ])
  expect(desk.refusals.counts).toMatchObject({
    MAX_WATCHED_USERS: 1,
    MAX_WATCHED_IDS_SHARE: 3,
    MAX_WATCHED_IDS: 2,
  })
  expect(desk.logged).toEqual([
    expect.objectContaining({ kind: 'MAX_WATCHED_USERS', of: 'this connection', userId: 'ann' }),
    expect.objectContaining({ kind: 'MAX_WATCHED_IDS_SHARE', of: 'this user', userId: 'ann' }),
    expect.objectContaining({ kind: 'MAX_WATCHED_IDS_SHARE', of: 'this address', address: '8.8.8.8' }),
    expect.objectContaining({ kind: 'MAX_WATCHED_IDS_SHARE', of: 'this user', userId: 'eve' }),
    ...Array<unknown>(2).fill(
      expect.objectContaining({
        kind: 'MAX_WATCHED_IDS',
        text: 'a subscription was refused by MAX_WATCHED_IDS',
      }),
    ),
  ])
  // A list that adds nothing is not refused, and what one gives back is there for others.
  ann.follow(...ids.slice(0, 6))
  eve.subscriber.unsubscribe({ type: 'unsubscribe', userIds: ids.slice(0, 1), id: undefined })
  const jim = neighbour(desk, 'jim', undefined)
  jim.follow('bob')
  expect([ann.refused.length, jim.refused.length]).toEqual([1, 0])
  for (const { subscriber } of [ann, again, bob, eve, joe, jim]) subscriber.end()
  expect([desk.subscriptions.size, desk.subscriptions.holders]).toEqual([0, 0])
})
