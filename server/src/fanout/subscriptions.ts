import type { UserId } from '@who-is-online/protocol/words'
import type { ChangeFeed, NumberedChange } from '../changes/feed.ts'
import { Pool, type PoolRefusal } from '../pool.ts'
import type { Presence } from '../presence/presence.ts'
import { diffItem } from '../user-json.ts'
import { Batch, type BatchItem, type BatchReceiver, type Topic } from './batch.ts'
import { serve } from './served.ts'

/** How often a changed count is sent, in ms. */
const COUNT_EVERY_MS = 1_000

/** All subscriptions, looked up by topic. */
export class Subscriptions {
  readonly #presence: Pick<Presence, 'see' | 'onlineCount'>
  readonly #feed: Pick<ChangeFeed, 'newestOf'>
  readonly #topics = new Map<UserId, Topic>()
  readonly #toAll = new Set<BatchReceiver>()
  readonly #toCount = new Set<BatchReceiver>()
  /** The sum over all topics of their subscribers. */
  readonly #pool: Pool
  #countedAt = Number.NEGATIVE_INFINITY

  /** @param limit how many subscriptions to users there may be in all. */
  constructor(
    presence: Pick<Presence, 'see' | 'onlineCount'>,
    feed: Pick<ChangeFeed, 'newestOf'>,
    limit: number,
  ) {
    this.#presence = presence
    this.#feed = feed
    this.#pool = new Pool('MAX_WATCHED_IDS', limit)
  }

  /** How many subscriptions to users there are. */
  get size(): number {
    return this.#pool.taken
  }

  /** The number of users and addresses with subscriptions to users. */
  get holders(): number {
    return this.#pool.holders
  }

  /** Why a subscriber can't have this many subscriptions to users more; `undefined` if it can. */
  refusalOf(added: number, { holder }: BatchReceiver): PoolRefusal | undefined {
    return this.#pool.refusalOf(added, holder)
  }

  /** The subscribers to all users. */
  get all(): ReadonlySet<BatchReceiver> {
    return this.#toAll
  }

  /** Subscribes to users. A second subscription of the same subscriber changes nothing. */
  subscribe(subscriber: BatchReceiver, userIds: Iterable<UserId>): Topic[] {
    const topics: Topic[] = []
    let added = 0
    try {
      for (const userId of userIds) {
        const topic = this.#topics.get(userId) ?? this.#begin(userId)
        topics.push(topic)
        const before = topic.subscribers.size
        added += topic.subscribers.add(subscriber).size - before
      }
    } finally {
      // After a bug halfway, count what was added: it is given back when it ends.
      this.#pool.take(added, subscriber.holder)
    }
    return topics
  }

  /** The topic of a user, if anybody subscribes to it. */
  topic(userId: UserId): Topic | undefined {
    return this.#topics.get(userId)
  }

  unsubscribe(subscriber: BatchReceiver, topics: Iterable<Topic>): void {
    let ended = 0
    for (const { userId, subscribers } of topics) {
      if (!subscribers.delete(subscriber)) continue
      ended++
      if (subscribers.size === 0) this.#topics.delete(userId)
    }
    this.#pool.giveBack(ended, subscriber.holder)
  }

  subscribeToAll(subscriber: BatchReceiver): void {
    this.#toAll.add(subscriber)
  }

  unsubscribeFromAll(subscriber: BatchReceiver): void {
    this.#toAll.delete(subscriber)
  }

  subscribeToCount(subscriber: BatchReceiver): void {
    this.#toCount.add(subscriber)
  }

  unsubscribeFromCount(subscriber: BatchReceiver): void {
    this.#toCount.delete(subscriber)
  }

  /** Time passes, in awake time: sends the count to its subscribers, once a second at most. */
  advance(awake: number): void {
    if (this.#toCount.size === 0 || awake - this.#countedAt < COUNT_EVERY_MS) return
    this.#countedAt = awake
    const { onlineCount } = this.#presence
    for (const subscriber of this.#toCount) serve(subscriber, subscriber => subscriber.sendCount(onlineCount))
  }

  /** Notes changes as they happen. */
  note(changes: readonly NumberedChange[]): void {
    if (this.#topics.size === 0) return
    for (const { userId, seq } of changes) {
      const topic = this.#topics.get(userId)
      if (topic) topic.newest = seq
    }
  }

  /** What a window that closes now says to subscribers: each user once, in the order of their last changes. */
  batchOf(changes: readonly NumberedChange[]): Batch {
    const items: BatchItem[] = []
    const isForAll = this.#toAll.size > 0
    if (isForAll || this.#topics.size > 0) {
      const done = new Set<UserId>()
      for (let index = changes.length - 1; index >= 0; index--) {
        const { userId, seq } = changes[index] as NumberedChange
        const topic = this.#topics.get(userId)
        if (done.has(userId) || !(topic || isForAll)) continue
        done.add(userId)
        items.push({ topic, seq, json: diffItem(this.#presence.see(userId)) })
      }
    }
    return new Batch(items.reverse(), changes.at(-1)?.seq ?? 0)
  }

  #begin(userId: UserId): Topic {
    const topic = { userId, subscribers: new Set<BatchReceiver>(), newest: this.#feed.newestOf(userId) }
    this.#topics.set(userId, topic)
    return topic
  }
}
