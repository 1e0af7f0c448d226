import type { UserId } from '@who-is-online/protocol/words'
import { MemoryFeed, type MemoryFeedOptions } from './memory-feed.ts'
import { createPlaces } from './places.ts'
import type { LogEnd, LogSource, LostNumbers, StoredLog } from './stored-log.ts'

export interface StoredFeedOptions extends Omit<MemoryFeedOptions, 'places'> {
  /** The epoch of a new log. */
  readonly epoch: string
  /** What the processes before have stored; `undefined` for a new log. */
  readonly stored: StoredLog | undefined
  /** Tells the store that there are more changes. */
  readonly grown: () => void
}

/**
 * The numbered changes of a single server, which a store makes durable together with the users: epoch, numbers and
 * recent changes survive a restart. The store asks for them; see {@link LogSource}.
 */
export class StoredFeed extends MemoryFeed implements LogSource {
  readonly lost: readonly LostNumbers[]
  readonly #grown: () => void
  #syncedSeq = 0
  /** The store must not have the changes up to this number: they are about users who were erased. */
  #erased = 0

  constructor({ epoch, stored, grown, ...options }: StoredFeedOptions) {
    const lost = stored?.lost ?? []
    super({ ...options, places: createPlaces(stored?.epoch ?? epoch, lost) })
    this.lost = lost
    this.#grown = grown
    if (!stored) return
    const isPart = stored.erased !== undefined && stored.after <= stored.erased
    if (isPart) this.restore([], stored.seq, stored.seq)
    else this.restore(stored.changes, stored.after, stored.seq)
    this.#syncedSeq = stored.seq
  }

  override get syncedSeq(): number {
    return this.#syncedSeq
  }

  get erased(): number {
    return this.#erased
  }

  /** The number of the last change that the store must not keep. Readers may still be told it for a while. */
  override get dropped(): number {
    return Math.max(super.dropped, this.#erased)
  }

  override endAfter(seq: number): LogEnd {
    return super.endAfter(Math.max(seq, this.#erased))
  }

  override erase(userId: UserId): number {
    const newest = super.erase(userId)
    this.#erased = Math.max(this.#erased, newest)
    return newest
  }

  synced(seq: number): void {
    if (seq <= this.#syncedSeq) return
    this.#syncedSeq = seq
    this.tellSynced()
  }

  protected override kept(): void {
    this.#grown()
  }
}
