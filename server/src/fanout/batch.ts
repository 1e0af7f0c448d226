import { encodeDiff } from '@who-is-online/protocol/encode'
import type { UserId } from '@who-is-online/protocol/words'
import type { Holder } from '../pool.ts'
import type { Encoder } from './encoder.ts'
import type { Served } from './served.ts'

/** A subscriber, as the hub sends to it. */
export interface BatchReceiver extends Served {
  /** Whose connection it is: its subscriptions count for that user and that address. */
  readonly holder: Holder
  /** Takes the state of one user in this batch. Returns whether it is the first of this batch. */
  gather(item: BatchItem): boolean
  /** Sends what was gathered of the batch that ends with this number. */
  sendGathered(seq: number): void
  /** Sends a whole batch, to a subscriber to all users. */
  sendBatch(batch: Batch): void
  /** Sends the number of online users, if it differs from the one that was sent. */
  sendCount(count: number): void
}

/** What subscribers subscribe to: today one user. */
export interface Topic {
  readonly userId: UserId
  readonly subscribers: Set<BatchReceiver>
  /** The number of the user's newest change, as far as it is known. */
  newest: number
}

/** The newest state of one user in a window, as JSON, and the number of that change. */
export interface BatchItem {
  /** The subscriptions to this user; undefined if there are none, but subscribers to all users. */
  readonly topic: Topic | undefined
  readonly seq: number
  readonly json: string
}

/**
 * How many diffs of a batch may be compressed: newcomers were told up to different places, and each place has
 * its own diff.
 */
const SHARED_DIFFS = 3

/** What a window says in v2: each changed user once, each encoded once. */
export class Batch {
  readonly items: readonly BatchItem[]
  /** The number of the last change of the window. */
  readonly seq: number
  /** The diffs for subscribers to all users, by the number they were told before, which nearly always is the same. */
  readonly #diffs = new Map<Encoder, Map<number, Buffer>>()

  constructor(items: readonly BatchItem[], seq: number) {
    this.items = items
    this.seq = seq
  }

  /** The diff for subscribers to all users who were told everything up to the number `told`. */
  diff(told: number, encoder: Encoder): Buffer {
    let diffs = this.#diffs.get(encoder)
    if (!diffs) {
      diffs = new Map()
      this.#diffs.set(encoder, diffs)
    }
    let bytes = diffs.get(told)
    if (!bytes) {
      const items = this.items.filter(item => item.seq > told).map(item => item.json)
      bytes = encoder.encode(encodeDiff(told, this.seq, items.join(',')))
      if (diffs.size < SHARED_DIFFS) encoder.share(bytes)
      diffs.set(told, bytes)
    }
    return bytes
  }
}
