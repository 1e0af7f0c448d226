import type { User } from '@who-is-online/protocol/catalogue'
import type { Status, UserId } from '@who-is-online/protocol/words'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Place, Places } from '../changes/feed.ts'
import { MemoryFeed, type MemoryFeedOptions } from '../changes/memory-feed.ts'
import type { FactLog } from '../cluster/log.ts'
import { createSingleLog } from '../cluster/single.ts'
import { webSocketEncoder } from '../gateway/websocket-encoder.ts'
import type { Fact } from '../presence/fact.ts'
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
import { Traffic } from './traffic.ts'
import { Turns } from './turns.ts'

// Clients that subscribe, unsubscribe, look away, read slowly, are cut off and come back, while users come, go
// and change. Each folds what it is told; whenever it has been told all up to a number, its view has to be what
// the server's was at that number, no more and no less. Each game is played with the numbers of one server, and with
// those of a log that several nodes share.

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
  | { readonly do: 'openTogether' | 'leaveTogether'; readonly userIds: readonly UserId[] }
  | { readonly do: 'reach'; readonly by: number }
  | { readonly do: 'beginEpoch' }

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
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constantFrom('openTogether', 'leaveTogether'), userIds }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('reach'), by: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('beginEpoch') }) },
)

const game = fc.record({
  steps: fc.array(step, { size: 'max', maxLength: 120 }),
  recent: fc.constantFrom(1, 3, 1_000),
})

/** One by one, or by a log: then an entry has several facts and one number, and numbers have gaps. */
type Numbering = 'one by one' | 'by a log'

type EntryLog = FactLog & {
  /** Ends the entry: its facts become visible. */
  place(): void
}

/** A log whose entries have the facts of several commands. With numbers one by one, each call is an entry. */
function entryLog(numbering: Numbering): EntryLog {
  let applied: (facts: readonly Fact[]) => void = () => {}
  let entry: Fact[] = []
  const place = () => {
    const facts = entry
    entry = []
    if (facts.length > 0) applied(facts)
  }
  return {
    ...createSingleLog(),
    listen(listener) {
      applied = listener
    },
    append(facts) {
      entry.push(...facts)
      if (numbering === 'one by one') place()
      return undefined
    },
    place,
  }
}

class GamePlaces implements Places {
  #epochs = 1
  get epoch(): string {
    return `e${this.#epochs}`
  }
  recalls({ epoch }: Place): boolean {
    return epoch === this.epoch
  }
  beginEpoch(): void {
    this.#epochs++
  }
}

/** The server without sockets, and what everybody looked like after each change. */
class World {
  readonly presence = new Presence({ ...AT_ONCE, graceMs: 5, restartGraceMs: 5, maxKnown: 100 })
  readonly feed: MemoryFeed
  readonly tracker: Tracker
  readonly subscriptions: Subscriptions
  readonly hub: Hub
  /** By the number that was reached: everybody as others saw them from then on. */
  readonly history = new Map<number, Map<UserId, string>>()
  readonly #places = new GamePlaces()
  readonly #numbering: Numbering
  readonly #log: EntryLog
  now = 1_000_000
  /** How many calls had several changes with one number. */
  entries = 0
  #appends = 0

