import type { UserId } from '@who-is-online/protocol/words'
import type { Here } from './here.ts'
import type { LastSeenCorrection } from './last-seen-correction.ts'
import type { PresenceRecord } from './record.ts'
import type { User } from './user.ts'
import type { ArchivedUser } from './user-table.ts'
import type { View } from './view.ts'
import type { WallClock } from './wall-clock.ts'

/** Makes the records of users: what the next process has to know to continue. Pending facts count as visible. */
export class Records {
  readonly #wall: WallClock
  readonly #here: Here
  readonly #view: View
  readonly #correction: LastSeenCorrection

  constructor(wall: WallClock, here: Here, view: View, correction: LastSeenCorrection) {
    this.#wall = wall
    this.#here = here
    this.#view = view
    this.#correction = correction
  }

  /** The record of a user; undefined for an unknown user. */
  get(userId: UserId): PresenceRecord | undefined {
    const user = this.#here.get(userId)
    if (user) return this.of(user)
    const known = this.#view.get(userId)
    return known && this.#ofArchived(known)
  }

  /** The record of a user about whom this node knows more than others see. */
  of(user: User): PresenceRecord {
    const { userId, liveness, choice, chosenAt, newName, wasSeen } = user
    const seen = this.#here.seen(userId)
    // A start shows at once what the rate limit delays.
    const sign = user.isShownNext ? user.heardAt : undefined
    const aheadMs = seen && sign === undefined ? this.#correction.aheadMs(userId, seen.lastSeen) : undefined
    // Without a session, only a choice with an end is kept, and for some time the choice to be hidden.
    const isKept = liveness !== 'none' || choice.expiresAt !== undefined || user.isKeptHidden
    const record: { -readonly [Field in keyof PresenceRecord]: PresenceRecord[Field] } = {
      userId,
      session: liveness,
      status: isKept ? choice.status : 'offline',
      lastSeen: sign === undefined ? this.#lastSeenOf(user, seen?.lastSeen) : sign + this.#wall.behindMs(),
    }
    // Not by spreading optional parts: a record is made for each command, and that would take twice as long.
    if (isKept && choice.text !== undefined) record.text = choice.text
    if (isKept && choice.expiresAt !== undefined) record.expiresAt = choice.expiresAt
    if (chosenAt > 0) record.chosenAt = chosenAt
    if (user.isKeptHidden) record.keptHidden = true
    if (user.isIdle) record.idle = true
    if (user.leaseCount > 0) record.leases = user.leases(awake => this.#wall.at(awake))
    if (user.isInactive) record.inactive = true
    if (aheadMs !== undefined) record.aheadMs = aheadMs
    if (!wasSeen) record.unseen = true
    if (seen?.username !== undefined) record.username = seen.username
    if (newName !== undefined) record.newUsername = newName
    return record
  }

  /** The records of these users. Unknown users are left out. */
  ofAll(userIds: readonly UserId[]): PresenceRecord[] {
    return userIds.flatMap(userId => this.get(userId) ?? [])
  }

  /**
   * The records of all users, each in the state of the moment when it is reached. Users may be added and
   * forgotten meanwhile.
   */
  *all(): Generator<PresenceRecord> {
    for (const { userId } of this.#view.users()) {
      const record = this.get(userId)
      if (record) yield record
    }
    for (const user of this.#here.users()) {
      // Others have not seen this user yet, or the first fact about the user is pending.
      if (!this.#view.get(user.userId)) yield this.of(user)
    }
  }

  // Private

  #lastSeenOf({ userId, knownSince }: User, seen: number | undefined): number {
    return seen === undefined ? knownSince : this.#correction.stored(userId, seen)
  }

  #ofArchived({ userId, lastSeen, username }: ArchivedUser): PresenceRecord {
    const aheadMs = this.#correction.aheadMs(userId, lastSeen)
    return {
      userId,
      session: 'none',
      status: 'offline',
      lastSeen: this.#correction.stored(userId, lastSeen),
      ...(aheadMs !== undefined && { aheadMs }),
      ...(username !== undefined && { username }),
    }
  }
}
