import type { NumberedChange } from '../changes/feed.ts'
import type { LostNumbers, StoredLog } from '../changes/stored-log.ts'
import type { Entry, LogHead } from './journal.ts'

/** A segment with a part of the log: it has the changes after `after`, or after what the segments before it have. */
export interface LogSegment {
  readonly journal: number
  readonly after: number
  readonly changes: number
}

/** The log of changes while segments are read, the oldest first. */
export class LogReplay {
  #head: LogHead | undefined
  #after = 0
  #changes: NumberedChange[] = []
  /** The number of the last change that was read, or of the place where the log begins. */
  #last = 0
  #segments: { journal: number; after: number; changes: number }[] = []

  /** Applies a line of a segment. */
  apply(journal: number, entry: Entry): void {
    if (entry.kind === 'log') this.#begin(journal, entry.head)
    else if (entry.kind === 'change') this.#add(journal, entry.change)
  }

  /** The segments that have a part of the log. */
  get segments(): readonly LogSegment[] {
    return this.#segments
  }

  /**
   * The log at the end; `undefined` if none was read.
   *
   * @param hasCrashed whether the last process may have told numbers that it has not written
   */
  finish(hasCrashed: boolean): StoredLog | undefined {
    if (!this.#head) return undefined
    const { epoch, reserved, erased } = this.#head
    const end = this.#reached(this.#last)
    const isLost = hasCrashed && reserved > end
    const known = this.#head.lost.filter(({ before }) => before > this.#after)
    const lost = isLost ? [...known, { after: end, before: reserved }] : known
    return { epoch, after: this.#after, changes: this.#changes, lost, seq: isLost ? reserved : end, erased }
  }

  #begin(journal: number, head: LogHead): void {
    const isOther = head.epoch !== this.#head?.epoch
    this.#head = head
    if (isOther || head.after > this.#reached(this.#last)) this.#clear(head.after)
    if (this.#segments.at(-1)?.journal === journal) return
    // This segment has all that they have.
    this.#segments = this.#segments.filter(({ after }) => after < head.after)
    this.#segments.push({ journal, after: head.after, changes: 0 })
  }

  #add(journal: number, change: NumberedChange): void {
    const { seq } = change
    const segment = this.#segments.at(-1)
    if (segment?.journal === journal) segment.changes++
    if (seq <= this.#last) return
    // Something between is missing.
    if (seq !== this.#reached(this.#last) + 1) this.#clear(seq - 1)
    this.#last = seq
    this.#changes.push(change)
  }

  #clear(after: number): void {
    this.#changes = []
    this.#segments = []
    this.#after = after
    this.#last = after
  }

  /** How far the numbers are that follow a change: the lost ones after it have no changes. */
  #reached(seq: number): number {
    let reached = seq
    for (const { after, before } of this.#head?.lost ?? NONE) if (after === reached) reached = before
    return reached
  }
}

const NONE: readonly LostNumbers[] = []
