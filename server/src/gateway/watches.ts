import { encodeDiff } from '@who-is-online/protocol/encode'
import type { UserId } from '@who-is-online/protocol/words'
import type { Feed } from '../feed.ts'
import type { Change } from '../presence/change.ts'
import type { Presence } from '../presence/presence.ts'
import { userItem } from '../user-json.ts'
import { deflatable } from './deflate.ts'
import { textFrame } from './frames.ts'

/** Whoever follows, as those who tell them see it. */
export interface Following {
  /** Takes what a window says of one user. Returns whether it is the first of this window. */
  gather(item: NewsItem): boolean
  /** Tells what was gathered of the window that ends with this change. */
  tellGathered(seq: number): void
  /** Tells a whole window. */
  tellAll(news: News): void
  /** Tells the number of those online, if it is another than was told. */
  tellCount(count: number): void
}

/** A user whom somebody follows. */
export interface Topic {
  readonly userId: UserId
  readonly followers: Set<Following>
  /** The number of the user's newest change, as far as it is known. */
  newest: number
}

/** What a window says of one user: the newest, as JSON, and the number of that change. */
export interface NewsItem {
  readonly topic: Topic | undefined
  readonly seq: number
  readonly json: string
}

/** Who follows whom, looked up from the user's side. */
export class Watches {
  readonly #presence: Pick<Presence, 'see' | 'onlineCount'>
  readonly #feed: Feed
  readonly #limit: number
  readonly #topics = new Map<UserId, Topic>()
  readonly #everybody = new Set<Following>()
  readonly #counting = new Set<Following>()
  /** How many ids are followed, each as often as it is. */
  #size = 0
  #countedAt = Number.NEGATIVE_INFINITY

  constructor(presence: Pick<Presence, 'see' | 'onlineCount'>, feed: Feed, limit: number) {
    this.#presence = presence
    this.#feed = feed
    this.#limit = limit
  }

  get size(): number {
    return this.#size
  }

  /** How many more ids may be followed, in all. */
  get room(): number {
    return this.#limit - this.#size
  }

  /** Those who follow everybody. */
  get everybody(): ReadonlySet<Following> {
    return this.#everybody
  }

  /** A follower follows a user from now on; once, however often it asks. */
  follow(follower: Following, userId: UserId): Topic {
    let topic = this.#topics.get(userId)
    if (!topic) {
      topic = { userId, followers: new Set(), newest: this.#feed.newestOf(userId) }
      this.#topics.set(userId, topic)
    }
    const before = topic.followers.size
    topic.followers.add(follower)
    this.#size += topic.followers.size - before
    return topic
  }

  /** The topic of a user whom somebody follows. */
  topic(userId: UserId): Topic | undefined {
    return this.#topics.get(userId)
  }

  unfollow(follower: Following, topic: Topic): void {
    if (!topic.followers.delete(follower)) return
    this.#size--
    if (topic.followers.size === 0) this.#topics.delete(topic.userId)
  }

  followEverybody(follower: Following, follows: boolean): void {
    if (follows) this.#everybody.add(follower)
    else this.#everybody.delete(follower)
  }

  count(follower: Following, counts: boolean): void {
    if (counts) this.#counting.add(follower)
    else this.#counting.delete(follower)
  }

  /** Time passes, in awake time: tells the count to its subscribers, once a second at most. */
  advance(awake: number): void {
    if (this.#counting.size === 0 || awake - this.#countedAt < COUNT_EVERY_MS) return
    this.#countedAt = awake
    for (const follower of this.#counting) follower.tellCount(this.#presence.onlineCount)
  }

  /** Takes note of changes as they happen; `seq` is the number of the last. */
  note(changes: readonly Change[], seq: number): void {
    if (this.#topics.size === 0) return
    let number = seq - changes.length
    for (const { userId } of changes) {
      number++
      const topic = this.#topics.get(userId)
      if (topic) topic.newest = number
    }
  }

  /** What a window that closes now says to those who follow: of each user once, in the order of their last changes. */
  news(changes: readonly Change[], seq: number): News {
    const items: NewsItem[] = []
    const isForAll = this.#everybody.size > 0
    if (isForAll || this.#topics.size > 0) {
      const said = new Set<UserId>()
      for (let back = 0; back < changes.length; back++) {
        const { userId } = changes[changes.length - 1 - back] as Change
        const topic = this.#topics.get(userId)
        if (said.has(userId) || !(topic || isForAll)) continue
        said.add(userId)
        items.push({ topic, seq: seq - back, json: userItem(this.#presence.see(userId)) })
      }
    }
    return new News(items.reverse(), seq)
  }
}

/** How many diffs of a window for those who follow everybody may be deflated. */
const DEFLATED_DIFFS = 3

/** How often a new count is told. */
const COUNT_EVERY_MS = 1_000

/** A window in v2's words, each user's encoded once. */
export class News {
  readonly items: readonly NewsItem[]
  readonly seq: number
  /** The diffs of those who follow everybody, by what they were told before; it is nearly always the same. */
  readonly #diffs = new Map<number, Buffer>()

  constructor(items: readonly NewsItem[], seq: number) {
    this.items = items
    this.seq = seq
  }

  /** The frame for whoever follows everybody and was told all up to the change `told`. */
  diff(told: number): Buffer {
    let frame = this.#diffs.get(told)
    if (!frame) {
      const items = this.items.filter(item => item.seq > told).map(item => item.json)
      frame = diffFrame(told, this.seq, items.join(','))
      // Newcomers were told up to other places: as many diffs as there are of them are not worth it.
      if (this.#diffs.size < DEFLATED_DIFFS) deflatable(frame)
      this.#diffs.set(told, frame)
    }
    return frame
  }
}

/** A `presence_diff` as a whole frame, joined from items. */
export function diffFrame(prevSeq: number, seq: number, items: string): Buffer {
  return textFrame(encodeDiff(prevSeq, seq, items))
}
