import type { UserId } from '@who-is-online/protocol/words'
import type { PresenceRecord as UserRecord } from '../presence/presence.ts'
import { type ArchivedUser, UserTable } from '../presence/user-table.ts'

/**
 * The stored records, one per user, and the time that is known to have passed. Those who are gone, the most of a million, are no objects until they
 * are asked for: objects that live through a load and die after it leave their pages behind, full of holes.
 */
export class Records implements Iterable<UserRecord> {
  readonly #known = new UserTable<UserRecord>()
  /**
   * A lower bound of the real time, in ms since the epoch, that grows only by time that processes saw pass; see
   * `Store.alive`. For files without it, the highest time stored anywhere. `undefined` where nothing was stored.
   */
  knownTime: number | undefined

  get size(): number {
    return this.#known.size
  }

  get(userId: UserId): UserRecord | undefined {
    const known = this.#known.get(userId)
    return known && asRecord(known)
  }

  /** Keeps a record in place of that user's former one. */
  set(record: UserRecord): void {
    if (isRow(record)) this.#known.archive(record.userId, record.lastSeen, record.username)
    else this.#known.put(record)
  }

  delete(userId: UserId): void {
    this.#known.forget(userId)
  }

  /** All records. Those that were reached may be replaced meanwhile. */
  *[Symbol.iterator](): Generator<UserRecord> {
    for (const known of this.#known) yield asRecord(known)
  }
}

/** Whether there is nothing in it that a row has no column for. */
function isRow(record: UserRecord): boolean {
  const { session, status, text, expiresAt, chosenAt, keptHidden, idle, inactive, newUsername } = record
  return (
    session === 'none' &&
    status === 'offline' &&
    text === undefined &&
    expiresAt === undefined &&
    chosenAt === undefined &&
    keptHidden === undefined &&
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
