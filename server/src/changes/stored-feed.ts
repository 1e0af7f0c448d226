import { MemoryFeed, type MemoryFeedOptions } from './memory-feed.ts'
import { createPlaces } from './places.ts'
import type { LogSource, LostNumbers, StoredLog } from './stored-log.ts'

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

  constructor({ epoch, stored, grown, ...options }: StoredFeedOptions) {
    const lost = stored?.lost ?? []
    super({ ...options, places: createPlaces(stored?.epoch ?? epoch, lost) })
    this.lost = lost
    this.#grown = grown
    if (!stored) return
    this.restore(stored.changes, stored.after, stored.seq)
    this.#syncedSeq = stored.seq
  }

  override get syncedSeq(): number {
    return this.#syncedSeq
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
