import type { ShownStatus, UserId } from '@who-is-online/protocol/words'
import { type BucketPlace, Buckets } from './buckets.ts'
import type { Change } from './change.ts'
import { OFFLINE, type ShownPresence } from './choice.ts'
import { type Fact, presenceOf } from './fact.ts'
import { type ArchivedUser, NO_POSITION, UserTable } from './user-table.ts'
import type { WallClock } from './wall-clock.ts'

/** A user as others see them. */
export interface SeenUser {
  readonly userId: UserId
  readonly status: ShownStatus
  /** Ms since the epoch; null for a user whom others have never seen. */
  readonly lastSeen: number | null
  readonly username: string | undefined
  readonly text: string | undefined
  /** When the text and the status end, in ms since the epoch. */
  readonly expiresAt: number | undefined
  /** When the status began, in ms since the epoch; undefined if that is not known, as for all who are offline. */
  readonly since: number | undefined
}

/** Some users, and the position at which the next page begins; undefined after the last page. */
export interface Page {
  readonly users: readonly SeenUser[]
  readonly next: BucketPlace | undefined
}

/** Which users a page lists: those with a status, or all who are not offline. */
export type ListedStatus = ShownStatus | 'visible'

/**
 * What others saw of a user before: a status, and when it began in ms since the epoch; 0 if that is not known, as for
 * all users who are offline: a column of the table for it would take 10 bytes for each of them.
 */
interface Before {
  readonly status: ShownStatus
  readonly since: number
}

/** A user who is not offline. All other users are rows of the table. */
interface VisibleUser {
  readonly userId: UserId
  /** When the status began, in ms since the epoch; 0 if that is not known. */
  since: number
  lastSeen: number
  username: string | undefined
  shown: ShownPresence
}

/**
 * A page ends after it has read this many users: about a millisecond of work, even if few users match.
 */
const LOOK_AT = 10_000

/** The clocks of two nodes differ by less, in ms. */
const CLOCK_DIFFERENCE_MS = 5_000

/** Where the first page begins. */
const FIRST_PLACE: BucketPlace = { bucket: 0, after: '' }

/**
 * What others see of all users who were ever visible. It only applies facts: it has no clock, no timers and
 * no sessions. So all nodes that apply the same facts show the same.
 */
export class View {
  readonly #table = new UserTable<VisibleUser>()
  readonly #order = new Buckets(position => this.#table.idAt(position))
  readonly #online = new Set<VisibleUser>()
  readonly #counts: Record<ShownStatus, number> = { online: 0, away: 0, busy: 0, offline: 0 }
  readonly #wall: Pick<WallClock, 'shown'>
  readonly #signOfLife: (userId: UserId) => number | undefined

  /**
   * @param signOfLife returns the last sign of life of a visible user in ms since the epoch, if it is later
   * than that of the last fact
   */
  constructor(wall: Pick<WallClock, 'shown'>, signOfLife: (userId: UserId) => number | undefined) {
    this.#wall = wall
    this.#signOfLife = signOfLife
  }

  /**
   * Applies a fact. Returns the change that others see.
   *
   * @param isStart whether a status that differs begins with the fact. Otherwise it has begun before, and nobody knows
   * when
   */
  apply(fact: Fact, isStart = true): Change {
    const { userId, cause, at, lastSeen, username } = fact
    const shown = presenceOf(fact)
    const { status, text } = shown
    const before = this.put(userId, shown, lastSeen, username, isStart ? at : 0)
    return {
      userId,
      status,
      previousStatus: before.status,
      previousSince: before.since,
      at,
      // Not limited by the clock of this node: the change is the same on all nodes.
      lastSeen: Math.min(lastSeen, at),
      cause,
      username,
      text,
    }
  }

  /**
   * Sets what others see of a user, without a change. Returns what they saw before.
   *
   * @param at when it begins, in ms since the epoch; 0 if that is not known. If the status is the same, it has begun
   * before
   */
  put(userId: UserId, shown: ShownPresence, lastSeen: number, username: string | undefined, at = 0): Before {
    const position = this.#table.positionOf(userId) ?? NO_POSITION
    const visible = position === NO_POSITION ? undefined : this.#table.activeAt(position)
    const before = {
      status: visible?.shown.status ?? 'offline',
      since: visible?.since ?? 0,
    }
    this.#counts[before.status]--
    this.#counts[shown.status]++
    if (shown.status === 'offline') {
      if (visible) this.#online.delete(visible)
      const archived = this.#table.archive(userId, lastSeen, username, position)
      if (position === NO_POSITION) this.#order.add(userId, archived)
      return before
    }
    if (visible) {
      // The same object is kept, so that a change does not alter the order of lists.
      visible.lastSeen = lastSeen
      visible.username = username
      visible.shown = shown
      if (before.status !== shown.status) visible.since = at
      return before
    }
    const user = { userId, since: at, lastSeen, username, shown }
    const newPosition = this.#table.put(user, position)
    if (position === NO_POSITION) this.#order.add(userId, newPosition)
    this.#online.add(user)
    return before
  }

