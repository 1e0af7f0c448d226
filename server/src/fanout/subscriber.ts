import type { ServerMessage } from '@who-is-online/protocol/catalogue'
import { encode, encodeDiff, formatTime } from '@who-is-online/protocol/encode'
import { MAX_USER_IDS, type UserId } from '@who-is-online/protocol/words'
import type { ChangeFeed, Place } from '../changes/feed.ts'
import type { Log } from '../log.ts'
import type { Holder, PoolRefusal } from '../pool.ts'
import type { Presence } from '../presence/presence.ts'
import type { Limit, Refusals } from '../refusals.ts'
import type { Refused, Request, RequestId } from '../reply.ts'
import type { Clock } from '../time/clock.ts'
import { diffItem, userList } from '../user-json.ts'
import type { Batch, BatchItem, BatchReceiver, Topic } from './batch.ts'
import type { Encoder } from './encoder.ts'
import { Pages } from './pages.ts'
import type { Served } from './served.ts'
import type { Subscriptions } from './subscriptions.ts'
import type { Traffic } from './traffic.ts'
import type { Turn, Turns } from './turns.ts'

/** What all subscribers share. */
export interface SubscriberPorts {
  readonly presence: Pick<Presence, 'see' | 'list' | 'onlineCount'>
  readonly feed: ChangeFeed
  readonly subscriptions: Subscriptions
  readonly clock: Pick<Clock, 'now'>
  readonly log: Pick<Log, 'limited'>
  readonly refusals: Refusals
  readonly traffic: Traffic
  /** Takes turns among subscribers that are sent all users, which is many pages each. */
  readonly turns: Turns
  /** How many users one connection may subscribe to by id. */
  readonly maxSubscribedUsers: number
  /** How many users a state of all users lists, unless more are online. */
  readonly allUsersLimit: number
  /**
   * With a larger backlog, in bytes, a connection is sent no diffs; once it has read, it gets the newest
   * state of each user.
   */
  readonly highWaterMark: number
}

/** The connection of a subscriber. */
export interface SubscriberConnection extends Served {
  readonly userId: UserId
  readonly address: string | undefined
  /** Whom its subscriptions count for. */
  readonly holder: Holder
  /** Bytes that wait because the client reads too slowly. */
  readonly backlog: number
  readonly encoder: Encoder
  write(bytes: Buffer): void
  reply(message: ServerMessage): void
  refuse(refused: Refused): void
  /** What the client missed is not known any more: the client has to connect again. */
  fellBehind(): void
}

/** What a connection may be told. */
export interface Sight {
  /** Whether it may be told about everybody, and the count. */
  readonly seesAll: boolean
  sees(userId: UserId): boolean
}

type Subscribe = Request<'subscribe'>
type Unsubscribe = Request<'unsubscribe'>

/** A limit on subscriptions that was reached: for whom, and how many more there may be. */
interface TooMany {
  readonly limit: Limit
  readonly of: 'this connection' | PoolRefusal['of']
  readonly left: number
}

/** A `presence_state` that is being sent, page by page as the client reads. */
interface State {
  /** Of all users, of users by id, or of all users who changed since the last diff. */
  readonly of: 'all' | 'users' | 'changes'
  readonly users: Iterable<UserId>
  readonly recovered: boolean
  readonly id: RequestId
  /** Created at the first turn of the state, because earlier pages would miss later changes. */
  pages: Pages | undefined
  /** How often so many users had changed at the end that more pages were needed. */
  rounds: number
}

/** Shared by all subscribers that are sent no state: an empty array of its own takes 32 bytes per connection. */
const NO_STATES: readonly State[] = []

/** How many users one page of a state has at most, and one diff that catches up. */
const PAGE_USERS = 1_000

/**
 * How many states may wait for one client. A client that reconnects subscribes to its 10,000 users again, with 40 lists
 * (e2e/fit.test.ts).
 */
export const MAX_STATES = 50
const RETRY_AFTER_MS = 1_000

/** After so many rounds the last page has as many users as it takes: a state must end, however much changes. */
const MAX_ROUNDS = 3

/**
 * What one v2 connection subscribes to, and how far it was told. There is no queue of changes: a client that
 * reads slowly, is inactive or comes back is sent the newest state of every user who changed since, found by
 * the numbers of the changes. So a slow client costs as much as a quick one.
 *
 * Windows are sent (`#takesBatches`) unless the client is inactive, has too large a backlog, or is being sent
 * a state. After that `#catchUp`, or the last page of the last state, sends everything up to now.
 */
