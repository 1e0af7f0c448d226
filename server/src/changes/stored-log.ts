import type { NumberedChange } from './feed.ts'

/** Numbers between two others. An earlier process may have told them, and has lost their changes in a crash. */
export interface LostNumbers {
  readonly after: number
  readonly before: number
}

/** The log of changes as the processes before have stored it. */
export interface StoredLog {
  readonly epoch: string
  /** All changes with a greater number are in `changes`, besides the lost ones. */
  readonly after: number
  /** In the order of their numbers. */
  readonly changes: readonly NumberedChange[]
  readonly lost: readonly LostNumbers[]
  /** Where the numbers go on: no process has told a greater one. */
  readonly seq: number
  /**
   * Changes up to this number are not here, because their process has erased a user. They would tell what others saw of
   * the users whose next change was delayed by the rate limit. So nobody can resume in the log if it begins there.
   */
  readonly erased?: number | undefined
}

/** The end of a log: all changes that are kept with a number greater than `after`. */
export interface LogEnd {
  readonly after: number
  readonly changes: readonly NumberedChange[]
}

/** What a store asks the feed whose changes it stores. */
export interface LogSource {
  readonly epoch: string
  readonly seq: number
  /** The number up to which everything is durable. */
  readonly syncedSeq: number
  readonly lost: readonly LostNumbers[]
  /** The number of the last change that is not kept any more. */
  readonly dropped: number
  /** See {@link StoredLog.erased}; 0 if this process has erased nobody. */
  readonly erased: number
  /** The changes after a number, or after the last one that is not kept any more. */
  endAfter(seq: number): LogEnd
  /** All changes up to this number are durable. */
  synced(seq: number): void
}
