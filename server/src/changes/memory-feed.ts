import type { UserId } from '@who-is-online/protocol/words'
import type { Change, OwnChoice } from '../presence/change.ts'
import type { ChangeFeed, FeedListener, Place } from './feed.ts'

export interface MemoryFeedOptions {
  readonly epoch: string
  /** How many changes are kept; see `ChangeFeed.recalls`. */
  readonly recent: number
  /** Is given what a listener threw: a bug. */
  readonly report: (error: unknown) => void
}

/** The numbered changes of one process, in a ring in memory. They end with the process, and so does their epoch. */
export class MemoryFeed implements ChangeFeed {
  readonly epoch: string
  readonly #limit: number
  readonly #report: (error: unknown) => void
  #seq = 0
  /** The recent changes; the one with number n stands at n modulo the limit. */
  readonly #ring: Change[] = []
  /** The number of the newest change of each user in the ring. */
  readonly #newest = new Map<UserId, number>()
  readonly #listeners: FeedListener[] = []

  constructor({ epoch, recent, report }: MemoryFeedOptions) {
    this.epoch = epoch
    this.#limit = recent
    this.#report = report
  }

  get seq(): number {
    return this.#seq
  }

  listen(listener: FeedListener): void {
    this.#listeners.push(listener)
  }

  append(changes: readonly Change[]): void {
    if (changes.length === 0) return
    for (const change of changes) this.#keep(change)
    const seq = this.#seq
    this.#tell(listener => listener.changed(changes, seq))
  }

  chosen(choice: OwnChoice, bySession: string | undefined): void {
    this.#tell(listener => listener.chosen?.(choice, bySession))
  }

  recalls({ epoch, seq }: Place): boolean {
    return epoch === this.epoch && seq <= this.#seq && seq >= this.#seq - this.#limit
  }

  newestOf(userId: UserId): number {
    return this.#newest.get(userId) ?? 0
  }

  changedAfter(seq: number): UserId[] {
    const changed: UserId[] = []
    for (let number = Math.max(seq, this.#seq - this.#limit) + 1; number <= this.#seq; number++) {
      const { userId } = this.#ring[number % this.#limit] as Change
      if (this.#newest.get(userId) === number) changed.push(userId)
    }
    return changed
  }

  #tell(tell: (listener: FeedListener) => void): void {
    for (const listener of this.#listeners) {
      try {
        tell(listener)
      } catch (error) {
        this.#report(error)
      }
    }
  }

  #keep(change: Change): void {
    const seq = ++this.#seq
    const oldest = this.#ring[seq % this.#limit]
    if (oldest && this.#newest.get(oldest.userId) === seq - this.#limit) this.#newest.delete(oldest.userId)
    this.#ring[seq % this.#limit] = change
    this.#newest.set(change.userId, seq)
  }
}
