import type { EntryKind, NodeId, Place } from './entry.ts'
import type { Changed } from './outbox.ts'
import { isBefore } from './place.ts'

/** An append that was sent and not answered. */
export interface Sent {
  /** The id of the command. */
  readonly id: number
  readonly batch: number
  readonly kind: EntryKind
  /** The number of the assertion during which it was sent. */
  readonly assertion: number
  readonly subject: NodeId | undefined
  /** The place of this node when it was sent. */
  readonly from: Place
}

/** A batch that is in the log and was not read back. */
export interface Unread {
  readonly batch: number
  readonly place: Place
  /** What to say again if Redis loses it. */
  readonly said: Changed
}

/**
 * The numbers of the batches of this node: 1, 2, … One batch at a time is on its way. Until it is in the log, its
 * number is used again, perhaps with another content.
 */
export class Batches {
  #last = 0
  /** How often the next batch number was sent. */
  #attempts = 0
  #sent: Sent | undefined
  /** The last own batch that is in the log with the content that was composed last. */
  #confirmed = 0
  #readBack = 0
  readonly #unread = new Map<number, Unread>()
  /** Those that are known to be lost since the last call of `takeLost`. */
  #lost: Unread[] = []
  #placed = 0

  /** The number of the next batch. */
  get next(): number {
    return this.#last + 1
  }

  /** The append on its way. */
  get sent(): Sent | undefined {
    return this.#sent
  }

  send(sent: Sent): void {
    this.#attempts++
    this.#sent = sent
  }

  /** The append on its way is in the log. */
  landed({ batch }: Sent, place: Place, said: Changed): void {
    this.#sent = undefined
    this.#last = this.#confirmed = batch
    this.#attempts = 0
    // Each entry is appended after all others: those that were at this place or after it are gone.
    this.#lose(unread => !isBefore(unread.place, place))
    if (batch > this.#readBack) this.#unread.set(batch, { batch, place, said })
  }

  /** The append on its way is not in the log, or nobody knows. */
  refused(): void {
    this.#sent = undefined
  }

  /** The log has a batch with this number, perhaps with the content of an earlier attempt. */
  skipTo(last: number): void {
    this.#last = Math.max(this.#last, last)
    this.#attempts = 0
  }

  /**
   * Whether the append on its way is in the log, because an entry with this number was read back. If it was sent only
   * once, it is what was composed. Otherwise the answer decides.
   */
  isConfirmedBy(batch: number): boolean {
    return batch === this.#sent?.batch && this.#attempts === 1
  }

  /** The next entry is an own one. Redis has lost the earlier batches that were not read before it. */
  found(batch: number): void {
    this.#unread.delete(batch)
    this.#lose(unread => unread.batch < batch)
  }

  /** This node has loaded what Redis holds, with all that was appended in the same epoch. */
  loaded(epoch: number | undefined): void {
    for (const [batch, { place }] of this.#unread) if (place.epoch === epoch) this.#unread.delete(batch)
  }

  /** Forgets and returns what Redis has lost: also what is not at its place, which this node has passed now. */
  takeLost(passed: Place): Unread[] {
    this.#lose(({ place }) => !isBefore(passed, place))
    const lost = this.#lost
    this.#lost = []
    return lost
  }

  /** An own entry was read back. */
  readBack(batch: number): void {
    if (batch > this.#last && !this.#sent) {
      this.#last = batch
      this.#attempts = 0
    }
    this.#readBack = Math.max(this.#readBack, batch)
  }

  /** The last batch that was applied as it was composed, if that has changed since the last call. */
  takePlaced(): number | undefined {
    const placed = Math.min(this.#confirmed, this.#readBack)
    if (placed <= this.#placed) return undefined
    this.#placed = placed
    return placed
  }

  #lose(isLost: (unread: Unread) => boolean): void {
    for (const unread of this.#unread.values()) {
      if (!isLost(unread)) continue
      this.#unread.delete(unread.batch)
      this.#lost.push(unread)
    }
  }
}
