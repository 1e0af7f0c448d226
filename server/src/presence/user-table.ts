import type { UserId } from '@who-is-online/protocol/words'
import { Round } from './round.ts'

/** All that is kept of an offline user: a name and a time. */
export interface ArchivedUser {
  readonly userId: UserId
  /** Ms since the epoch. */
  readonly lastSeen: number
  readonly username: string | undefined
}

/**
 * All known users. An active user is an object. All others, perhaps a million, are rows in columns. A row
 * takes about 110 bytes including the id; an object would take twice as much.
 *
 * A user has a position as long as the user is known, both as a row and as an object. New users get the
 * positions of forgotten users. So reading all positions finds each user who is known meanwhile exactly once.
 */
export class UserTable<Active extends { readonly userId: UserId }> {
  readonly #places = new Map<UserId, number>()
  /**
   * The columns, by position. The row of an active user contains only the object. A position without a user
   * is free.
   */
  #users: (UserId | Active | undefined)[] = []
  /** Only numbers: V8 stores them without a heap object each. */
  #lastSeen: number[] = []
  #usernames: (string | undefined)[] = []
  #free: number[] = []
  readonly #round = new Round(() => this.#places.values())

  get size(): number {
    return this.#places.size
  }

  /** One more than the last position. */
  get end(): number {
    return this.#users.length
  }

  get(userId: UserId): Active | ArchivedUser | undefined {
    const place = this.#places.get(userId)
    return place === undefined ? undefined : this.at(place)
  }

  has(userId: UserId): boolean {
    return this.#places.has(userId)
  }

  /** The position of a user; undefined for an unknown user. With it, a caller looks the id up only once. */
  placeOf(userId: UserId): number | undefined {
    return this.#places.get(userId)
  }

  /** The object of an active user; undefined for any other user. */
  active(userId: UserId): Active | undefined {
    const place = this.#places.get(userId)
    return place === undefined ? undefined : this.activeAt(place)
  }

  /** The active user at a position; undefined if the position is free or holds a row. */
  activeAt(place: number): Active | undefined {
    const user = this.#users[place]
    return typeof user === 'object' ? user : undefined
  }

  /** The user at a position; undefined if the position is free. */
  at(place: number): Active | ArchivedUser | undefined {
    const user = this.#users[place]
    if (typeof user !== 'string') return user
    return { userId: user, lastSeen: this.#lastSeen[place] ?? 0, username: this.#usernames[place] }
  }

  /** Stores an active user. Replaces the row or object of that user, which has the position `place`. */
  put(user: Active, place = this.#places.get(user.userId)): void {
    this.#keep(user.userId, user, 0, undefined, place)
  }

  /** Stores a row. Replaces the row or object of that user, which has the position `place`. */
  archive(
    userId: UserId,
    lastSeen: number,
    username: string | undefined,
    place = this.#places.get(userId),
  ): void {
    this.#keep(userId, userId, lastSeen, username, place)
  }

  forget(userId: UserId): void {
    const place = this.#places.get(userId)
    if (place === undefined) return
    this.#places.delete(userId)
    if (this.#places.size === 0) {
      this.#users = []
      this.#lastSeen = []
      this.#usernames = []
      this.#free = []
      return
    }
    this.#users[place] = undefined
    this.#usernames[place] = undefined
    this.#free.push(place)
  }

  /**
   * The next user of an endless iteration over all users. Each round includes every user who is known during
   * the whole round.
   */
  next(): Active | ArchivedUser | undefined {
    const place = this.#round.next()
    return place === undefined ? undefined : this.at(place)
  }

  /**
   * All users, each in the state of the moment when it is reached. Users may be added and forgotten
   * meanwhile.
   */
  *[Symbol.iterator](): Generator<Active | ArchivedUser> {
    for (let place = 0; place < this.#users.length; place++) {
      const user = this.at(place)
      if (user) yield user
    }
  }

  #keep(
    userId: UserId,
    user: UserId | Active,
    lastSeen: number,
    username: string | undefined,
    known: number | undefined,
  ): void {
    const place = known ?? this.#take(userId)
    this.#users[place] = user
    this.#lastSeen[place] = lastSeen
    this.#usernames[place] = username
  }

  /** Takes a position for a new user. */
  #take(userId: UserId): number {
    const place = this.#free.pop() ?? this.#users.length
    this.#places.set(userId, place)
    return place
  }
}

/**
 * Copies a text into its own memory. A text that was cut out of a longer one, such as an id from a URL, keeps
 * the longer one in memory. That is too much for a text that is kept for a month.
 */
export function ownCopy(text: string): string {
  return JSON.parse(JSON.stringify(text)) as string
}