export class Subscriber implements BatchReceiver, Turn {
  readonly #ports: SubscriberPorts
  readonly #connection: SubscriberConnection
  #topics: Set<Topic> | undefined
  #isSubscribedToAll = false
  /** The count that was sent last; undefined without a subscription to the count. */
  #count: number | undefined
  /** The number that the next diff names as `prevSeq`. */
  #told: number
  /** No subscribed user has changed between `#told` and this number. */
  #seen: number
  /** The items of the current batch for this client, joined. */
  #gathered = ''
  #states: readonly State[] = NO_STATES
  #isActive = true
  /** A window was not sent because the backlog was too large. */
  #isBehind = false
  /** The connection is over; writing to it may have ended it. */
  #isOver = false

  constructor(ports: SubscriberPorts, connection: SubscriberConnection) {
    this.#ports = ports
    this.#connection = connection
    this.#told = ports.feed.seq
    this.#seen = ports.feed.seq
  }

  // What the client asks for

  subscribe({ userIds, all, since, id }: Subscribe): void {
    if (!userIds && !all) return this.#subscribeToCount(id)
    if (this.#states.length >= MAX_STATES) {
      const text = 'too many subscriptions wait for their state to be read: subscribe again later'
      return this.#connection.refuse({ code: 'too_fast', text, id, retryAfterMs: RETRY_AFTER_MS })
    }
    if (userIds) this.#subscribeToUsers(new Set(userIds), since, id)
    else this.#subscribeToAll(since, id)
  }

  unsubscribe({ userIds, all, id }: Unsubscribe): void {
    this.#catchUp()
    if (userIds) this.#unsubscribeFromUsers(userIds)
    else if (all) this.#unsubscribeFromAll()
    else this.#unsubscribeFromCount()
    this.#connection.reply({ type: 'ack', id })
  }