  constructor({ Feed, numbering }: Played, recent: number) {
    const feed = new Feed({ places: this.#places, recent, report: rethrow })
    this.feed = feed
    this.#numbering = numbering
    this.#log = entryLog(numbering)
    this.tracker = newTracker({
      presence: this.presence,
      log: this.#log,
      feed: {
        append: changes => feed.append(changes, this.#nextSeq()),
        chosen: (choice, bySession) => feed.chosen(choice, bySession),
        erase: userId => feed.erase(userId),
        drop: seq => feed.drop(seq),
      },
      clock: { now: () => this.now },
    })
    feed.listen({
      changed: changes => {
        if (changes.length > 1 && changes[0]?.seq === changes.at(-1)?.seq) this.entries++
        this.#remember()
      },
    })
    this.subscriptions = new Subscriptions(this.presence, feed, 10_000)
    this.hub = new Hub(this.subscriptions)
    feed.listen({ changed: changes => this.hub.changed(changes) })
    this.#remember()
  }

  openTogether(userIds: readonly UserId[]): void {
    for (const userId of userIds) void this.tracker.open({ userId, sessionId: '1', isNamed: true }, {})
    this.#log.place()
  }

  leaveTogether(userIds: readonly UserId[]): void {
    for (const userId of userIds) this.tracker.leave({ userId, sessionId: '1' })
    this.#log.place()
  }

  wait(ms: number): void {
    this.#log.place()
    vi.advanceTimersByTime(ms)
    this.now += ms
    this.tracker.advance(this.now, this.now)
  }

  reach(by: number): void {
    if (this.#numbering === 'one by one') return
    this.feed.reached(this.feed.seq + by)
    this.#remember()
  }

  beginEpoch(): void {
    if (this.#numbering === 'by a log') this.#places.beginEpoch()
  }

  /** The number of the next entry. Now and then a log leaves it to the feed, too. */
  #nextSeq(): number | undefined {
    const append = this.#appends++
    if (this.#numbering === 'one by one' || append % 5 === 4) return undefined
    return this.feed.seq + 1 + (append % 2)
  }

  #remember(): void {
    this.history.set(this.feed.seq, this.#everybody())
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
    const more = { refusals: new Refusals(), traffic: new Traffic(), log: { limited() {} } }
    return new Subscriber({ ...ports, ...more }, this)
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
    // A diff has no epoch: the last state had it.
    this.#arrived({ epoch: this.#place?.epoch as string, seq })
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
    this.#narrow()
    this.#arrived({ epoch, seq })
  }

  #arrived(place: Place): void {
    const { seq } = place
    this.#place = place
    for (const userId of this.#scope) {
      this.#compare(userId, this.#world.history.get(seq)?.get(userId) as string, `at ${seq}`)
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
  entries: number
}

interface Played {
  readonly Feed: new (options: MemoryFeedOptions) => MemoryFeed
  readonly numbering: Numbering
}

interface Game {
  readonly steps: readonly Step[]
  readonly recent: number
}

function play({ steps, recent }: Game, played: Played, tally: Tally): void {
  const world = new World(played, recent)
  const { tracker } = world
  const fans = Array.from({ length: FANS }, () => new Fan(world))
  const fanOf = ({ fan }: { fan: number }) => fans[fan] as Fan
  for (const step of steps) {
    switch (step.do) {
      case 'open':
        void tracker.open({ userId: step.userId, sessionId: step.id, isNamed: true }, {})
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
      case 'openTogether':
      case 'leaveTogether':
        world[step.do](step.userIds)
        break
      case 'reach':
        world.reach(step.by)
        break
      case 'beginEpoch':
        world.beginEpoch()
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
  tally.entries += world.entries
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

test.each(['one by one', 'by a log'] as const)(
  '[I4 I5 I6 I7 I9 V2 V3] at every number (%s) each client’s view is what the server’s was, however it reads and returns',
  numbering => {
    const tally = { diffs: 0, recovered: 0, entries: 0 }
    fc.assert(
      fc.property(game, game => play(game, { Feed: MemoryFeed, numbering }, tally)),
      { numRuns: 500 },
    )
    // The games were about something.
    expect(tally.diffs).toBeGreaterThan(1_000)
    expect(tally.recovered).toBeGreaterThan(100)
    if (numbering === 'by a log') expect(tally.entries).toBeGreaterThan(1_000)
    else expect(tally.entries).toBe(0)
  },
  60_000,
)

// The negative controls

/** A feed that can't tell what was missed, and says so only when asked by name. */
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

/** A feed that counts, as if each change had the next number. */
class CountingFeed extends MemoryFeed {
  readonly #recent: number
  constructor(options: MemoryFeedOptions) {
    super(options)
    this.#recent = options.recent
  }
  override recalls({ epoch, seq }: Place): boolean {
    return epoch === this.epoch && seq <= this.seq && seq >= this.seq - this.#recent
  }
}

test.each([
  ['resuming switched off', ForgetfulFeed, 'one by one'],
  ['resuming switched off', ForgetfulFeed, 'by a log'],
  ['counted numbers', CountingFeed, 'by a log'],
] as const)(
  '[I4] with %s the same games find holes',
  (_what, Feed, numbering) => {
    const tally = { diffs: 0, recovered: 0, entries: 0 }
    const outcome = fc.check(
      fc.property(game, game => play(game, { Feed, numbering }, tally)),
      { numRuns: 10_000, endOnFailure: true },
    )
    expect(outcome.failed).toBe(true)
  },
  60_000,
)
