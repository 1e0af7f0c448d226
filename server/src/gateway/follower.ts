import type { ClientMessage, ServerMessage } from '@who-is-online/protocol/catalogue'
import { encode, formatTime } from '@who-is-online/protocol/encode'
import { Json } from '@who-is-online/protocol/json'
import type { UserId } from '@who-is-online/protocol/words'
import type { Clock } from '../clock.ts'
import type { Feed, Place } from '../feed.ts'
import type { Presence } from '../presence/presence.ts'
import type { Refused } from '../tracker.ts'
import { userItem } from '../user-item.ts'
import { textFrames } from './outbox.ts'
import { diffFrame, type Following, type News, type NewsItem, type Topic, type Watches } from './watches.ts'

/** What all followers share. */
export interface FollowerRoom {
  readonly presence: Pick<Presence, 'see' | 'list' | 'onlineCount'>
  readonly feed: Feed
  readonly watches: Watches
  readonly clock: Clock
  /** The most user ids that one connection may follow by name. */
  readonly maxWatchedUsers: number
  /** The most users that a state of everybody lists, unless more are online. */
  readonly allUsersLimit: number
}

/** The connection that a follower speaks through. */
export interface Outlet {
  /** Bytes that wait because the client reads too slowly. */
  readonly backlog: number
  write(frames: Buffer): void
  reply(message: ServerMessage): void
  refuse(refused: Refused): void
  /** The client can't be told any more without a hole. */
  giveUp(): void
}

type RequestId = string | number | undefined
type Subscribe = Extract<ClientMessage, { type: 'subscribe' }>
type Unsubscribe = Extract<ClientMessage, { type: 'unsubscribe' }>

/** A `presence_state` on its way: page by page, as the client takes them. */
interface State {
  readonly users: Iterable<UserId>
  /** Begun when the state's turn has come: before, it would miss who changes meanwhile. */
  pages: Pages | undefined
  readonly recovered: boolean
  readonly id: RequestId
}

/** How many users a page of a state has, and how many a diff that catches up has at most. */
const PAGE_USERS = 1_000

/** With more than this waiting, a client is told no diffs: when it has read, it is told the newest of each user. */
const SOFT_BYTES = 256 * 1024

/** How many states may wait for one client, and when it may ask again beyond that. */
const MAX_STATES = 20
const RETRY_AFTER_MS = 1_000

/**
 * What one v2 client follows, and how far it was told. There is no queue of changes: whoever is slow, looks away
 * or comes back is told the newest of everybody who changed since, by the numbers of the changes. A slow client
 * therefore costs what a quick one does.
 */
export class Follower implements Following {
  readonly #room: FollowerRoom
  readonly #outlet: Outlet
  #topics: Set<Topic> | undefined
  #followsAll = false
  /** The count as it was told last; undefined for whoever does not count. */
  #count: number | undefined
  /** The number that the next diff names as `prevSeq`. */
  #told = 0
  /** Nothing that the client follows has changed between `#told` and this number. */
  #seen = 0
  /** What the window that is being told says to this client, joined. */
  #gathered = ''
  #states: State[] = []
  #pumping = false
  #isActive = true
  /** A window was not told. */
  #isBehind = false
  /** The connection is over; to write to it may be what ended it. */
  #isOver = false

  constructor(room: FollowerRoom, outlet: Outlet) {
    this.#room = room
    this.#outlet = outlet
    this.#told = room.feed.seq
    this.#seen = room.feed.seq
  }

  // What the client asks for

  subscribe({ userIds, all, since, id }: Subscribe): void {
    if (userIds) return this.#followUsers(userIds, since, id)
    if (all) return this.#followAll(since, id)
    this.#count = this.#room.presence.onlineCount
    this.#room.watches.count(this, true)
    this.#replyCount(id)
  }

  unsubscribe({ userIds, all, id }: Unsubscribe): void {
    this.#catchUp()
    if (userIds) this.#unfollowUsers(userIds)
    else if (all) this.#unfollowAll()
    else this.#uncount()
    this.#outlet.reply({ type: 'ack', id })
  }