  /** Ends the subscriptions that a new token does not permit, and tells the client which they were. */
  restrict(access: Sight): void {
    const userIds: UserId[] = []
    for (const { userId } of this.#topics ?? []) if (!access.sees(userId)) userIds.push(userId)
    const all = this.#isSubscribedToAll && !access.seesAll
    const count = this.#count !== undefined && !access.seesAll
    if (userIds.length === 0 && !all && !count) return
    this.#unsubscribeFromUsers(userIds)
    if (count) this.#unsubscribeFromCount()
    if (all) this.#unsubscribeFromAll()
    // What was gathered for this client may be about users who are not permitted any more. This drops it.
    this.#catchUp()
    if (all) this.#tellEnded({ all })
    if (count) this.#tellEnded({ count })
    for (let from = 0; from < userIds.length; from += MAX_USER_IDS) {
      this.#tellEnded({ userIds: userIds.slice(from, from + MAX_USER_IDS) })
    }
  }

  get holder(): Holder {
    return this.#connection.holder
  }

  /** Whether the client wants to be sent anything unasked. */
  get isActive(): boolean {
    return this.#isActive
  }

  /** An inactive client is sent nothing until it is active again, and then the state of that moment. */
  setActive(isActive: boolean): void {
    this.#isActive = isActive
    this.#goOn()
  }

  /** The backlog is empty. Called by the tick for connections that had one. */
  drained(): void {
    this.#goOn()
  }

  fail(error: unknown): void {
    this.#connection.fail(error)
  }

  /** The connection is over: nothing of the subscriber remains. */
  end(): void {
    this.#isOver = true
    this.#states = NO_STATES
    this.#gathered = ''
    this.#unsubscribeFromAll()
    this.#unsubscribeFromCount()
    this.#ports.subscriptions.unsubscribe(this, this.#topics ?? [])
    this.#topics = undefined
  }

  // What the hub sends

  gather({ seq, json }: BatchItem): boolean {
    if (this.#isSubscribedToAll || seq <= this.#seen || !this.#takesBatches) return false
    const isFirst = this.#gathered === ''
    this.#gathered += isFirst ? json : `,${json}`
    return isFirst
  }

  sendGathered(seq: number): void {
    const items = this.#gathered
    this.#gathered = ''
    if (items === '' || seq <= this.#seen || !this.#takesBatches || !this.#hasRoom()) return
    this.#sendDiff(items, seq)
  }

  sendBatch(batch: Batch): void {
    if (batch.seq <= this.#seen || !this.#takesBatches || !this.#hasRoom()) return
    this.#send(batch.diff(this.#told, this.#connection.encoder), batch.seq)
  }

  sendCount(count: number): void {
    if (this.#count === undefined || this.#count === count || !this.#isActive) return
    if (this.#connection.backlog > this.#ports.highWaterMark) return
    this.#count = count
    this.#replyCount(undefined)
  }

  // Private

  get #takesBatches(): boolean {
    return this.#isActive && !this.#isBehind && this.#states.length === 0
  }

  /** Whether more may be written now; if not, the client is behind from here on. */
  #hasRoom(): boolean {
    this.#isBehind = this.#connection.backlog > this.#ports.highWaterMark
    return !this.#isBehind
  }

  #sendDiff(items: string, seq: number): void {
    this.#send(this.#connection.encoder.encode(encodeDiff(this.#told, seq, items)), seq)
  }

  #send(diff: Buffer, seq: number): void {
    this.#told = seq
    this.#seen = seq
    this.#ports.traffic.deliveries.v2++
    this.#connection.write(diff)
  }

  #goOn(): void {
    if (this.#states.length > 0) this.#pump()
    else this.#catchUp()
  }

  /** Sends all that was not sent yet: in one diff, or in pages if it is much. */
  #catchUp(): void {
    this.#gathered = ''
    if (!this.#isActive || this.#states.length > 0 || !this.#hasRoom()) return
    const { feed, presence } = this.#ports
    if (this.#seen === feed.seq) return
    const changed = this.#changedSince(this.#seen)
    if (changed === undefined) return this.#beginState('all', this.#allUsers(), false, undefined)
    if (changed.length > PAGE_USERS) return this.#beginState('changes', changed, true, undefined)
    this.#seen = feed.seq
    if (changed.length === 0) return
    const items = changed.map(userId => diffItem(presence.see(userId)))
    this.#sendDiff(items.join(','), feed.seq)
  }

  /** Which of the subscribed users have changed after that; undefined if that is not known any more. */
  #changedSince(seq: number): UserId[] | undefined {
    const { feed } = this.#ports
    if (this.#isSubscribedToAll) return feed.changedAfter(seq)
    const changed: UserId[] = []
    for (const { userId, newest } of this.#topics ?? []) if (newest > seq) changed.push(userId)
    return changed
  }

  #subscribeToUsers(asked: ReadonlySet<UserId>, since: Place | undefined, id: RequestId): void {
    const { subscriptions, feed } = this.#ports
    let added = 0
    for (const userId of asked) if (!subscriptions.topic(userId)?.subscribers.has(this)) added++
    const tooMany = this.#tooMany(added)
    if (tooMany) return this.#refuseTooMany(tooMany, id)
    this.#catchUp()
    if (this.#isOver) return
    this.#topics ??= new Set()
    const recovered = since !== undefined && feed.recalls(since)
    const told: UserId[] = []
    for (const topic of subscriptions.subscribe(this, asked)) {
      this.#topics.add(topic)
      // The topic may be older than what is known of the time before this node started.
      const isMissed = !recovered || Math.max(topic.newest, feed.newestOf(topic.userId)) > since.seq
      if (isMissed) told.push(topic.userId)
    }
    this.#beginState('users', told, recovered, id)
  }

  /** The limit that this many subscriptions more would exceed, and for whom. */
  #tooMany(added: number): TooMany | undefined {
    const { subscriptions, maxSubscribedUsers } = this.#ports
    const left = maxSubscribedUsers - (this.#topics?.size ?? 0)
    if (added > left) return { limit: 'MAX_WATCHED_USERS', of: 'this connection', left }
    return subscriptions.refusalOf(added, this)
  }

  #refuseTooMany({ limit, of, left }: TooMany, id: RequestId): void {
    const { log, refusals } = this.#ports
    const { userId, address } = this.#connection
    refusals.count(limit)
    log.limited(limit, `a subscription was refused by ${limit}`, { of, userId, address })
    const who = of === 'all clients' ? 'the server is full: all clients together' : of
    const text = `${who} can subscribe to ${left} more users by id (${limit})`
    this.#connection.refuse({ code: 'too_many', text, id })
  }

  #subscribeToAll(since: Place | undefined, id: RequestId): void {
    const { feed, subscriptions } = this.#ports
    this.#catchUp()
    if (this.#isOver) return
    this.#isSubscribedToAll = true
    subscriptions.subscribeToAll(this)
    const changed = since && feed.changedSince(since)
    if (changed) this.#beginState('changes', changed, true, id)
    else this.#beginState('all', this.#allUsers(), false, id)
  }

  #unsubscribeFromUsers(userIds: readonly UserId[]): void {
    const { subscriptions } = this.#ports
    const topics = userIds.map(userId => subscriptions.topic(userId)).filter(topic => topic !== undefined)
    for (const topic of topics) this.#topics?.delete(topic)
    subscriptions.unsubscribe(this, topics)
  }

  #unsubscribeFromAll(): void {
    this.#isSubscribedToAll = false
    this.#ports.subscriptions.unsubscribeFromAll(this)
    // A state of all users that is being sent ends as one of the users subscribed to by id. One that was not
    // asked for and has not begun is dropped.
    const users = Array.from(this.#topics ?? [], topic => topic.userId)
    this.#states = this.#states
      .filter(({ of, id, pages }) => of !== 'all' || id !== undefined || pages !== undefined)
      .map(state => (state.of === 'all' ? { ...state, of: 'users', users, pages: undefined } : state))
    this.#pump()
  }

  #subscribeToCount(id: RequestId): void {
    this.#count = this.#ports.presence.onlineCount
    this.#ports.subscriptions.subscribeToCount(this)
    this.#replyCount(id)
  }

  #unsubscribeFromCount(): void {
    this.#count = undefined
    this.#ports.subscriptions.unsubscribeFromCount(this)
  }

