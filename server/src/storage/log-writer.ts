import type { LogSource } from '../changes/stored-log.ts'
import type { LogHead, LogPart } from './journal.ts'
import type { LogSegment } from './log-replay.ts'

/**
 * How many numbers are reserved at least. A process that crashes has told some that it has not written, and the next
 * one goes on after the reserved ones. While the disk fails, no more can be reserved: these are enough for three hours
 * at 500 changes a second.
 */
const RESERVED = 5_000_000

/** A new segment repeats the changes of the segments before it if these have fewer in all. They are about 250 kB. */
const REPEATED = 1_024

/** What is written of the log of changes, and in which segments it is. */
export class LogWriter {
  readonly #source: LogSource
  /** In their order. Each has what comes after the one before it. */
  #segments: LogSegment[]
  /** The number up to which everything is durable. */
  #seq: number
  #reserved = 0
  /** Whether the source is not told what is durable. */
  #isHeld = false

  /** @param segments the segments with what earlier processes have written */
  constructor(source: LogSource, segments: readonly LogSegment[]) {
    this.#source = source
    this.#segments = [...segments]
    this.#seq = source.syncedSeq
  }

  /** The segments that have changes which are still kept. */
  get segments(): ReadonlySet<number> {
    return new Set(this.#segments.map(({ journal }) => journal))
  }

  /** What the next segment begins with: all that is not durable, and small parts of earlier segments. */
  first(): LogPart {
    const part = this.#source.endAfter(this.#repeatFrom())
    return { head: this.#head(part.after), changes: part.changes }
  }

  /** What is not durable yet. */
  next(): LogPart | undefined {
    const { after, changes } = this.#source.endAfter(this.#seq)
    // Changes that the source has not any more, because of an erasure, are missing together with the records.
    const isMissing = after > this.#seq
    if (changes.length === 0 && !isMissing) return undefined
    const isReserved = this.#source.seq + RESERVED <= this.#reserved
    return { head: isMissing || !isReserved ? this.#head(after) : undefined, changes }
  }

  /** A segment with its first part is durable. */
  began(journal: number, part: LogPart): void {
    const { head, changes } = part
    const after = head?.after ?? 0
    this.#segments = this.#segments.filter(segment => segment.after < after)
    this.#segments.push({ journal, after, changes: changes.length })
    this.#forget()
    this.#durable(part)
  }

  /** A part is durable, in the last segment. */
  written(part: LogPart): void {
    const last = this.#segments.at(-1)
    if (last) this.#segments.splice(-1, 1, { ...last, changes: last.changes + part.changes.length })
    this.#durable(part)
  }

  /** Tells the source nothing from now on: a crash may undo what is durable, because the records are not. */
  hold(): void {
    this.#isHeld = true
  }

  /** All records are durable. */
  release(): void {
    this.#isHeld = false
    this.#source.synced(this.#seq)
  }

  #durable({ head, changes }: LogPart): void {
    if (head) this.#reserved = head.reserved
    const seq = changes.at(-1)?.seq ?? head?.after ?? this.#seq
    this.#seq = Math.max(this.#seq, seq)
    if (!this.#isHeld) this.#source.synced(this.#seq)
  }

  #head(after: number): LogHead {
    const { epoch, lost, seq, dropped, erased } = this.#source
    const kept = lost.filter(({ before }) => before > dropped)
    return { epoch, after, reserved: seq + 2 * RESERVED, lost: kept, ...(erased > 0 && { erased }) }
  }

  /** The number from which a new segment repeats the log: at the latest that of the durable part. */
  #repeatFrom(): number {
    let from = this.#seq
    let repeated = 0
    for (const { after, changes } of this.#segments.toReversed()) {
      repeated += changes
      if (repeated > REPEATED) break
      from = Math.min(from, after)
    }
    return from
  }

  /** Forgets the segments of which no change is kept any more. */
  #forget(): void {
    const { dropped } = this.#source
    this.#segments = this.#segments.filter((_, index) => {
      const next = this.#segments[index + 1]
      return !next || next.after > dropped
    })
  }
}
