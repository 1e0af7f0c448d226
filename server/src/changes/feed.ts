import type { UserId } from '@who-is-online/protocol/words'
import type { Change, OwnChoice } from '../presence/change.ts'

/**
 * Is told what happens, at once and in order. What it throws is reported, and keeps no other listener from
 * being told.
 */
export interface FeedListener {
  /** Changes as they happen; `seq` is the number of the last of them. */
  changed(changes: readonly Change[], seq: number): void
  /** A user's own choice differs from now on, because a session chose or because the choice expired. */
  chosen?(choice: OwnChoice, bySession: string | undefined): void
}

/** A place in the order of changes: the last one that a client was told. */
export interface Place {
  readonly epoch: string
  readonly seq: number
}

/**
 * The numbered changes: each has the next number, and all listeners are told them in that order. The recent
 * ones are kept, so that a client that was away is told what changed meanwhile, instead of everything.
 */
export interface ChangeFeed {
  /** Names this life of the sequence: a place of another life says nothing about this one. */
  readonly epoch: string
  /** The number of the newest change; 0 before the first. */
  readonly seq: number

  /** Adds a listener. It is told of what happens from now on, after the listeners that were added before it. */
  listen(listener: FeedListener): void

  /** Gives the changes the next numbers and tells all listeners, before it returns. Never throws. */
  append(changes: readonly Change[]): void

  /** Tells all listeners of a user's own choice. Never throws. */
  chosen(choice: OwnChoice, bySession: string | undefined): void

  /** Whether everything that changed after a place is still known. */
  recalls(place: Place): boolean

  /** The number of a user's newest change; 0 if it is not among the recent ones. */
  newestOf(userId: UserId): number

  /** The users who changed after the change with this number, each once, in the order of their newest changes. */
  changedAfter(seq: number): UserId[]
}