  /** Replaces the `lastSeen` of a user by the corrected one. */
  correct(userId: UserId, lastSeen: number): void {
    const known = this.#table.get(userId)
    if (known) this.put(userId, shownOf(known), lastSeen, known.username)
  }

  /** Sets when the status of a user began, in ms since the epoch, if the user has that status and it is not known. */
  begun(userId: UserId, status: ShownStatus, since: number): void {
    const visible = this.#table.active(userId)
    if (visible?.shown.status === status && visible.since === 0) visible.since = since
  }

  /** From now on it is not known when any status has begun: others may have changed it meanwhile. */
  forgetStarts(): void {
    for (const user of this.#online) user.since = 0
  }

  forget(userId: UserId): void {
    const position = this.#table.positionOf(userId)
    if (position === undefined) return
    this.#order.delete(userId, position)
    this.#table.forget(userId)
  }

  // Queries

  get onlineCount(): number {
    return this.#online.size
  }

  /** How many users others see with each status. */
  get counts(): Readonly<Record<ShownStatus, number>> {
    return { ...this.#counts, offline: this.size - this.onlineCount }
  }

  /** How many users are known whom others have ever seen. */
  get size(): number {
    return this.#table.size
  }

  /** The row or object of a user whom others have seen; undefined for any other user. */
  get(userId: UserId): (ArchivedUser & { readonly shown?: ShownPresence }) | undefined {
    return this.#table.get(userId)
  }

  /** The next user of an endless iteration over all users. */
  next(): ArchivedUser | undefined {
    return this.#table.next()
  }

  users(): Iterable<ArchivedUser> {
    return this.#table
  }

  visibleUsers(): Iterable<ArchivedUser> {
    return this.#online
  }

  isVisible(userId: UserId): boolean {
    return this.#table.active(userId) !== undefined
  }

  /** One user as others see them. A user whom others have never seen is offline. */
  see(userId: UserId): SeenUser {
    const known = this.#table.get(userId)
    return known ? this.#asSeen(known) : { userId, status: 'offline', lastSeen: null, ...NOTHING_SEEN }
  }

  /** The first `limit` users as others see them, online users first. */
  *list(limit: number): Generator<SeenUser> {
    let left = limit
    for (const user of this.#online) {
      if (left-- <= 0) return
      yield this.#asSeen(user)
    }
    for (const known of this.#table) {
      if (shownOf(known).status !== 'offline') continue
      if (left-- <= 0) return
      yield this.#asSeen(known)
    }
  }

  /**
   * A page of users, from a position on. If `status` is given, only users with this status, or only users who are not
   * offline (`visible`). A user who is known during the whole paging is on exactly one page. A page may be short, or
   * empty, without being the last.
   */
  page(from: BucketPlace = FIRST_PLACE, limit: number, status?: ListedStatus): Page {
    const users: SeenUser[] = []
    let looked = 0
    // Often only few users have the status, so it saves time to sort only these.
    const isWanted = (position: number): boolean => {
      looked++
      return isListed(shownOf(this.#table.activeAt(position)).status, status)
    }
    const filter = status === undefined ? undefined : isWanted
    let place: BucketPlace | undefined = from
    while (place && looked < LOOK_AT) {
      const { bucket } = place
      for (const userId of this.#order.after(place, filter)) {
        if (users.length === limit || looked >= LOOK_AT) return { users, next: place }
        place = { bucket, after: userId }
        looked++
        const known = this.#table.get(userId)
        if (known && isListed(shownOf(known).status, status)) users.push(this.#asSeen(known))
      }
      const next = this.#order.nextFilled(bucket + 1)
      place = next === undefined ? undefined : { bucket: next, after: '' }
    }
    return { users, next: place }
  }

  // Private

  #asSeen(known: VisibleUser | ArchivedUser): SeenUser {
    const { userId, username } = known
    const { status, text, expiresAt } = shownOf(known)
    const sign = status === 'offline' ? undefined : this.#signOfLife(userId)
    const lastSeen = this.#wall.shown(sign ?? known.lastSeen)
    const start = 'since' in known ? known.since : 0
    const since = start === 0 ? undefined : this.#shownStart(start)
    return { userId, status, lastSeen, username, text, expiresAt, since }
  }

  /** The same on all nodes, unless the clock was set back since. */
  #shownStart(start: number): number {
    const shown = this.#wall.shown(start)
    return start - shown > CLOCK_DIFFERENCE_MS ? shown : start
  }
}

function isListed(status: ShownStatus, listed: ListedStatus | undefined): boolean {
  return listed === undefined || (listed === 'visible' ? status !== 'offline' : status === listed)
}

const NOTHING_SEEN = { username: undefined, text: undefined, expiresAt: undefined, since: undefined }

function shownOf(known: VisibleUser | ArchivedUser | undefined): ShownPresence {
  return known && 'shown' in known ? known.shown : OFFLINE
}
