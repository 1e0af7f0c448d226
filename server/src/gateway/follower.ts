import type { ServerMessage } from '@who-is-online/protocol/catalogue'
import { encode, formatTime } from '@who-is-online/protocol/encode'
import type { UserId } from '@who-is-online/protocol/words'
import type { Feed, Place } from '../feed.ts'
import type { Presence } from '../presence/presence.ts'
import type { Refused, Request, RequestId } from '../reply.ts'
import type { Clock } from '../time/clock.ts'
import { userItem, userList } from '../user-json.ts'
import { deflatable } from './deflate.ts'
import { textFrame } from './frames.ts'
import { Pages, type Turns } from './pages.ts'
import { diffFrame, type Following, type News, type NewsItem, type Topic, type Watches } from './watches.ts'

/** What all followers share. */
export interface FollowerRoom {
  readonly presence: Pick<Presence, 'see' | 'list' | 'onlineCount'>
  readonly feed: Feed
  readonly watches: Watches
  readonly clock: Pick<Clock, 'now'>
  /** Takes turns among those who are told everybody, which is many pages each. */
  readonly turns: Turns
  /** The most user ids that one connection may follow by name. */
  readonly maxWatchedUsers: number
  /** The most users that a state of everybody lists, unless more are online. */
  readonly allUsersLimit: number
  /** With more bytes than these waiting, a client is told no diffs: when it has read, it is told the newest of each user. */
  readonly softBytes: number
}

/** The connection that a follower speaks through. */
export interface Outlet {
  /** Bytes that wait because the client reads too slowly. */
  readonly backlog: number
  write(frames: Buffer): void
  reply(message: ServerMessage): void
  refuse(refused: Refused): void
  /** What the client missed is not known any more: it has to come back. */
  fellBehind(): void
}

type Subscribe = Request<'subscribe'>
type Unsubscribe = Request<'unsubscribe'>

/** A `presence_state` on its way: page by page, as the client takes them. */
interface State {
  /** Of everybody, of users by name, or of all who changed since the client was told last. */
  readonly of: 'everybody' | 'users' | 'changes'
  readonly users: Iterable<UserId>
  readonly recovered: boolean
  readonly id: RequestId
  /** Begun when the state's turn has come: before, it would miss who changes meanwhile. */
  pages: Pages | undefined
  /** How often so many had changed at the end that more pages were needed. */
  rounds: number
}

/** How many users a page of a state has, and how many a diff that catches up has at most. */
const PAGE_USERS = 1_000

/**
 * How many states may wait for one client. A client that comes back with 10,000 users names them in 40 messages of 250
 * (e2e/fit.test.ts).
 */
export const MAX_STATES = 50

/** When a client may ask again that has met this limit, in ms. */
const RETRY_AFTER_MS = 1_000

/** After so many rounds the last page has as many users as it takes: a state must end, however much changes. */
const MAX_ROUNDS = 3

/**
 * What one v2 client follows, and how far it was told. There is no queue of changes: whoever is slow, looks away
 * or comes back is told the newest of everybody who changed since, by the numbers of the changes. A slow client
 * therefore costs what a quick one does.
 *
 * A client is told windows (`#hears`), unless it looks away, has too much to read, or is being told a state. From
 * there it comes back to hearing by `#catchUp` or by the last page of its last state: both tell everything up to now.
 */
