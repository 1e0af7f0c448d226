import type { UserId } from '@who-is-online/protocol/words'
import type { Change, OwnChoice } from '../presence/change.ts'
import type { ChangeFeed, FeedListener, Place, Places } from './feed.ts'

export interface MemoryFeedOptions {
  readonly places: Places
  /** How many changes are kept; see `ChangeFeed.recalls`. */
  readonly recent: number
  /** Is given what a listener threw: a bug. */
  readonly report: (error: unknown) => void
}

/**
 * The numbered changes of one process, of which the recent ones are in a ring in memory. Each change has an index,
 * which counts all changes of the process, and stands at its index modulo the limit.
 */
export class MemoryFeed implements ChangeFeed {
  readonly #places: Places
  readonly #limit: number
  readonly #report: (error: unknown) => void
  #seq = 0
  /** The index of the next change. */
  #next = 0
  readonly #userIds: UserId[] = []
  /** The numbers of the changes in the ring. */
  readonly #seqs: number[] = []
  /** The number of the last change that the ring has dropped: others with this number may still be there. */
  #dropped = 0
  /** The index of the newest change of each user in the ring. */
  readonly #newest = new Map<UserId, number>()
  readonly #listeners: FeedListener[] = []

  constructor({ places, recent, report }: MemoryFeedOptions) {
    this.#places = places
    this.#limit = recent
    this.#report = report
  }

  get epoch(): string {
    return this.#places.epoch
  }

  get seq(): number {
    return this.#seq
  }

  listen(listener: FeedListener): void {
    this.#listeners.push(listener)
  }

  append(changes: readonly Change[], seq?: number): void {
    if (seq !== undefined) this.reached(seq)
    if (changes.length === 0) return
    const numbered = changes.map(change => ({ ...change, seq: seq ?? ++this.#seq }))
    for (const { userId, seq } of numbered) this.#keep(userId, seq)
    this.#tell(listener => listener.changed(numbered))
  }

  reached(seq: number): void {
    this.#seq = Math.max(this.#seq, seq)
  }

  chosen(choice: OwnChoice, bySession: string | undefined): void {
    this.#tell(listener => listener.chosen?.(choice, bySession))
  }

  recalls(place: Place): boolean {
    return place.seq <= this.#seq && place.seq >= this.#dropped && this.#places.recalls(place)
  }

  newestOf(userId: UserId): number {
    const index = this.#newest.get(userId)
    return index === undefined ? 0 : this.#seqAt(index)
  }

  changedAfter(seq: number): UserId[] | undefined {
    if (seq < this.#dropped) return undefined
    const oldest = this.#next - this.#seqs.length
    let index = this.#next
    while (index > oldest && this.#seqAt(index - 1) > seq) index--
    const changed: UserId[] = []
    for (; index < this.#next; index++) {
      const userId = this.#userIds[index % this.#limit] as UserId
      if (this.#newest.get(userId) === index) changed.push(userId)
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

  #seqAt(index: number): number {
    return this.#seqs[index % this.#limit] as number
  }

  #keep(userId: UserId, seq: number): void {
    const at = this.#next % this.#limit
    const oldest = this.#userIds[at]
    if (oldest !== undefined) {
      this.#dropped = this.#seqs[at] as number
      if (this.#newest.get(oldest) === this.#next - this.#limit) this.#newest.delete(oldest)
    }
    this.#userIds[at] = userId
    this.#seqs[at] = seq
    this.#newest.set(userId, this.#next)
    this.#next++
  }
}
