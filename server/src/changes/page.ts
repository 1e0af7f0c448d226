import type { BucketPlace } from '../presence/buckets.ts'
import { cursorOf, placeOf } from '../presence/page-cursor.ts'
import type { PresenceUser } from '../user-json.ts'
import type { Place } from './feed.ts'
import type { ChangeRecord } from './record.ts'

/**
 * What a backend is told at once: some changes, or a part of the full state. Its keys are in the order in which they
 * are sent.
 *
 * With `recovered: true`, `changes` has everything that others saw change after `prevSeq`, up to `seq`.
 *
 * With `recovered: false`, what changed after the given place is not known any more, and the full state follows in
 * pages of `users`, all with the same `epoch` and `seq`. The final one has `last: true`. A user who is on none of them
 * is offline. The changes after `seq` follow. Some of them may be older than what a page says of a user; what the last
 * of them says is right.
 */
export interface ChangePage {
  readonly epoch: string
  /** The number of the given place; `null` if the full state follows. */
  readonly prevSeq: number | null
  /** The number to continue from, with `epoch`. */
  readonly seq: number
  readonly recovered: boolean
  readonly changes: readonly ChangeRecord[]
  /** Users of the full state who are not offline. */
  readonly users?: readonly PresenceUser[] | undefined
  /** Whether the full state ends with this page. */
  readonly last?: boolean | undefined
  /** Where the full state goes on; present on all its pages but the last. At most 200 bytes. */
  readonly cursor?: string | undefined
}

/** A place within a full state. */
export interface StatePlace extends Place {
  readonly next: BucketPlace | undefined
}

/** The place of a reader that was told nothing. No log knows it, so the full state follows. */
export const NOWHERE: Place = { epoch: '', seq: 0 }

/** The epoch, the number, and the rest of a cursor. */
const TEXT = /^([\w-]{1,40}):(\d{1,15})(?::(.+))?$/s

/** The text of a place: `EPOCH:SEQ`. */
export function textOf({ epoch, seq }: Place): string {
  return `${epoch}:${seq}`
}

/** The place that a text stands for; `undefined` if it is not one. */
export function placeIn(text: string): Place | undefined {
  const [, epoch, seq, rest] = TEXT.exec(text) ?? []
  return epoch === undefined || rest !== undefined ? undefined : { epoch, seq: Number(seq) }
}

/** The cursor of a place within a full state: `EPOCH:SEQ:BUCKET.USERID`. */
export function stateCursor(place: Place, next: BucketPlace): string {
  return `${textOf(place)}:${cursorOf(next)}`
}

/** The place within a full state that a cursor stands for; `undefined` if it is not one. */
export function statePlaceIn(cursor: string): StatePlace | undefined {
  const [, epoch, seq, rest = ''] = TEXT.exec(cursor) ?? []
  const next = placeOf(rest)
  return epoch === undefined || !next ? undefined : { epoch, seq: Number(seq), next }
}