  #tellEnded(ended: NonNullable<Refused['ended']>): void {
    const text = 'the new token does not allow the subscriptions in "ended", which have ended'
    this.#connection.refuse({ code: 'not_allowed', text, ended })
  }

  #replyCount(id: RequestId): void {
    const timestamp = formatTime(this.#ports.clock.now())
    this.#connection.reply({ type: 'online_count', count: this.#count ?? 0, timestamp, id })
  }

  /** All online users, of the others as many as a list has room for, and all who are subscribed to by id. */
  *#allUsers(): Generator<UserId> {
    const { presence, allUsersLimit } = this.#ports
    for (const { userId } of presence.list(Math.max(allUsersLimit, presence.onlineCount))) yield userId
    for (const { userId } of this.#topics ?? []) if (presence.see(userId).status === 'offline') yield userId
  }

  /** Begins a state. Until its last page is sent, windows are not: the last page has what changed meanwhile. */
  #beginState(of: State['of'], users: Iterable<UserId>, recovered: boolean, id: RequestId): void {
    this.#states = [...this.#states, { of, users, recovered, id, pages: undefined, rounds: 0 }]
    if (of === 'users') this.#pump()
    else this.#ports.turns.take(this)
  }

  /** Sends the next page. Returns whether there is more to send at once. */
  turn(): boolean {
    const [state] = this.#states
    // An inactive client is sent only what it asked for.
    if (!state || (!this.#isActive && state.id === undefined && state.of !== 'users') || !this.#hasRoom())
      return false
    this.#sendPage(state)
    return this.#states.length > 0
  }

  /** States of users by id are one page each and are sent at once; those of all users wait for their turn. */
  #pump(): void {
    while (this.#states[0]?.of === 'users' && this.turn());
    if (this.#states.length > 0) this.#ports.turns.take(this)
  }

  #sendPage(state: State): void {
    const { feed } = this.#ports
    if (!state.pages) {
      state.pages = new Pages(state.users)
      // From here on the newest state of all users is sent: what was missed before does not matter any more.
      if (state.of === 'all') this.#seen = feed.seq
    }
    const page = state.pages.take(PAGE_USERS)
    if (!state.pages.isEmpty) return this.#writePage(state, page, false)
    const changed = this.#seen === feed.seq ? [] : this.#changedSince(this.#seen)
    if (changed === undefined) return this.#restartWithAll(state)
    const last = new Set([...page, ...changed])
    this.#seen = feed.seq
    if (last.size > PAGE_USERS && ++state.rounds <= MAX_ROUNDS) {
      state.pages = new Pages(last)
      return
    }
    this.#states = this.#states.length === 1 ? NO_STATES : this.#states.slice(1)
    this.#told = feed.seq
    this.#writePage(state, [...last], true)
  }

  /**
   * What changed meanwhile is not known any more, so all users are sent, and this state with them: users by id after
   * that, changes in its place. In a state of all users, users of earlier pages may have left, which can't be told any
   * more: that client has to connect again.
   */
  #restartWithAll(state: State): void {
    const all = { of: 'all', users: this.#allUsers(), recovered: false, pages: undefined } as const
    if (state.of === 'users') {
      state.pages = undefined
      this.#states = [{ ...all, id: undefined, rounds: 0 }, ...this.#states]
    } else if (state.of === 'all') this.#connection.fellBehind()
    else this.#states = [{ ...all, id: state.id, rounds: 0 }, ...this.#states.slice(1)]
  }

  #writePage({ of, recovered, id }: State, page: readonly UserId[], last: boolean): void {
    const { feed, presence } = this.#ports
    const { encoder } = this.#connection
    const { epoch, seq } = feed
    const subscribed = page.filter(userId => this.#isSubscribedTo(userId))
    const users = userList(subscribed.map(userId => presence.see(userId)))
    const all = of === 'all' || undefined
    const state = { type: 'presence_state', epoch, seq, users, last, recovered, all, id } as const
    this.#connection.write(encoder.share(encoder.encode(encode(state, 'v2'))))
  }

  /** Whether the subscription still exists: a state may have begun before an `unsubscribe`. */
  #isSubscribedTo(userId: UserId): boolean {
    return this.#isSubscribedToAll || this.#ports.subscriptions.topic(userId)?.subscribers.has(this) === true
  }
}
