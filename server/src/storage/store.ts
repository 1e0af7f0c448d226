import type { UserId } from '@who-is-online/protocol/words'
import type { PresenceRecord as UserRecord } from '../presence/presence.ts'
import type { Records } from './records.ts'

export type { PresenceRecord as UserRecord } from '../presence/presence.ts'

/**
 * Whether notes reach the disk. `since` is in ms since the epoch.
 *
 * `late`: no call has failed, but something has waited for the disk for more than 1 s. A crash now loses what waits.
 * It ends when nothing has been that late for 5 s. `failing`: the disk refuses; `error` says why.
 */
export type StoreHealth =
  | { readonly state: 'ok' }
  | { readonly state: 'late'; readonly since: number }
  | { readonly state: 'failing'; readonly since: number; readonly error: string }

/**
 * Where presence outlives the process. One caller, one process; calls come in the order
 * `load`, `start`, any number of the others, `close`.
 */
export interface Store {
  /**
   * Takes the place, so that no other process has it, and reads what an earlier process stored.
   * A live, visible user of a process that did not stop cleanly gets as `lastSeen` the last time that process was
   * known to be alive. All other times are returned as they were stored, whatever the clock says now. Every record
   * was written by a `note` or a snapshot: damaged data is never returned as if it were whole, and an empty answer
   * means that nothing was ever written. `knownTime` of the answer is explained at `alive`.
   *
   * @throws StoreLocked when another process has the place; StoreDamaged when nothing readable is left of what was
   * written; StoreUnusable when the place can't be read or written. All of them leave every file as it was.
   */
  load(): Promise<Records>

  /**
   * Begins to write. `everyone` yields the record of every user as it is at that moment; it is walked in slices, and
   * users may come, change and leave meanwhile. `knownTime` is asked for each snapshot and at the end; see `alive`.
   */
  start(everyone: () => Iterable<UserRecord>, knownTime?: () => number): Promise<void>

  /** Keeps the newest record of a user. Never throws, never waits; durable within 150 ms, or after `flush`. */
  note(record: UserRecord): void

  /** Forgets a user. Never throws, never waits. */
  forget(userId: UserId): void

  /**
   * Records that the process is alive at `now`, in ms since the epoch; see `load`. Call it at least every 5 s while
   * somebody is online. Never throws, never waits.
   *
   * `knownTime` is a lower bound of the real time, in ms since the epoch, that grows only by time that processes saw
   * pass, never by a jump of the wall clock. The next `load` returns the highest value that was stored.
   */
  alive(now: number, knownTime?: number): void

  /** Resolves when all that was noted before is durable. @throws when it can't be made durable. */
  flush(): Promise<void>

  /** Writes everything into one snapshot. Resolves when it is durable. @throws when that fails. */
  save(): Promise<void>

  /**
   * Whether notes are becoming durable. A failing store takes notes and recovers by itself, with one exception:
   * when another process has taken the place, this store never writes again.
   */
  health(): StoreHealth

  /**
   * Writes what was noted, and gives the place back. It waits for the disk: where the disk hangs it does not
   * resolve, so a caller that must end needs a time limit of its own. An unfinished close is like a crash.
   */
  close(): Promise<void>
}

/** Another process has the place. The message names it. */
export class StoreLocked extends Error {
  override readonly name = 'StoreLocked'
}

/** What was written can't be read any more, neither the state nor its backup. The message says what to do. */
export class StoreDamaged extends Error {
  override readonly name = 'StoreDamaged'
}

/** The place can't be read or written at all: full, read-only, foreign, no directory. The message says what to do. */
export class StoreUnusable extends Error {
  override readonly name = 'StoreUnusable'
}
