import type { UserId } from '@who-is-online/protocol/words'
import type { StoredLog } from '../changes/stored-log.ts'
import type { PresenceRecord as UserRecord } from '../presence/record.ts'
import { type ArchivedUser, UserTable } from '../presence/user-table.ts'

/**
 * The stored records, one per user, and the known time. Most records belong to offline users without further
 * state. They are kept as compact rows and become objects only when requested: objects that live until a load
 * has ended would leave the heap fragmented.
 */
export class Records implements Iterable<UserRecord> {
  readonly #known = new UserTable<UserRecord>()
  /**
   * A lower bound of the real time, in ms since the epoch; see `Store.recordAlive`. If it was not stored, the
   * highest time that was stored anywhere. `undefined` if nothing was stored.
   */
  knownTime: number | undefined
  /**
   * What the wall clock of the last process showed at last, as far as it was stored, in ms since the epoch;
   * `undefined` if nothing was stored.
   */
  latestTime: number | undefined
  /** The log of changes; `undefined` if none was stored that fits to the users. */
  log: StoredLog | undefined

  /** The number of users. */
  get size(): number {
    return this.#known.size
  }

  /** The record of a user; `undefined` if the user is unknown. */
  get(userId: UserId): UserRecord | undefined {
    const known = this.#known.get(userId)
    return known && asRecord(known)
  }

  /** Stores a record and replaces an earlier one of the same user. */
  set(record: UserRecord): void {
    if (fitsRow(record)) this.#known.archive(record.userId, record.lastSeen, record.username)
    else this.#known.put(record)
  }

  /** Removes the record of a user. */
  delete(userId: UserId): void {
    this.#known.forget(userId)
  }

  /** Yields the records that hold more than a row can, such as those of users who were present. */
  *active(): Generator<UserRecord> {
    for (let position = 0; position < this.#known.end; position++) {
      const record = this.#known.activeAt(position)
      if (record) yield record
    }
  }

  /** Yields all records. Records that were already yielded may be replaced during the iteration. */
  *[Symbol.iterator](): Generator<UserRecord> {
    for (const known of this.#known) yield asRecord(known)
  }
}

/** Whether a compact row can hold everything in this record. */
function fitsRow(record: UserRecord): boolean {
  const {
    session,
    status,
    text,
    expiresAt,
    chosenAt,
    keptHidden,
    unseen,
    aheadMs,
    idle,
    inactive,
    newUsername,
  } = record
  return (
    session === 'none' &&
    status === 'offline' &&
    text === undefined &&
    expiresAt === undefined &&
    chosenAt === undefined &&
    keptHidden === undefined &&
    unseen === undefined &&
    aheadMs === undefined &&
    idle === undefined &&
    inactive === undefined &&
    newUsername === undefined
  )
}

function asRecord(known: UserRecord | ArchivedUser): UserRecord {
  if ('session' in known) return known
  const { userId, lastSeen, username } = known
  return { userId, session: 'none', status: 'offline', lastSeen, ...(username !== undefined && { username }) }
}