export class Follower implements Following {
  readonly #room: FollowerRoom
  readonly #outlet: Outlet
  #topics: Set<Topic> | undefined
  #followsAll = false
  /** The count as it was told last; undefined for whoever does not count. */
  #count: number | undefined
  /** The number that the next diff names as `prevSeq`. */
  #told: number
  /** Nothing that the client follows has changed between `#told` and this number. */
  #seen: number
  /** What the window that is being told says to this client, joined. */
  #gathered = ''
  #states: State[] = []
  #looks = true
  /** A window was not told, because too much was waiting. */
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
    if (!userIds && !all) return this.#countOnline(id)
    if (this.#states.length >= MAX_STATES) {
      const text = 'too many subscriptions are waiting for their state to be read'
      return this.#outlet.refuse({ code: 'too_fast', text, id, retryAfterMs: RETRY_AFTER_MS })
    }
    if (userIds) this.#followUsers(new Set(userIds), since, id)
    else this.#followAll(since, id)
  }

  unsubscribe({ userIds, all, id }: Unsubscribe): void {
    this.#catchUp()
    if (userIds) this.#unfollowUsers(userIds)
    else if (all) this.#unfollowAll()
    else this.#uncount()
    this.#outlet.reply({ type: 'ack', id })
  }

  /** Whether the client wants to be told anything unasked. */
  get looks(): boolean {
    return this.#looks
  }

  /** A client that looks away is told nothing until it looks again, and then what is so by then. */
  look(looks: boolean): void {
    this.#looks = looks
    this.#goOn()
  }

  /** The client has taken all that it was sent. Called by the tick for connections that did not take all at once. */
  drained(): void {
    this.#goOn()
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

  gather({ seq, json }: NewsItem): boolean {
    if (this.#followsAll || seq <= this.#seen || !this.#hears) return false
    const isFirst = this.#gathered === ''
    this.#gathered += isFirst ? json : `,${json}`
    return isFirst
  }

  tellGathered(seq: number): void {
    const items = this.#gathered
    this.#gathered = ''
    if (items === '' || seq <= this.#seen || !this.#hears || !this.#hasRoom()) return
    this.#tell(diffFrame(this.#told, seq, items), seq)
  }

  tellAll(news: News): void {
    if (news.seq <= this.#seen || !this.#hears || !this.#hasRoom()) return
    this.#tell(news.diff(this.#told), news.seq)
  }

  tellCount(count: number): void {
    if (this.#count === undefined || this.#count === count || !this.#looks) return
    if (this.#outlet.backlog > this.#room.softBytes) return
    this.#count = count
    this.#replyCount(undefined)
  }

  // How

  /** Whether windows are told at all. */
  get #hears(): boolean {
    return this.#looks && !this.#isBehind && this.#states.length === 0
  }

  /** Whether more may be written now; if not, the client is behind from here. */
  #hasRoom(): boolean {
    this.#isBehind = this.#outlet.backlog > this.#room.softBytes
    return !this.#isBehind
  }

  #tell(frame: Buffer, seq: number): void {
    this.#told = seq
    this.#seen = seq
    this.#outlet.write(frame)
  }

  #goOn(): void {
    if (this.#states.length > 0) this.#pump()
    else this.#catchUp()
  }

  /** Tells all that the client was not told yet: in one diff, or in pages when it is much. */
  #catchUp(): void {
    this.#gathered = ''
    if (!this.#looks || this.#states.length > 0 || !this.#hasRoom()) return
    const { feed, presence } = this.#room
    if (this.#seen === feed.seq) return
    const changed = this.#changedSince(this.#seen)
    if (changed === undefined) return this.#say('everybody', this.#everybody(), false, undefined)
    if (changed.length > PAGE_USERS) return this.#say('changes', changed, true, undefined)
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

  #followUsers(asked: ReadonlySet<UserId>, since: Place | undefined, id: RequestId): void {
    const { watches, feed, maxWatchedUsers } = this.#room
    const before = this.#topics?.size ?? 0
    let added = 0
    for (const userId of asked) if (!watches.topic(userId)?.followers.has(this)) added++
    const room = Math.min(maxWatchedUsers - before, watches.room)
    if (added > room) {
      const text = `this connection can follow ${room} more users by name`
      return this.#outlet.refuse({ code: 'too_many', text, id })
    }
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
    this.#say('users', told, recovered, id)
  }

  #followAll(since: Place | undefined, id: RequestId): void {
    const { feed, watches } = this.#room
    this.#catchUp()
    if (this.#isOver) return
    this.#followsAll = true
    watches.followEverybody(this, true)
    if (since !== undefined && feed.recalls(since)) {
      this.#say('changes', feed.changedAfter(since.seq), true, id)
    } else this.#say('everybody', this.#everybody(), false, id)
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
    // A state of everybody that is on its way ends as one of those who are followed by name; nobody waits for one
    // that was not asked for and has not begun.
    const users = Array.from(this.#topics ?? [], topic => topic.userId)
    this.#states = this.#states
      .filter(({ of, id, pages }) => of !== 'everybody' || id !== undefined || pages !== undefined)
      .map(state => (state.of === 'everybody' ? { ...state, of: 'users', users, pages: undefined } : state))
    this.#pump()
  }

  #countOnline(id: RequestId): void {
    this.#count = this.#room.presence.onlineCount
    this.#room.watches.count(this, true)
    this.#replyCount(id)
  }

  #uncount(): void {
    this.#count = undefined
    this.#room.watches.count(this, false)
  }

  #replyCount(id: RequestId): void {
    const timestamp = formatTime(this.#room.clock.now())
    this.#outlet.reply({ type: 'online_count', count: this.#count ?? 0, timestamp, id })
  }

  /** Everybody who is online, of the others as many as a list has room for, and whoever is followed by name. */
  *#everybody(): Generator<UserId> {
    const { presence, allUsersLimit } = this.#room
    for (const { userId } of presence.list(Math.max(allUsersLimit, presence.onlineCount))) yield userId
    for (const { userId } of this.#topics ?? []) if (presence.see(userId).status === 'offline') yield userId
  }

  /** Begins a state. Until its last page is told, windows are not: the last page has what changed meanwhile. */
  #say(of: State['of'], users: Iterable<UserId>, recovered: boolean, id: RequestId): void {
    this.#states.push({ of, users, recovered, id, pages: undefined, rounds: 0 })
    if (of === 'users') this.#pump()
    else this.#room.turns.take(this)
  }

  /** Its turn has come: tells the next page. Returns whether there is more to tell at once. */
  turn(): boolean {
    const [state] = this.#states
    // What nobody asked for is not told to a client that looks away.
    if (!state || (!this.#looks && state.id === undefined && state.of !== 'users') || !this.#hasRoom())
      return false
    this.#tellPage(state)
    return this.#states.length > 0
  }

  /** States of users by name are a page each, and told at once; those of everybody wait for their turn. */
  #pump(): void {
    while (this.#states[0]?.of === 'users' && this.turn());
    if (this.#states.length > 0) this.#room.turns.take(this)
  }

  #tellPage(state: State): void {
    const { feed } = this.#room
    if (!state.pages) {
      state.pages = new Pages(state.users)
      // Of everybody, everybody's newest is told from here on: what was missed before does not matter any more.
      if (state.of === 'everybody') this.#seen = feed.seq
    }
    const page = state.pages.take(PAGE_USERS)
    if (!state.pages.isEmpty) return this.#writePage(state, page, false)
    const changed = this.#seen === feed.seq ? [] : this.#changedSince(this.#seen)
    if (changed === undefined) return this.#tellEverybody(state)
    const last = new Set([...page, ...changed])
    this.#seen = feed.seq
    if (last.size > PAGE_USERS && ++state.rounds <= MAX_ROUNDS) {
      state.pages = new Pages(last)
      return
    }
    this.#states.shift()
    this.#told = feed.seq
    this.#writePage(state, [...last], true)
  }

  /**
   * What changed meanwhile is not known any more, so everybody is told, and this state with it: users by name after
   * that, changes as that. Of everybody it can't be told who of the earlier pages has left: that client comes back.
   */
  #tellEverybody(state: State): void {
    const everybody = {
      of: 'everybody',
      users: this.#everybody(),
      recovered: false,
      pages: undefined,
    } as const
    if (state.of === 'users') {
      state.pages = undefined
      this.#states.unshift({ ...everybody, id: undefined, rounds: 0 })
    } else if (state.of === 'everybody') this.#outlet.fellBehind()
    else this.#states[0] = { ...everybody, id: state.id, rounds: 0 }
  }

  #writePage({ of, recovered, id }: State, page: readonly UserId[], last: boolean): void {
    const { feed, presence } = this.#room
    const { epoch, seq } = feed
    const followed = page.filter(userId => this.#follows(userId))
    const users = userList(followed.map(userId => presence.see(userId)))
    const all = of === 'everybody' || undefined
    const state = { type: 'presence_state', epoch, seq, users, last, recovered, all, id } as const
    this.#outlet.write(deflatable(textFrame(encode(state, 'v2'))))
  }

  /** Whether a user is followed still: a state may have been begun before an `unsubscribe`. */
  #follows(userId: UserId): boolean {
    return this.#followsAll || this.#room.watches.topic(userId)?.followers.has(this) === true
  }
}
