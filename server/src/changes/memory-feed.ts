import type { UserId } from '@who-is-online/protocol/words'
import type { Change, OwnChoice } from '../presence/change.ts'
import type { ChangeFeed, FeedListener, NumberedChange, Place, Places } from './feed.ts'
import type { LogEnd } from './stored-log.ts'

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
  readonly #changes: (NumberedChange | undefined)[] = []
  /** The index of the oldest change in the ring. */
  #first = 0
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

  get syncedSeq(): number {
    return this.#seq
  }

  listen(listener: FeedListener): void {
    this.#listeners.push(listener)
  }

  append(changes: readonly Change[], seq?: number): void {
    if (seq !== undefined) this.reached(seq)
    if (changes.length === 0) return
    const numbered = changes.map(change => {
      const previousSince = change.previousSince || this.#sinceOf(change)
      const numbered = { ...change, previousSince, seq: seq ?? ++this.#seq }
      this.#keep(numbered)
      return numbered
    })
    this.#tell(listener => listener.changed(numbered))
    this.kept()
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

  isAhead(_place: Place): boolean {
    return false
  }

  newestOf(userId: UserId): number {
    const index = this.#newest.get(userId)
    return index === undefined ? 0 : this.#seqAt(index)
  }

  changedAfter(seq: number): UserId[] | undefined {
    if (seq < this.#dropped) return undefined
    const changed: UserId[] = []
    for (let index = this.#firstAfter(seq); index < this.#next; index++) {
      const { userId } = this.#at(index)
      if (this.#newest.get(userId) === index) changed.push(userId)
    }
    return changed
  }

  changedSince(place: Place): UserId[] | undefined {
    return this.recalls(place) ? this.changedAfter(place.seq) : undefined
  }

  erase(userId: UserId): number {
    return this.newestOf(userId)
  }

  drop(seq: number): void {
    while (this.#first < this.#next && this.#seqAt(this.#first) <= seq) this.#dropFirst()
    this.#dropped = Math.max(this.#dropped, seq)
  }

  after(seq: number, limit: number): NumberedChange[] | undefined {
    if (seq < this.#dropped) return undefined
    const changes: NumberedChange[] = []
    for (let index = this.#firstAfter(seq); index < this.#next; index++) {
      const change = this.#at(index)
      if (change.seq > this.syncedSeq) break
      if (changes.length >= limit && change.seq !== changes.at(-1)?.seq) break
      changes.push(change)
    }
    return changes
  }

  /** The index of the first change with a greater number. */
  #firstAfter(seq: number): number {
    let first = this.#first
    let end = this.#next
    while (first < end) {
      const middle = Math.floor((first + end) / 2)
      if (this.#seqAt(middle) > seq) end = middle
      else first = middle + 1
    }
    return first
  }

  /** The number of the last change that is not kept any more. Others with this number may be kept. */
  get dropped(): number {
    return this.#dropped
  }

  /** The changes after a number, or after the last one that is not kept any more, durable or not. */
  endAfter(seq: number): LogEnd {
    const after = Math.max(seq, this.#dropped)
    const changes: NumberedChange[] = []
    for (let index = this.#firstAfter(after); index < this.#next; index++) changes.push(this.#at(index))
    return { after, changes }
  }

  /** The newest change of a user, if it is known and others have seen it. */
  protected newestChange(userId: UserId): NumberedChange | undefined {
    const index = this.#newest.get(userId)
    return index === undefined ? undefined : this.#at(index)
  }

  /** Changes were added. A crash loses these, like the rest of the process. */
  protected kept(): void {
    this.tellSynced()
  }

  protected tellSynced(): void {
    this.#tell(listener => listener.synced?.())
  }

  /** Begins with the changes of earlier processes. No listener is told. */
  protected restore(changes: readonly NumberedChange[], after: number, seq: number): void {
    this.#dropped = after
    for (const change of changes) this.#keep(change)
    this.#seq = seq
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

  /** When the previous status of a user began, according to the newest change; 0 if that is not known. */
  #sinceOf({ userId, previousStatus }: Change): number {
    const newest = this.newestChange(userId)
    if (newest?.status !== previousStatus) return 0
    return newest.status === newest.previousStatus ? newest.previousSince : newest.at
  }

  #seqAt(index: number): number {
    return this.#at(index).seq
  }

  #at(index: number): NumberedChange {
    return this.#changes[index % this.#limit] as NumberedChange
  }

  #keep(change: NumberedChange): void {
    if (this.#next - this.#first === this.#limit) this.#dropFirst()
    this.#changes[this.#next % this.#limit] = change
    this.#newest.set(change.userId, this.#next)
    this.#next++
  }

  #dropFirst(): void {
    const { seq, userId } = this.#at(this.#first)
    this.#dropped = seq
    if (this.#newest.get(userId) === this.#first) this.#newest.delete(userId)
    this.#changes[this.#first % this.#limit] = undefined
    this.#first++
  }
}
