import type { UserId } from '@who-is-online/protocol/words'
import type { PresenceRecord as UserRecord } from '../presence/presence.ts'
import type { Records } from './records.ts'

export type { PresenceRecord as UserRecord } from '../presence/presence.ts'

/** Whether notes reach the disk, and since when and why not. */
export type StoreHealth =
  | { readonly state: 'ok' }
  | { readonly state: 'failing'; readonly since: number; readonly error: string }

/**
 * Where presence outlives the process. One caller, one process; calls come in the order
 * `load`, `start`, any number of the others, `close`.
 */
export interface Store {
  /**
   * Takes hold of the place (nobody else may have it) and reads what an earlier process left.
   * A live, visible user of a process that did not stop cleanly carries as `lastSeen` the last time that
   * process was known alive. Every record it returns was written by a `note` or a snapshot: what is damaged
   * is never returned as if it were whole, and an empty answer means that nothing was ever written.
   *
   * @throws StoreLocked when another process has the place; StoreDamaged when nothing readable is left of
   * what was written. Both leave every file as it was.
   */
  load(): Promise<Records>

  /**
   * Begins to keep. `everyone` yields the record of every user as it is at the moment it is reached; it is
   * walked in slices, and may be walked while users come, change and go.
   */
  start(everyone: () => Iterable<UserRecord>): Promise<void>

  /** Keeps the newest record of a user. Never throws, never waits; durable within 150 ms, or after `flush`. */
  note(record: UserRecord): void

  /** Forgets a user. Never throws, never waits. */
  forget(userId: UserId): void

  /** Says that the process is alive at `now`; see `load`. Call at least every 5 s. Never throws, never waits. */
  alive(now: number): void

  /** Resolves when all that was noted before is durable. @throws when it can't be made durable. */
  flush(): Promise<void>

  /** Writes everything into one snapshot. Resolves when it is durable. @throws when that fails. */
  save(): Promise<void>

  /** Whether notes are becoming durable. A store that fails goes on taking notes and recovers by itself. */
  health(): StoreHealth

  /** Lets go of the place. What was noted and not flushed may be lost. */
  close(): Promise<void>
}

/** Another process has the place. */
export class StoreLocked extends Error {
  override readonly name = 'StoreLocked'
}

/** What was written can't be read any more, neither the state nor its backup. The message says what to do. */
export class StoreDamaged extends Error {
  override readonly name = 'StoreDamaged'
}
