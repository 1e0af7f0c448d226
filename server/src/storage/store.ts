import type { UserId } from '@who-is-online/protocol/words'
import type { LogSource } from '../changes/stored-log.ts'
import type { Durations } from '../durations.ts'
import type { PresenceRecord as UserRecord } from '../presence/record.ts'
import type { Records } from './records.ts'

export type { PresenceRecord as UserRecord } from '../presence/record.ts'

/**
 * Whether changes reach the disk in time. `since` is in ms since the epoch.
 *
 * `late`: no call has failed, but something has waited for the disk for more than 1 s. A crash would lose
 * what waits. The state ends when nothing has been late for 5 s. `failing`: a call has failed; `error` is the
 * reason.
 */
export type StoreHealth =
  | { readonly state: 'ok' }
  | { readonly state: 'late'; readonly since: number }
  | { readonly state: 'failing'; readonly since: number; readonly error: string }

/** How long a store took until what it wrote was durable: a batch of the journal, and a snapshot. */
export interface StoreTimes {
  readonly journal: Durations
  readonly save: Durations
}

/**
 * The port for storage that survives a restart. It has one caller in one process, which calls `load`, then
 * `start`, then the other methods in any order, and finally `close`.
 */
export interface Store {
  /**
   * Takes exclusive ownership of the stored data, and reads what an earlier process stored.
   *
   * If the earlier process did not stop cleanly, `lastSeen` of its live, visible users is the last time that
   * the process was known to be alive. All other times are returned as they were stored, whatever the clock
   * says now. Every record comes from a `put` or a snapshot: damaged data is never returned as valid, and an
   * empty result means that nothing was ever written. `knownTime` of the result is explained at `recordAlive`. `log` of
   * the result is the log of changes, if it was stored and fits to the users.
   *
   * @throws StoreLocked when another process owns the data; StoreDamaged when nothing of what was written is
   * readable; StoreUnusable when the location can't be read or written. In all three cases no file has
   * changed.
   */
  load(): Promise<Records>

  /**
   * Starts writing. `everyone` yields the current record of every user. It is iterated in slices, and users
   * may be added, changed and removed meanwhile. `knownTime` is called for each snapshot and at the end; see
   * `recordAlive`.
   *
   * With `log`, the store also keeps the log of changes. A batch has the records and the changes of the same moment, so
   * both are durable together; `log.synced` is called then. After a failure, the store asks for what it missed.
   */
  start(everyone: () => Iterable<UserRecord>, knownTime?: () => number, log?: LogSource): Promise<void>

  /**
   * Stores the newest record of a user. Never throws and never waits. The record is durable within 150 ms, or
   * when a later `flush` has resolved.
   */
  put(record: UserRecord): void

  /** Removes a user. Never throws and never waits; durable like `put`. */
  delete(userId: UserId): void

  /**
   * Records that the process is alive at `now`, in ms since the epoch; see `load`. Call it at least every 5 s
   * while a user is online. Never throws and never waits.
   *
   * `knownTime` is a lower bound of the real time, in ms since the epoch. It grows only by time that a
   * process measured, never by a jump of the wall clock. The next `load` returns the highest value that was
   * stored.
   */
  recordAlive(now: number, knownTime?: number): void

  /** The log has more changes. Never throws and never waits; durable like `put`. */
  logGrown(): void

  /** Resolves when every earlier `put` and `delete` is durable. @throws Error when it can't be made durable. */
  flush(): Promise<void>

  /** Writes all records as one snapshot. Resolves when it is durable. @throws Error when that fails. */
  save(): Promise<void>

  /**
   * Removes what was deleted from all files: `delete` alone leaves it in the backup and in older parts of the journal.
   * The same holds for changes of the log that the source does not have any more. Resolves when that is durable. If it
   * fails, the store tries again by itself. @throws Error when it fails
   */
  purge(): Promise<void>

  /**
   * Whether records become durable. A failing store accepts further records and recovers by itself. The
   * exception: after another process has taken ownership, this store never writes again.
   */
  health(): StoreHealth

  /** How long writes took; `undefined` if nothing is written to a disk. */
  readonly times?: StoreTimes | undefined

  /**
   * Writes the pending records, and gives up ownership. It waits for the disk: if the disk hangs, it does not
   * resolve, so a caller that must end needs a timeout of its own. An unfinished `close` has the same effect
   * as a crash.
   */
  close(): Promise<void>
}

/** Another process owns the data. The message names the process. */
export class StoreLocked extends Error {
  override readonly name = 'StoreLocked'
}

/** Neither the stored state nor its backup is readable. The message says what to do. */
export class StoreDamaged extends Error {
  override readonly name = 'StoreDamaged'
}

/**
 * The location can't be read or written: full, read-only, wrong owner, not a directory. The message says what
 * to do.
 */
export class StoreUnusable extends Error {
  override readonly name = 'StoreUnusable'
}
