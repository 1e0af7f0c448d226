import type { UserId } from '@who-is-online/protocol/words'
import type { Change } from './presence/change.ts'

/** Who hears of what happens, at once and in order. */
export interface FeedListener {
  /** Changes as they happen; `seq` is the number of the last of them. */
  changed(changes: readonly Change[], seq: number): void
  /** A user's own choice is another now, by the word of a session, or because it expired. */
  chosen?(userId: UserId, bySession: string | undefined): void
}

/** A place in the order of changes, as a client names the last one it heard of. */
export interface Place {
  readonly epoch: string
  readonly seq: number
}

export interface FeedOptions {
  /** Names this life of the sequence: a place of another life says nothing about this one. */
  readonly epoch: string
  /** How many changes are kept for those who come back; see `recalls`. */
  readonly recent: number
}

/**
 * The order of all changes: each gets the next number, and everybody who listens hears them in that order. The
 * recent ones are kept, so that whoever was away can be told what changed meanwhile instead of everything.
 */
export class Feed {
  readonly epoch: string
  readonly #limit: number
  #seq = 0
  /** The recent changes; the one with number n stands at n modulo the limit. */
  readonly #ring: Change[] = []
  /** The number of the newest change of each user in the ring. */
  readonly #newest = new Map<UserId, number>()
  readonly #listeners: FeedListener[] = []

  constructor({ epoch, recent }: FeedOptions) {
    this.epoch = epoch
    this.#limit = recent
  }

  /** The number of the newest change; 0 before the first. */
  get seq(): number {
    return this.#seq
  }

  listen(listener: FeedListener): void {
    this.#listeners.push(listener)
  }

  publish(changes: readonly Change[]): void {
    if (changes.length === 0) return
    for (const change of changes) this.#keep(change)
    for (const listener of this.#listeners) listener.changed(changes, this.#seq)
  }

  chosen(userId: UserId, bySession: string | undefined): void {
    for (const listener of this.#listeners) listener.chosen?.(userId, bySession)
  }

  /** Whether everything that changed after a place is still known. */
  recalls({ epoch, seq }: Place): boolean {
    return epoch === this.epoch && seq <= this.#seq && seq >= this.#seq - this.#limit
  }

  /** The number of a user's newest change; 0 when it is not among the recent ones. */
  newestOf(userId: UserId): number {
    return this.#newest.get(userId) ?? 0
  }

  /** Who changed after the change with this number, each once, in the order of their newest changes. */
  changedAfter(seq: number): UserId[] {
    const changed: UserId[] = []
    for (let number = Math.max(seq, this.#seq - this.#limit) + 1; number <= this.#seq; number++) {
      const { userId } = this.#ring[number % this.#limit] as Change
      if (this.#newest.get(userId) === number) changed.push(userId)
    }
    return changed
  }

  #keep(change: Change): void {
    const seq = ++this.#seq
    const oldest = this.#ring[seq % this.#limit]
    if (oldest && this.#newest.get(oldest.userId) === seq - this.#limit) this.#newest.delete(oldest.userId)
    this.#ring[seq % this.#limit] = change
    this.#newest.set(change.userId, seq)
  }
}
