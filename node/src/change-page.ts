import type { Status, User } from './api.ts'

/** A place in the log of changes. Numbers of different epochs can't be compared. */
export interface Place {
  readonly epoch: string
  readonly seq: number
}

/** A visible change of one user. All times are ISO 8601 in UTC. A record is unique by `epoch`, `seq` and `userId`. */
export interface ChangeRecord extends Place {
  /** When the status began, or another text or name. */
  readonly at: string
  readonly userId: string
  readonly status: Status
  readonly previousStatus: Status
  /** When the previous status began; `null` if that is not known. */
  readonly previousSince: string | null
  readonly lastSeen: string
  /** Why it changed. */
  readonly cause: Cause
  readonly username?: string | undefined
  readonly text?: string | undefined
}

/**
 * Why others see a change: a session began (`opened`), ended (`left`), was lost (`lost`), was ended by a backend
 * (`kicked`) or was on a node that was lost (`nodeLost`); the user chose a status (`chosen`) or it ended (`expired`);
 * nobody used a device (`idle`) or somebody does again (`active`); or another name (`renamed`). Hiding is `left`, and
 * showing oneself is `opened`.
 */
export type Cause =
  | 'opened'
  | 'left'
  | 'lost'
  | 'kicked'
  | 'nodeLost'
  | 'chosen'
  | 'expired'
  | 'idle'
  | 'active'
  | 'renamed'

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