  /** An inactive client is told nothing until it is active again: then what is so by then. */
  activate(isActive: boolean): void {
    this.#isActive = isActive
    this.#gathered = ''
    if (!isActive) return
    this.#catchUp()
    this.tellCount(this.#room.presence.onlineCount)
  }

  /** The client has taken all that it was sent. */
  drained(): void {
    if (this.#states.length > 0) this.#pump()
    else this.#catchUp()
  }

  /** The client is gone: nothing of it is left. */
  end(): void {
    this.#isOver = true
    this.#states = []
    this.#gathered = ''
    this.#unfollowAll()
    this.#uncount()
    for (const topic of this.#topics ?? []) this.#room.watches.unfollow(this, topic)
    this.#topics = undefined
  }

  // What the hub tells

  /** Takes what a window says of one user. Returns whether it is the first of this window. */
  gather({ seq, json }: NewsItem): boolean {
    if (this.#followsAll || seq <= this.#seen || !this.#isTold) return false
    const isFirst = this.#gathered === ''
    this.#gathered += isFirst ? json : `,${json}`
    return isFirst
  }

  /** Tells what was gathered of the window that ends with this change. */
  tellGathered(seq: number): void {
    const items = this.#gathered
    this.#gathered = ''
    if (items === '' || seq <= this.#seen || !this.#hasRoom()) return
    this.#tell(diffFrame(this.#told, seq, items), seq)
  }

  /** Tells a whole window. */
  tellAll(news: News): void {
    if (news.seq <= this.#seen || !this.#isTold || !this.#hasRoom()) return
    this.#tell(news.diff(this.#told), news.seq)
  }

  tellCount(count: number): void {
    if (this.#count === undefined || this.#count === count || !this.#isActive) return
    if (this.#outlet.backlog > SOFT_BYTES) return
    this.#count = count
    this.#replyCount(undefined)
  }

  // How

  /** Whether windows are told at all: not to whoever looks away, is behind, or is being told a state. */
  get #isTold(): boolean {
    return this.#isActive && !this.#isBehind && this.#states.length === 0
  }

  /** Whether a window may be told now; if not, the client is behind from here. */
  #hasRoom(): boolean {
    if (this.#outlet.backlog > SOFT_BYTES) this.#isBehind = true
    return !this.#isBehind
  }

  #tell(frame: Buffer, seq: number): void {
    this.#told = seq
    this.#seen = seq
    this.#outlet.write(frame)
  }

  /** Tells all that the client was not told yet: in one diff, or in pages when it is much. */
  #catchUp(): void {
    if (!this.#isActive || this.#states.length > 0 || this.#outlet.backlog > SOFT_BYTES) return
    this.#gathered = ''
    this.#isBehind = false
    const { feed, presence } = this.#room
    if (this.#seen === feed.seq) return
    const changed = this.#changedSince(this.#seen)
    if (changed === undefined) return this.#say(this.#everybody(), false, undefined)
    if (changed.length > PAGE_USERS) return this.#say(changed, true, undefined)
    this.#seen = feed.seq
    if (changed.length === 0) return
    const items = changed.map(userId => userItem(presence.see(userId)))
    this.#tell(diffFrame(this.#told, feed.seq, items.join(',')), feed.seq)
  }

  /** Which of those that are followed have changed after that; undefined when that is not known any more. */
  #changedSince(seq: number): UserId[] | undefined {
    const { feed } = this.#room
    if (this.#followsAll) return feed.recalls({ epoch: feed.epoch, seq }) ? feed.changedAfter(seq) : undefined
    const changed: UserId[] = []
    for (const { userId, newest } of this.#topics ?? []) if (newest > seq) changed.push(userId)
    return changed
  }

  #followUsers(userIds: readonly UserId[], since: Place | undefined, id: RequestId): void {
    const { watches, feed, maxWatchedUsers } = this.#room
    const asked = new Set(userIds)
    const before = this.#topics?.size ?? 0
    let added = 0
    for (const userId of asked) if (!this.#follows(userId)) added++
    if (before + added > maxWatchedUsers) {
      const left = `${maxWatchedUsers - before} more of ${maxWatchedUsers}`
      return this.#outlet.refuse({ code: 'too_many', text: `this connection can follow ${left} users`, id })
    }
    if (!this.#hasStatesLeft(id)) return
    this.#catchUp()
    if (this.#isOver) return
    this.#topics ??= new Set()
    const recovered = since !== undefined && feed.recalls(since)
    const told: UserId[] = []
    for (const userId of asked) {
      const topic = watches.follow(this, userId)
      this.#topics.add(topic)
      if (!recovered || topic.newest > since.seq) told.push(topic.userId)
    }
    this.#say(told, recovered, id)
  }

  #followAll(since: Place | undefined, id: RequestId): void {
    if (!this.#hasStatesLeft(id)) return
    const { feed, watches } = this.#room
    this.#catchUp()
    if (this.#isOver) return
    this.#followsAll = true
    watches.followEverybody(this, true)
    const recovered = since !== undefined && feed.recalls(since)
    this.#say(recovered ? feed.changedAfter(since.seq) : this.#everybody(), recovered, id)
  }

  #hasStatesLeft(id: RequestId): boolean {
    if (this.#states.length < MAX_STATES) return true
    const text = 'too many subscriptions are waiting for their state to be read'
    this.#outlet.refuse({ code: 'too_fast', text, id, retryAfterMs: RETRY_AFTER_MS })
    return false
  }

  #follows(userId: UserId): boolean {
    return this.#room.watches.topic(userId)?.followers.has(this) === true
  }

  #unfollowUsers(userIds: readonly UserId[]): void {
    const { watches } = this.#room
    for (const userId of userIds) {
      const topic = watches.topic(userId)
      if (!topic || !this.#topics?.delete(topic)) continue
      watches.unfollow(this, topic)
    }
  }

  #unfollowAll(): void {
    this.#followsAll = false
    this.#room.watches.followEverybody(this, false)
  }

  #uncount(): void {
    this.#count = undefined
    this.#room.watches.count(this, false)
  }

  #replyCount(id: RequestId): void {
    const timestamp = formatTime(this.#room.clock.now())
    this.#outlet.reply({ type: 'online_count', count: this.#count ?? 0, timestamp, id })
  }

  /** Everybody who is online, and of the others as many as a list has room for. */
  *#everybody(): Generator<UserId> {
    const { presence, allUsersLimit } = this.#room
    for (const { userId } of presence.list(Math.max(allUsersLimit, presence.onlineCount))) yield userId
  }

  /** Begins a state. Until its last page is told, windows are not: the last page has what changed meanwhile. */
  #say(users: Iterable<UserId>, recovered: boolean, id: RequestId): void {
    this.#states.push({ users, pages: undefined, recovered, id })
    this.#pump()
  }

  readonly #pumpOn = (): void => {
    this.#pumping = false
    this.#pump()
  }

  /** Tells pages as long as the client takes them; what is waiting goes on when it has drained. */
  #pump(): void {
    const { feed } = this.#room
    while (!this.#pumping && this.#outlet.backlog <= SOFT_BYTES) {
      const [state] = this.#states
      if (!state) return
      state.pages ??= new Pages(state.users)
      const page = state.pages.take(PAGE_USERS)
      if (!state.pages.isEmpty) {
        this.#writePage(state, page, false)
        // Everybody is many pages: others get their turn between two.
        this.#pumping = true
        setImmediate(this.#pumpOn)
        continue
      }
      const changed = this.#seen === feed.seq ? [] : this.#changedSince(this.#seen)
      if (changed === undefined) return this.#outlet.giveUp()
      const last = new Set([...page, ...changed])
      this.#seen = feed.seq
      if (last.size > PAGE_USERS) {
        state.pages = new Pages(last)
        continue
      }
      this.#states.shift()
      this.#told = feed.seq
      this.#writePage(state, [...last], true)
    }
  }

  #writePage({ recovered, id }: State, page: readonly UserId[], last: boolean): void {
    const { feed, presence } = this.#room
    const { epoch, seq } = feed
    const users = new Json(`[${page.map(userId => userItem(presence.see(userId))).join(',')}]`)
    this.#outlet.write(
      textFrames([encode({ type: 'presence_state', epoch, seq, users, last, recovered, id }, 'v2')]),
    )
  }
}

/** User ids to be taken a page at a time, which know when they are at the end. */
class Pages {
  readonly #userIds: Iterator<UserId>
  #next: IteratorResult<UserId>

  constructor(userIds: Iterable<UserId>) {
    this.#userIds = userIds[Symbol.iterator]()
    this.#next = this.#userIds.next()
  }

  get isEmpty(): boolean {
    return this.#next.done === true
  }

  take(count: number): UserId[] {
    const taken: UserId[] = []
    while (taken.length < count && !this.#next.done) {
      taken.push(this.#next.value)
      this.#next = this.#userIds.next()
    }
    return taken
  }
}
