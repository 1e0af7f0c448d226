import { formatTime } from '@who-is-online/protocol/encode'
import type { ShownStatus, UserId } from '@who-is-online/protocol/words'
import type { Cause } from '../presence/fact.ts'
import type { NumberedChange } from './feed.ts'

/** A change as backends are told it. All times are ISO 8601. A record is unique by `epoch`, `seq` and `userId`. */
export interface ChangeRecord {
  readonly epoch: string
  /** The number of the change. Changes that became visible together have the same number. */
  readonly seq: number
  /** When the status began, or another text or name. */
  readonly at: string
  readonly userId: UserId
  readonly status: ShownStatus
  readonly previousStatus: ShownStatus
  /** When the previous status began; `null` if that is not known. */
  readonly previousSince: string | null
  readonly lastSeen: string
  readonly cause: Cause
  readonly username?: string | undefined
  readonly text?: string | undefined
}

/** The record of a change. Its keys are in the order in which they are sent. */
export function recordOf(change: NumberedChange, epoch: string): ChangeRecord {
  const { seq, at, userId, status, previousStatus, previousSince, lastSeen, cause, username, text } = change
  return {
    epoch,
    seq,
    at: formatTime(at),
    userId,
    status,
    previousStatus,
    previousSince: previousSince === 0 ? null : formatTime(previousSince),
    lastSeen: formatTime(lastSeen),
    cause,
    username,
    text,
  }
}
