import type { User } from '@who-is-online/protocol/catalogue'
import type { Status, UserId } from '@who-is-online/protocol/words'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Place } from '../changes/feed.ts'
import { MemoryFeed } from '../changes/memory-feed.ts'
import { newFeed } from '../changes/testing/new-feed.ts'
import { webSocketEncoder } from '../gateway/websocket-encoder.ts'
import { Presence } from '../presence/presence.ts'
import { AT_ONCE } from '../presence/testing/options.ts'
import { Refusals } from '../refusals.ts'
import { newTracker } from '../testing/new-tracker.ts'
import type { Tracker } from '../tracker.ts'
import { asUser } from '../user-json.ts'
import { Hub } from './hub.ts'
import { Subscriber, type SubscriberConnection } from './subscriber.ts'
import { Subscriptions } from './subscriptions.ts'
import { rethrow } from './testing/rethrow.ts'
import { Turns } from './turns.ts'

// Clients that subscribe, unsubscribe, look away, read slowly, are cut off and come back, while users come, go
// and change. Each folds what it is told; whenever it has been told all up to a number, its view has to be what
// the server's was at that number, no more and no less.

const USERS = ['ann', 'bob', 'cid', 'dan', 'eve', '__proto__'] as const
const FANS = 3

/** A game has few users, and has to become slow. */
const SOFT_BYTES = 1_000

const turns = new Turns()

type Step =
  | { readonly do: 'open' | 'leave'; readonly userId: UserId; readonly id: string }
  | {
      readonly do: 'choose'
      readonly userId: UserId
      readonly status: Status
      readonly text: string | undefined
    }
  | { readonly do: 'identify'; readonly userId: UserId; readonly username: string }
  | { readonly do: 'idle'; readonly userId: UserId; readonly isIdle: boolean }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'follow' | 'unsubscribe'; readonly fan: number; readonly userIds: readonly UserId[] }
  | { readonly do: 'subscribeToAll' | 'unsubscribeFromAll'; readonly fan: number }
  | { readonly do: 'look'; readonly fan: number; readonly isActive: boolean }
  | { readonly do: 'read'; readonly fan: number; readonly frames: number }
  | { readonly do: 'reconnect'; readonly fan: number }
  | { readonly do: 'hurry'; readonly fan: number; readonly isQuick: boolean }

