import type { UserId } from '@who-is-online/protocol/words'
import type { Change, OwnChoice } from '../presence/change.ts'

/**
 * Is told what happens, at once and in order. What it throws is reported, and keeps no other listener from
 * being told.
 */
export interface FeedListener {
  /** Changes as they happen, at least one. All changes with the same number come in one call. */
  changed(changes: readonly NumberedChange[]): void
  /** All changes up to `ChangeFeed.syncedSeq` survive a crash: that number has grown. */
  synced?(): void
  /** A user's own choice differs from now on, because a session chose or because the choice expired. */
  chosen?(choice: OwnChoice, bySession: string | undefined): void
}

/**
 * A change and its number. Changes that became visible together may have the same number. `previousSince` is known if
 * an earlier recent change of the user tells it.
 */
export interface NumberedChange extends Change {
  readonly seq: number
}

/** A place in the order of changes: a client that was told it has everything up to this number. */
export interface Place {
  readonly epoch: string
  readonly seq: number
}

/** The port for what the numbers come from: from which places clients can resume. */
export interface Places {
  /** Names the present sequence of numbers. Clients return it with a number. */
  readonly epoch: string
  /** Whether the numbers after a place are those of the same order of changes, with none left out. */
  recalls(place: Place): boolean
}

/**
 * The numbered changes. All listeners are told them in the order of their numbers. The recent ones are kept, so that
 * a client that was away is told what changed meanwhile, instead of everything.
 *
 * Numbers grow, and need not follow each other: in a log that several nodes share, all changes of an entry have the
 * number of the entry, and many entries change nothing that others see. So nobody may count.
 */
export interface ChangeFeed {
  /** Names the sequence of numbers. In a cluster, another one can begin while the server runs. */
  readonly epoch: string
  /** The greatest number so far; 0 before the first. */
  readonly seq: number

  /**
   * The greatest number whose changes survive a crash of this process; the same as `seq` if changes are not stored.
   * Backends, which keep what they are told, are told nothing newer.
   */
  readonly syncedSeq: number

  /** Adds a listener. It is told of what happens from now on, after the listeners that were added before it. */
  listen(listener: FeedListener): void

  /**
   * Numbers the changes and tells all listeners, before it returns. Never throws.
   *
   * @param seq the number of all these changes, greater than all numbers before; without it, each change has the next
   * number
   */
  append(changes: readonly Change[], seq?: number): void

  /**
   * Moves the number on, though others see no change. No listener is told. Clients are told this number from now on,
   * and can resume from it. A number that is not greater than the present one changes nothing.
   */
  reached(seq: number): void

  /** Tells all listeners of a user's own choice. Never throws. */
  chosen(choice: OwnChoice, bySession: string | undefined): void

  /** Whether a client can resume from a place: everything that changed after it is still known. */
  recalls(place: Place): boolean

  /**
   * Whether a place may be one that another node has told, up to which this node has not read yet. A single server has
   * told all places itself.
   */
  isAhead(place: Place): boolean

  /** The number of a user's newest change; 0 if it is not among the recent ones. */
  newestOf(userId: UserId): number

  /**
   * The users who have changes with a greater number than this one of the present sequence, each once, in the order of
   * their newest changes. `undefined` if one of these changes is not known any more.
   */
  changedAfter(seq: number): UserId[] | undefined

  /**
   * The users who have changed after a place from which a client resumes, each once, in the order of their newest
   * changes. `undefined` if the client can't resume from there; see {@link recalls}.
   */
  changedSince(place: Place): UserId[] | undefined

  /**
   * A user is erased: from now on, the store is given no change up to the newest one of the user. Returns the number of
   * that change; 0 if it is not among the recent ones. Call `drop` with it when readers had time to read it.
   */
  erase(userId: UserId): number

  /** Drops all changes up to a number. Who was not told them can't resume, and is told the full state. */
  drop(seq: number): void

  /**
   * The changes with a greater number than this one of the present sequence, in order, up to `syncedSeq`. `undefined`
   * if one of them is not known any more.
   *
   * @param limit how many changes at most, from 1. There may be more, because all changes with one number come together
   */
  after(seq: number, limit: number): readonly NumberedChange[] | undefined
}
