import type { UserId } from '@who-is-online/protocol/words'
import type { NumberedChange } from '../changes/feed.ts'
import type { LostNumbers } from '../changes/stored-log.ts'
import type { UserRecord } from './store.ts'

/*
 * The journal contains the changes since the last snapshot. It is a series of segments. Each segment is a
 * text file with lines such as
 *
 *     1c291ca3 {"userId":"123","status":"online","lastSeen":"2026-11-24T06:10:00.000Z"}
 *
 * A line starts with the CRC-32 of its JSON. The first line is the head. Of the lines after it, a row stores a user,
 * `forget` removes one, `change` is a visible change and `log` begins a part of the log of changes, `alive` is a time
 * at which the process was alive, and `closed` means that the process stopped cleanly. `alive` and `closed` may have
 * `knownTime`; see `Store.recordAlive`.
 */

/** The head of a segment, its first line. */
export interface SegmentHead {
  /** The number of the segment. A file with another number in its name is a copy, and is not read. */
  readonly journal: number
  /** A random id of the state that the segment belongs to. Absent in files of earlier versions. */
  readonly stateId?: string
  /** The id of the lock of the process that wrote the segment. Absent in files of earlier versions. */
  readonly writer?: string
  /**
   * Why the segment was started. `start`: a process started, so users who were live before are not live any
   * more. `snapshot`: a snapshot began, and the segment continues where the last one ended. `failure`: the
   * disk failed and works again; changes in between were not written. `removal`: all files were removed while
   * the process ran, so nothing older exists; a snapshot follows.
   */
  readonly after: 'start' | 'snapshot' | 'failure' | 'removal'
  /** The previous segment and how many of its bytes are durable. What comes after them was never durable. */
  readonly previous?: { readonly journal: number; readonly bytes: number }
  /** The fingerprint of the imported state file that this segment continues. */
  readonly imported?: string
}

/** Marks a user who was removed, in place of a record. */
export const DELETED = Symbol('deleted')

/** How a part of the log of changes begins. */
export interface LogHead {
  readonly epoch: string
  /** All changes with a greater number follow, unless they were written before. */
  readonly after: number
  /** The process tells no greater number before it has written another head. */
  readonly reserved: number
  readonly lost: readonly LostNumbers[]
  /** See `StoredLog.erased`. */
  readonly erased?: number
}

/** A part of the log of changes. Without a head, it continues what was written before. */
export interface LogPart {
  readonly head: LogHead | undefined
  readonly changes: readonly NumberedChange[]
}

/**
 * What is written at once: the newest record of each changed user, the changes of the same time, and when the process
 * was last known to be alive.
 */
export interface Batch {
  readonly log: LogPart | undefined
  readonly users: ReadonlyMap<UserId, UserRecord | typeof DELETED>
  readonly alive: number | undefined
  /** See `Store.recordAlive`. Written only together with `alive`. */
  readonly knownTime: number | undefined
}

/** One line of the journal after the head, decoded. */
export type Entry =
  | { readonly kind: 'keep'; readonly record: UserRecord }
  | { readonly kind: 'change'; readonly change: NumberedChange }
  | { readonly kind: 'log'; readonly head: LogHead }
  | { readonly kind: 'forget'; readonly userId: UserId }
  | { readonly kind: 'alive'; readonly at: number; readonly knownTime: number | undefined }
  | { readonly kind: 'closed'; readonly at: number | undefined; readonly knownTime: number | undefined }
