import type { Entry, Loaded, Place } from './entry.ts'
import { BEAT_MS } from './members.ts'
import { BEFORE_ALL, isBefore } from './place.ts'

const KEEP_MS = 120_000
/** Clients may have been told so many numbers after the greatest one, while the numbers of the log went back. */
const RESERVED = 1_000

/**
 * The place of this node in the log, and whether the log goes on from there. If entries may be missing, an epoch is
 * wanted, in which all members assert what they know. While one is wanted, no client can resume on this node.
 */
export class OwnPlace {
  readonly #keepMs: number
  #last: Place | undefined
  #greatestSeq = 0
  #settledSince: Place | undefined
  /** Places, and when they were read: about one per second. */
  #past: { readonly place: Place; readonly at: number }[] = []
  /** An epoch has to begin. `current` is the epoch that it must replace. */
  #epochWanted: { readonly current: number | undefined } | undefined
  /** An epoch has begun that this node has not read yet. Nothing can be appended before. */
  #epochToRead: number | undefined
  /** An epoch that was not read before the connection was closed. */
  #epochMissed: number | undefined

  /** @param keepMs how long the log keeps entries, in ms */
  constructor(keepMs = KEEP_MS) {
    this.#keepMs = keepMs
  }

  /** The last entry that was applied; `undefined` before the first load. */
  get last(): Place | undefined {
    return this.#last
  }

  /** Whether an entry is the next one. Before an epoch begins again, entries may be missing: all members assert. */
  follows({ place, kind, body }: Entry): boolean {
    const { epoch, seq } = this.#last as Place
    if (place.epoch === epoch) return place.seq === seq + 1
    return kind === 'epoch' && body.again === true
  }

  /** The next entry was read. */
  read({ place, kind }: Entry, now: number): void {
    this.#last = place
    if (kind === 'epoch') this.#epochBegan(place.epoch)
    this.#passed(place)
    const lastAt = this.#past.at(-1)?.at ?? Number.NEGATIVE_INFINITY
    if (now - lastAt >= BEAT_MS) this.#past.push({ place, at: now })
  }

  /**
   * Goes to the end of what was loaded from a server. Returns the new place; `undefined` if Redis has lost what this
   * node knows, so that the node keeps it.
   */
  load({ end, epoch, server }: Loaded, from: string | undefined): Place | undefined {
    this.#epochToRead = undefined
    if (this.#last && (!end || isBefore(end, this.#last))) {
      this.wantEpoch(epoch)
      return undefined
    }
    if (!end || epoch === undefined || server !== from) this.wantEpoch(epoch)
    else if (this.#last && epoch > this.#last.epoch) this.#epochWanted = undefined
    this.#last = end ?? BEFORE_ALL
    if (end) this.#passed(end)
    return this.#last
  }

  /** Entries before this place are not needed any more; `undefined` if all may be needed. */
  oldest(now: number): Place | undefined {
    const before = now - this.#keepMs
    while ((this.#past[1]?.at ?? Number.POSITIVE_INFINITY) <= before) this.#past.shift()
    const [first] = this.#past
    return first && first.at <= before ? first.place : undefined
  }

  // Resuming

  /** Whether this node shows what all others show at the same place. */
  get isSettled(): boolean {
    return this.#settledSince !== undefined
  }

  /** From this place on, this node shows what all others show; `undefined` if it does not. */
  get settledSince(): Place | undefined {
    return this.#settledSince
  }

  /** From the last place on, this node shows what all others show. */
  settle(): void {
    this.#settledSince ??= this.#last
  }

  /** From now on, this node may show something else than the others. */
  unsettle(): void {
    this.#settledSince = undefined
  }

  /** See `Member.canResumeFrom`. */
  canResumeFrom(place: Place): boolean {
    const since = this.#settledSince
    if (!since || !this.#last) return false
    return !isBefore(place, since) && !isBefore(this.#last, place)
  }

  // Epochs

  get wantsEpoch(): boolean {
    return this.#epochWanted !== undefined
  }

  /** Whether an epoch has begun that this node has not read yet. */
  get hasEpochToRead(): boolean {
    return this.#epochToRead !== undefined
  }

  /** Writes may be missing: a new epoch has to begin, in which all members assert. */
  wantEpoch(current: number | undefined): void {
    this.#epochWanted = { current }
    this.#settledSince = undefined
  }

  /** Another epoch is current than the one that this node knows. */
  foundEpoch(epoch: number | undefined): void {
    if (epoch !== undefined && epoch > (this.#last as Place).epoch) {
      this.#epochToRead = epoch
      this.#epochWanted = undefined
    } else {
      this.wantEpoch(epoch)
    }
  }

  /** The epoch that this node wanted has begun. */
  landedEpoch(epoch: number): void {
    this.#epochWanted = undefined
    if (epoch > (this.#last as Place).epoch) this.#epochToRead = epoch
  }

  /** The connection was closed: the epoch may be lost that was not read yet. */
  disconnected(): void {
    this.#epochMissed = this.#epochToRead ?? this.#epochMissed
    this.#epochToRead = undefined
  }

  /** There is a connection again, to the same server or another one, whose log ends here. */
  connected(end: Place | undefined, isOther: boolean): void {
    const missed = this.#epochMissed
    this.#epochMissed = undefined
    if (!this.#last) return
    if (isOther || !end || isBefore(end, this.#last)) this.wantEpoch(this.#last.epoch)
    // It is lost, or another program has written its number.
    else if (missed !== undefined && end.epoch < missed) this.wantEpoch(missed)
  }

  /** What an `epoch` replaces, and the epoch that begins at a time of the clock of Redis. */
  nextEpoch(at: number): { readonly epoch: number | undefined; readonly newEpoch: number } {
    const current = this.#epochWanted?.current
    const { epoch } = this.#last as Place
    const newEpoch = Math.max(at, epoch + 1, this.#greatestSeq + 1, (current ?? 0) + 1)
    return { epoch: current, newEpoch }
  }

  #epochBegan(epoch: number): void {
    this.#epochWanted = undefined
    if (epoch >= (this.#epochToRead ?? 0)) this.#epochToRead = undefined
    this.#settledSince = undefined
  }

  /**
   * Numbers grow over all epochs, because clients are told only numbers while they are connected. An epoch that began
   * with a smaller one is replaced: Redis has lost writes, and its clock was set back.
   */
  #passed({ epoch, seq }: Place): void {
    if (seq >= this.#greatestSeq) {
      this.#greatestSeq = seq
    } else if (!this.#epochWanted) {
      this.wantEpoch(epoch)
      this.#greatestSeq += RESERVED
    }
  }
}