const userId = fc.constantFrom(...USERS)
const userIds = fc.uniqueArray(userId, { minLength: 1 })
const fan = fc.nat({ max: FANS - 1 })

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constantFrom('open', 'leave'), userId, id: fc.constantFrom('1', '2') }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('choose'),
      userId,
      status: fc.constantFrom('online', 'away', 'busy', 'offline'),
      text: fc.constantFrom(undefined, 'at lunch'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('identify'), userId, username: fc.constantFrom('A', 'B') }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('idle'), userId, isIdle: fc.boolean() }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.constantFrom(1, 12, 60) }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constantFrom('follow', 'follow', 'unsubscribe'), fan, userIds }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('subscribeToAll', 'subscribeToAll', 'unsubscribeFromAll'),
      fan,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('look'), fan, isActive: fc.boolean() }) },
  { weight: 7, arbitrary: fc.record({ do: fc.constant('read'), fan, frames: fc.nat({ max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reconnect'), fan }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('hurry'), fan, isQuick: fc.boolean() }) },
)

const game = fc.record({
  steps: fc.array(step, { size: 'max', maxLength: 120 }),
  recent: fc.constantFrom(1, 3, 1_000),
})

/** The server without sockets, and what everybody looked like after each change. */
class World {
  readonly presence = new Presence({ ...AT_ONCE, graceMs: 5, restartGraceMs: 5, maxKnown: 100 })
  readonly feed: MemoryFeed
  readonly tracker: Tracker
  readonly subscriptions: Subscriptions
  readonly hub: Hub
  /** By number of the change: everybody as others saw them from then on. */
  readonly history: Map<UserId, string>[] = []
  now = 1_000_000

  constructor(feed: MemoryFeed) {
    this.feed = feed
    this.tracker = newTracker({ presence: this.presence, feed, clock: { now: () => this.now } })
    feed.listen({
      changed: (changes, seq) => {
        // Each of several changes is of another user: the view after the last is the view after each.
        for (let index = 0; index < changes.length; index++) this.history[seq - index] = this.#everybody()
      },
    })
    this.subscriptions = new Subscriptions(this.presence, feed, 10_000)
    this.hub = new Hub(feed.seq, this.subscriptions)
    feed.listen({ changed: (changes, seq) => this.hub.changed(changes, seq) })
    this.history[0] = this.#everybody()
  }

  wait(ms: number): void {
    vi.advanceTimersByTime(ms)
    this.now += ms
    this.tracker.advance(this.now, this.now)
  }

  #everybody(): Map<UserId, string> {
    return new Map(USERS.map(userId => [userId, essence(asUser(this.presence.see(userId)))]))
  }
}

/** What of a user is in the order of changes: of who is online, `lastSeen` moves with every sign of life. */
function essence({ userId, status, lastSeen, username, text }: User): string {
  return JSON.stringify([userId, status, status === 'offline' ? lastSeen : '', username, text])
}

interface Frame {
  readonly type: 'presence_state' | 'presence_diff' | 'ack' | 'error'
  readonly epoch: string
  readonly prevSeq: number
  readonly seq: number
  readonly users: readonly User[]
  readonly last: boolean
  readonly recovered: boolean
  readonly id: number | undefined
  readonly all: true | undefined
}

/** A client that folds what it is told, and the connection it is told through. */
class Fan implements SubscriberConnection {
  readonly fail = rethrow
  readonly encoder = webSocketEncoder
  readonly userId = 'fan'
  readonly address = '8.8.8.8'
  readonly holder = { userId: this.userId, address: this.address }
  readonly #world: World
  #subscriber: Subscriber
  /** Texts that were sent and not read yet. */
  #sent: string[] = []
  readonly #view = new Map<UserId, string>()
  /** Whose state was told, and may be compared. */
  readonly #scope = new Set<UserId>()
  #place: Place | undefined
  #wanted = new Set<UserId>()
  #wantsAll = false
  #tellsAll = false
  readonly #asked = new Map<number, readonly UserId[] | 'all'>()
  /**
   * With which request each user, or everybody, was asked for last: an earlier state speaks of an earlier
   * following.
   */
  readonly #latest = new Map<UserId | 'all', number>()
  #pages: User[] = []
  #nextId = 1
  /** Takes everything at once: the kernel's buffer has room. */
  #isQuick = false
  /** Something waits, or did since it was drained last. */
  #isSlow = false
  #looks = true
  told = 0
  recovered = 0

  constructor(world: World) {
    this.#world = world
    this.#subscriber = this.#connect()
  }

  // The outlet

  get backlog(): number {
    return this.#sent.reduce((sum, text) => sum + text.length, 0)
  }

  write(frames: Buffer): void {
    const texts = textsIn(frames)
    if (!this.#looks && texts.some(text => text.startsWith('{"type":"presence_diff"'))) {
      throw new Error('told though it looks away')
    }
    this.#sent.push(...texts)
    if (this.#isQuick) this.read(1_000)
    else this.#isSlow = true
  }

  reply(): void {}

  refuse({ code }: { code: string }): void {
    throw new Error(`refused: ${code}`)
  }

  /** With one page a state, nothing can change while it is told: nobody has to be given up. */
  fellBehind(): void {
    throw new Error('given up without a reason')
  }

  // What a client does

  follow(userIds: readonly UserId[]): void {
    for (const userId of userIds) this.#wanted.add(userId)
    this.#ask(userIds)
  }

  unsubscribe(userIds: readonly UserId[]): void {
    for (const userId of userIds) this.#wanted.delete(userId)
    this.#subscriber.unsubscribe({ type: 'unsubscribe', userIds: [...userIds] })
    this.#narrow()
  }

  subscribeToAll(): void {
    this.#wantsAll = true
    this.#ask('all')
  }

  unsubscribeFromAll(): void {
    this.#wantsAll = false
    this.#tellsAll = false
    this.#subscriber.unsubscribe({ type: 'unsubscribe', all: true })
    this.#narrow()
  }

  setActive(looks: boolean): void {
    this.#looks = looks
    this.#subscriber.setActive(looks)
  }

  /** The line breaks: what was not read is lost. The client comes back and names its place. */
  reconnect(): void {
    this.#subscriber.end()
    this.#sent = []
    this.#pages = []
    this.#isSlow = false
    this.#looks = true
    this.#asked.clear()
    this.#subscriber = this.#connect()
    const place = this.#place
    if (this.#wantsAll) this.#ask('all', place)
    // Users whose state never came can't be resumed from a place that was told for others.
    const known = [...this.#wanted].filter(userId => this.#scope.has(userId))
    const unknown = [...this.#wanted].filter(userId => !this.#scope.has(userId))
    if (known.length > 0) this.#ask(known, place)
    if (unknown.length > 0) this.#ask(unknown)
  }

  read(frames: number): void {
    for (let count = 0; count < frames && this.#sent.length > 0; count++) {
      this.#take(JSON.parse(this.#sent.shift() as string) as Frame)
    }
    // As the connection has it: only who had something waiting is ever said to have taken it.
    if (this.#isSlow && this.#sent.length === 0) {
      this.#isSlow = false
      this.#subscriber.drained()
    }
  }

  hurry(isQuick: boolean): void {
    this.#isQuick = isQuick
    if (isQuick) this.read(1_000)
  }

  readAll(): void {
    if (!this.#looks) this.setActive(true)
    for (let round = 0; round < 50; round++) {
      this.read(1_000)
      this.#world.wait(60)
    }
    expect(this.#sent).toEqual([])
  }

  /** In the end what each client holds is the truth. */
  check(): void {
    const wanted = this.#wantsAll ? USERS : [...this.#wanted]
    for (const userId of wanted) {
      if (!this.#scope.has(userId)) throw new Error(`${userId} was never told`)
      this.#compare(userId, essence(asUser(this.#world.presence.see(userId))), 'in the end')
    }
  }

  end(): void {
    this.#subscriber.end()
  }

  #connect(): Subscriber {
    const { presence, feed, subscriptions } = this.#world
    const clock = { now: () => this.#world.now }
    const limits = { maxSubscribedUsers: 100, allUsersLimit: 100, highWaterMark: SOFT_BYTES }
    const ports = { presence, feed, subscriptions, clock, turns, ...limits }
    return new Subscriber({ ...ports, refusals: new Refusals(), log: { limited() {} } }, this)
  }

  #ask(what: readonly UserId[] | 'all', since?: Place): void {
    const id = this.#nextId++
    this.#asked.set(id, what)
    for (const key of what === 'all' ? (['all'] as const) : what) this.#latest.set(key, id)
    const which = what === 'all' ? { all: true as const } : { userIds: [...what] }
    const place = since && (what !== 'all' || this.#tellsAll) ? { since } : {}
    this.#subscriber.subscribe({ type: 'subscribe', ...which, ...place, id })
  }

  /** Forgets what is subscribed no more. */
  #narrow(): void {
    if (this.#tellsAll) return
    for (const userId of this.#scope) {
      if (this.#wanted.has(userId)) continue
      this.#scope.delete(userId)
      this.#view.delete(userId)
    }
  }

  #take(frame: Frame): void {
    if (frame.type === 'presence_diff') this.#takeDiff(frame)
    else this.#takeState(frame)
  }

  #takeDiff({ prevSeq, seq, users }: Frame): void {
    this.told++
    same(prevSeq, this.#place?.seq, 'prevSeq')
    same(seq > prevSeq, true, 'seq grows')
    same(new Set(users.map(({ userId }) => userId)).size, users.length, 'one item per user')
    for (const user of users) this.#view.set(user.userId, essence(user))
    this.#arrived(seq)
  }

  #takeState({ epoch, seq, users, last, recovered, id, all }: Frame): void {
    this.#pages.push(...users)
    if (!last) return
    if (recovered) this.recovered++
    const what = (id !== undefined && this.#asked.get(id)) || 'all'
    if (id !== undefined) this.#asked.delete(id)
    if (all && !recovered) this.#view.clear()
    for (const user of this.#pages) this.#view.set(user.userId, essence(user))
    this.#pages = []
    const isLatest = (key: UserId | 'all') => (this.#latest.get(key) ?? 0) <= (id ?? Infinity)
    if (what === 'all') {
      if (this.#wantsAll && isLatest('all') && (all || recovered)) {
        this.#tellsAll = true
        for (const userId of USERS) this.#scope.add(userId)
      }
    } else {
      for (const userId of what) if (this.#wanted.has(userId) && isLatest(userId)) this.#scope.add(userId)
    }
    same(seq >= (this.#place?.seq ?? 0), true, 'seq does not go back')
    this.#place = { epoch, seq }
    this.#narrow()
    this.#arrived(seq)
  }

  #arrived(seq: number): void {
    this.#place = { epoch: this.#world.feed.epoch, seq }
    for (const userId of this.#scope) {
      this.#compare(userId, this.#world.history[seq]?.get(userId) as string, `at ${seq}`)
    }
  }

  #compare(userId: UserId, truth: string, when: string): void {
    const view = this.#view.get(userId) ?? essence({ userId, status: 'offline', lastSeen: null })
    if (view !== truth) throw new Error(`${userId} ${when}: is ${view}, should be ${truth}`)
  }
}

function same(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`${what}: is ${actual}, should be ${expected}`)
}

/** The texts of unmasked text frames. */
function textsIn(frames: Buffer): string[] {
  const texts: string[] = []
  for (let at = 0; at < frames.length; ) {
    const short = frames[at + 1] as number
    const [begin, length] = short < 126 ? [at + 2, short] : [at + 4, frames.readUInt16BE(at + 2)]
    texts.push(frames.subarray(begin, begin + length).toString())
    at = begin + length
  }
  return texts
}

interface Tally {
  diffs: number
  recovered: number
}

function play(steps: readonly Step[], feed: MemoryFeed, tally: Tally): void {
  const world = new World(feed)
  const { tracker } = world
  const fans = Array.from({ length: FANS }, () => new Fan(world))
  const fanOf = ({ fan }: { fan: number }) => fans[fan] as Fan
  for (const step of steps) {
    switch (step.do) {
      case 'open':
        tracker.open({ userId: step.userId, sessionId: step.id, isNamed: true }, {})
        break
      case 'leave':
        tracker.leave({ userId: step.userId, sessionId: step.id })
        break
      case 'choose':
        tracker.setStatus({ userId: step.userId, sessionId: '1' }, { status: step.status, text: step.text })
        break
      case 'identify':
        tracker.identify(step.userId, step.username)
        break
      case 'idle':
        tracker.setActivity({ userId: step.userId, sessionId: '1' }, step.isIdle ? 'idle' : 'active')
        break
      case 'wait':
        world.wait(step.ms)
        break
      case 'follow':
      case 'unsubscribe':
        fanOf(step)[step.do](step.userIds)
        break
      case 'subscribeToAll':
      case 'unsubscribeFromAll':
      case 'reconnect':
        fanOf(step)[step.do]()
        break
      case 'hurry':
        fanOf(step).hurry(step.isQuick)
        break
      case 'look':
        fanOf(step).setActive(step.isActive)
        break
      case 'read':
        fanOf(step).read(step.frames)
        break
    }
  }
  for (const fan of fans) fan.readAll()
  for (const fan of fans) {
    fan.check()
    tally.diffs += fan.told
    tally.recovered += fan.recovered
    fan.end()
  }
  // When all have left nothing is left of them.
  expect([world.subscriptions.size, world.subscriptions.holders]).toEqual([0, 0])
  expect(world.subscriptions.all.size).toBe(0)
}

beforeAll(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setImmediate', 'performance'] })
})
afterAll(() => {
  vi.useRealTimers()
})

test('[I4 I5 I6 I7 I9 V2 V3] at every number each client’s view is what the server’s was, however it reads and returns', () => {
  const tally = { diffs: 0, recovered: 0 }
  fc.assert(
    fc.property(game, ({ steps, recent }) => play(steps, newFeed(recent), tally)),
    { numRuns: 500 },
  )
  // The games were about something.
  expect(tally.diffs).toBeGreaterThan(1_000)
  expect(tally.recovered).toBeGreaterThan(100)
}, 60_000)

const fail = (error: unknown): never => {
  throw error
}

/** The negative controls: a feed that can't tell what was missed, and says so only when asked by name. */
class ForgetfulFeed extends MemoryFeed {
  override recalls(): boolean {
    return true
  }
  override newestOf(): number {
    return 0
  }
  override changedAfter(): UserId[] {
    return []
  }
}

test('[I4] with resuming switched off the same games find holes', () => {
  const tally = { diffs: 0, recovered: 0 }
  const outcome = fc.check(
    fc.property(game, ({ steps, recent }) =>
      play(steps, new ForgetfulFeed({ epoch: 'e', recent, report: fail }), tally),
    ),
    { numRuns: 500, endOnFailure: true },
  )
  expect(outcome.failed).toBe(true)
}, 60_000)
