import type { Change, User } from './api.ts'

/** A place in the log of changes. Numbers of different epochs can't be compared. */
export interface Place {
  readonly epoch: string
  readonly seq: number
}

/** A visible change of one user, as `getChanges` answers it. */
export type ChangeRecord = Change

/** One page of the log, as the server sends it over HTTP and to webhooks: changes, or a part of the full state. */
export type ChangePage = PageOfChanges | PageOfState

/** All changes after `prevSeq`, up to `seq`. */
export interface PageOfChanges extends Place {
  readonly recovered: true
  readonly prevSeq: number
  readonly changes: readonly ChangeRecord[]
}

/**
 * A part of the full state. All parts have the same `epoch` and `seq`, and the final one has `last: true`. A user who
 * is on none of them is offline.
 */
export interface PageOfState extends Place {
  readonly recovered: false
  readonly prevSeq: null
  readonly changes: readonly []
  /** Users who are not offline. */
  readonly users: readonly User[]
  readonly last: boolean
  /** Where the full state goes on over HTTP. */
  readonly cursor?: string | undefined
}
