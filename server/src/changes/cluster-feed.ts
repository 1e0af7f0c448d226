import type { UserId } from '@who-is-online/protocol/words'
import type { NumberedChange, Place, Places } from './feed.ts'
import { MemoryFeed, type MemoryFeedOptions } from './memory-feed.ts'

/** Changes from before this node could number them itself. */
export interface History {
  /** The epoch of the numbers. */
  readonly epoch: string
  /** In the order of their numbers: all changes with a number greater than `after`, up to `to`. */
  readonly changes: readonly NumberedChange[]
  readonly after: number
  readonly to: number
}

/**
 * A node may be behind another one by so many numbers: a minute of the busiest cluster. A number that is further ahead
 * comes from no node.
 */
const MAX_AHEAD = 1_000_000

/**
 * The numbered changes of a node in a cluster. What this node has read of the log since it knows what all others know
 * is in its memory. What was before comes from the changes that the nodes share, as the history.
 *
 * The changes that this node has told itself before the end of the history are not those of the other nodes: it has
 * loaded the state of all users at once. Its own connections follow them, but nobody resumes from them.
 */
export class ClusterFeed extends MemoryFeed {
  readonly #places: Places
  #history: History | undefined
  readonly #newestInHistory = new Map<UserId, NumberedChange>()
  /** The changes after this number are those of all other nodes. */
  #agreedAfter = Number.POSITIVE_INFINITY
  #whenDropped = (): void => {}

  constructor(options: MemoryFeedOptions) {
    super(options)
    this.#places = options.places
  }

  /**
   * From now on, the changes after a number are those of all other nodes; `undefined` if they may differ. What was
   * before is not known.
   */
  agreesAfter(seq: number | undefined): void {
    this.#agreedAfter = seq ?? Number.POSITIVE_INFINITY
    this.#history = undefined
    this.#newestInHistory.clear()
  }

  /** Sets what was before. */
  setHistory(history: History): void {
    this.#history = history
    this.#newestInHistory.clear()
    for (const change of history.changes) this.#newestInHistory.set(change.userId, change)
  }

  /** Names the one who is told that changes were dropped: those that the nodes share must be dropped too. */
  whenDropped(dropped: () => void): void {
    this.#whenDropped = dropped
  }

  override drop(seq: number): void {
    super.drop(seq)
    const history = this.#history
    if (history) {
      const changes = history.changes.slice(firstAfter(history.changes, seq))
      this.setHistory({ ...history, changes, after: Math.max(history.after, seq) })
    }
    this.#whenDropped()
  }

  /** Whether it is known what was before. */
  get hasHistory(): boolean {
    return this.#usable !== undefined
  }

  /** Each change with a greater number than this one is known, here or in the history. */
  get knownAfter(): number {
    return this.#usable?.after ?? this.dropped
  }

  override recalls(place: Place): boolean {
    if (super.recalls(place)) return true
    const history = this.#usable
    if (!history || place.epoch !== this.epoch || place.seq < history.after) return false
    return place.seq < history.to && this.#places.recalls({ ...place, seq: history.to })
  }

  override isAhead({ epoch, seq }: Place): boolean {
    return epoch === this.epoch && seq > this.seq && seq <= this.seq + MAX_AHEAD
  }

  override changedSince(place: Place): UserId[] | undefined {
    if (!this.recalls(place)) return undefined
    const history = this.#usable
    if (!history || place.seq >= history.to) return super.changedAfter(place.seq)
    const later = super.changedAfter(history.to)
    if (!later) return undefined
    const changed = new Set<UserId>()
    const isLater = new Set(later)
    for (const [userId, { seq }] of this.#newestInHistory) {
      if (seq > place.seq && !isLater.has(userId)) changed.add(userId)
    }
    return [...changed, ...later]
  }

  override newestOf(userId: UserId): number {
    return Math.max(super.newestOf(userId), (this.#usable && this.#newestInHistory.get(userId)?.seq) ?? 0)
  }

  override after(seq: number, limit: number): NumberedChange[] | undefined {
    const history = this.#usable
    if (!history || seq >= history.to || seq < history.after) return super.after(seq, limit)
    const changes: NumberedChange[] = []
    for (let index = firstAfter(history.changes, seq); index < history.changes.length; index++) {
      const change = history.changes[index] as NumberedChange
      if (changes.length >= limit && change.seq !== changes.at(-1)?.seq) return changes
      changes.push(change)
    }
    if (changes.length >= limit) return changes
    const later = super.after(history.to, limit - changes.length)
    return later && [...changes, ...later]
  }

  protected override newestChange(userId: UserId): NumberedChange | undefined {
    const newest = super.newestChange(userId)
    return newest && newest.seq > this.#agreedAfter ? newest : this.#newestInHistory.get(userId)
  }

  /**
   * The history, as long as what follows it is in the memory. While this node may show something else than the others,
   * its clients continue from what it has told itself, in an epoch of its own.
   */
  get #usable(): History | undefined {
    const history = this.#history
    return history?.epoch === this.epoch && this.dropped <= history.to ? history : undefined
  }
}

/** The index of the first change with a greater number. */
function firstAfter(changes: readonly NumberedChange[], seq: number): number {
  let first = 0
  let end = changes.length
  while (first < end) {
    const middle = Math.floor((first + end) / 2)
    if ((changes[middle] as NumberedChange).seq > seq) end = middle
    else first = middle + 1
  }
  return first
}
