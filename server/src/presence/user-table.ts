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
 * All known users. An active user is an object. All others, most of a million, are rows in columns: some 110
 * bytes each, with the id, where an object costs twice that.
 *
 * A user has a place as long as they are known, as a row or as an object; the places of forgotten users are
 * given to others. So going through all places meets every user who is known throughout exactly once.
 */
export class UserTable<Active extends { readonly userId: UserId }> {
  readonly #places = new Map<UserId, number>()
  /** The columns, by place. The row of an active user has only the object; a place without a user is free. */
  #users: (UserId | Active | undefined)[] = []
  /** Only numbers, which V8 stores without a heap object each. */
  #lastSeen: number[] = []
  #usernames: (string | undefined)[] = []
  #free: number[] = []
  readonly #round = new Round(() => this.#places.values())

  get size(): number {
    return this.#places.size
  }

  /** One more than the last place there is. */
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

  /** The object of an active user. */
  active(userId: UserId): Active | undefined {
    const place = this.#places.get(userId)
    const user = place === undefined ? undefined : this.#users[place]
    return typeof user === 'object' ? user : undefined
  }

  /** The user at a place; undefined if the place is free. */
  at(place: number): Active | ArchivedUser | undefined {
    const user = this.#users[place]
    if (typeof user !== 'string') return user
    return { userId: user, lastSeen: this.#lastSeen[place] ?? 0, username: this.#usernames[place] }
  }

  /** Keeps an active user, in place of what was kept of that user. */
  put(user: Active): void {
    this.#keep(user.userId, user, 0, undefined)
  }

  /** Keeps a row, in place of what was kept of that user. */
  archive(userId: UserId, lastSeen: number, username: string | undefined): void {
    this.#keep(userId, userId, lastSeen, username)
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
   * The next user of an endless round through all users. A user who is known throughout a round is met in it.
   */
  next(): Active | ArchivedUser | undefined {
    const place = this.#round.next()
    return place === undefined ? undefined : this.at(place)
  }

  /** All users, as they are when they are reached. Users may come and go meanwhile. */
  *[Symbol.iterator](): Generator<Active | ArchivedUser> {
    for (let place = 0; place < this.#users.length; place++) {
      const user = this.at(place)
      if (user) yield user
    }
  }

  #keep(userId: UserId, user: UserId | Active, lastSeen: number, username: string | undefined): void {
    const place = this.#places.get(userId) ?? this.#take(userId)
    this.#users[place] = user
    this.#lastSeen[place] = lastSeen
    this.#usernames[place] = username
  }

  /** A place for a user who becomes known. */
  #take(userId: UserId): number {
    const place = this.#free.pop() ?? this.#users.length
    this.#places.set(userId, place)
    return place
  }
}

/**
 * Copies a text into memory of its own. A text that was cut out of a longer one, such as an id out of a URL,
 * keeps the longer one in memory: too much to be kept for a month.
 */
export function ownCopy(text: string): string {
  return JSON.parse(JSON.stringify(text)) as string
}
