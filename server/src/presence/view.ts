import type { Presence, UserId } from '@who-is-online/protocol/words'
import { type BucketPlace, Buckets } from './buckets.ts'
import type { Change } from './change.ts'
import { OFFLINE, type ShownPresence } from './choice.ts'
import { type Fact, presenceOf } from './fact.ts'
import { type ArchivedUser, UserTable } from './user-table.ts'
import type { WallClock } from './wall-clock.ts'

/** A user as others see them. */
export interface SeenUser {
  readonly userId: UserId
  readonly status: Presence
  /** Ms since the epoch; null for a user whom nobody has seen. */
  readonly lastSeen: number | null
  readonly username: string | undefined
  readonly text: string | undefined
  /** When the text and the status end, in ms since the epoch. */
  readonly expiresAt: number | undefined
}

/** Some users, and where the next page begins; `undefined` at the end. */
export interface Page {
  readonly users: readonly SeenUser[]
  readonly next: BucketPlace | undefined
}

/** A user who is not offline. All others are rows of the table. */
interface VisibleUser {
  readonly userId: UserId
  lastSeen: number
  username: string | undefined
  shown: ShownPresence
}

/**
 * After looking at this many users a page ends: about a millisecond of work, however few users are asked for.
 */
const LOOK_AT = 10_000

/** Where the first page begins. */
const FIRST_PLACE: BucketPlace = { bucket: 0, after: '' }

/**
 * What all others see: the users who were ever visible, as the facts say that were applied to it. It decides
 * nothing, and knows neither time nor history, so that all nodes that apply the same facts show the same.
 */
export class View {
  readonly #table = new UserTable<VisibleUser>()
  readonly #order = new Buckets()
  readonly #online = new Set<VisibleUser>()
  readonly #wall: Pick<WallClock, 'shown'>
  readonly #signOfLife: (userId: UserId) => number | undefined

  /**
   * @param signOfLife the last sign of life of a visible user, if it is later than what was said of that
   * user.
   */
  constructor(wall: Pick<WallClock, 'shown'>, signOfLife: (userId: UserId) => number | undefined) {
    this.#wall = wall
    this.#signOfLife = signOfLife
  }

  /** Applies a fact, and returns what others see of it. */
  apply(fact: Fact): Change {
    const { userId, cause, at } = fact
    const previous = this.#table.active(userId)?.shown.status ?? 'offline'
    const shown = presenceOf(fact)
    this.put(userId, shown, fact.lastSeen, fact.username)
    return { userId, status: shown.status, previous, at, cause }
  }

  /** Sets what others see of a user, without a change for anybody. */
  put(userId: UserId, shown: ShownPresence, lastSeen: number, username: string | undefined): void {
    const before = this.#table.active(userId)
    if (!before && !this.#table.has(userId)) this.#order.add(userId)
    if (shown.status === 'offline') {
      if (before) this.#online.delete(before)
      this.#table.archive(userId, lastSeen, username)
      return
    }
    if (before) {
      // The same object, so that a list does not change its order with each change.
      Object.assign(before, { lastSeen, username, shown })
      return
    }
    const user = { userId, lastSeen, username, shown }
    this.#table.put(user)
    this.#online.add(user)
  }

  /** Sets the `lastSeen` of a user to what the right clock would have shown. */
  correct(userId: UserId, lastSeen: number): void {
    const known = this.#table.get(userId)
    if (known) this.put(userId, shownOf(known), lastSeen, known.username)
  }

  forget(userId: UserId): void {
    if (!this.#table.has(userId)) return
    this.#order.delete(userId)
    this.#table.forget(userId)
  }

  // Queries

  get onlineCount(): number {
    return this.#online.size
  }

  /** How many users others have ever seen, and who are not forgotten. */
  get size(): number {
    return this.#table.size
  }

  /** What is known of a user whom others have seen. */
  get(userId: UserId): ArchivedUser | undefined {
    return this.#table.get(userId)
  }

  /** The next user of an endless round through all. */
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

  /** One user as others see them. A user whom nobody has seen is offline. */
  see(userId: UserId): SeenUser {
    const known = this.#table.get(userId)
    return known ? this.#asSeen(known) : { userId, status: 'offline', lastSeen: null, ...NOTHING_SEEN }
  }

  /** The first `limit` users as others see them, the online ones first. */
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
   * Some users from a place on, all or those with a status. A user who is known throughout a paging is met
   * exactly once. A page may be short, or empty, and not be the last.
   */
  page(from: BucketPlace = FIRST_PLACE, limit: number, status?: Presence): Page {
    const users: SeenUser[] = []
    let looked = 0
    let place: BucketPlace | undefined = from
    while (place && looked < LOOK_AT) {
      const { bucket } = place
      for (const userId of this.#order.after(place)) {
        if (users.length === limit) return { users, next: place }
        place = { bucket, after: userId }
        looked++
        const known = this.#table.get(userId)
        if (known && (status === undefined || shownOf(known).status === status))
          users.push(this.#asSeen(known))
      }
      const next = this.#order.nextFilled(bucket + 1)
      place = next === undefined ? undefined : { bucket: next, after: '' }
    }
    return { users, next: place }
  }

  // How

  #asSeen(known: VisibleUser | ArchivedUser): SeenUser {
    const { userId, username } = known
    const { status, text, expiresAt } = shownOf(known)
    const sign = status === 'offline' ? undefined : this.#signOfLife(userId)
    return { userId, status, lastSeen: this.#wall.shown(sign ?? known.lastSeen), username, text, expiresAt }
  }
}

const NOTHING_SEEN = { username: undefined, text: undefined, expiresAt: undefined }

function shownOf(known: VisibleUser | ArchivedUser | undefined): ShownPresence {
  return known && 'shown' in known ? known.shown : OFFLINE
}
