import type { UserId } from '@who-is-online/protocol/words'
import { Round } from './round.ts'

/** All that is kept of an offline user: a name and a time. */
export interface ArchivedUser {
  readonly userId: UserId
  /** Ms since the epoch. */
  readonly lastSeen: number
  readonly username: string | undefined
}

/** The position of a user who is not known. */
export const NO_POSITION = -1

/**
 * All known users. An active user is an object. All others, perhaps a million, are rows in columns. A row
 * takes about 110 bytes including the id; an object would take twice as much.
 *
 * A user has a position as long as the user is known, both as a row and as an object. New users get the
 * positions of forgotten users. So reading all positions finds each user who is known meanwhile exactly once.
 */
export class UserTable<Active extends { readonly userId: UserId }> {
  readonly #positions = new Map<UserId, number>()
  /**
   * The columns, by position. The row of an active user contains only the object. A position without a user
   * is free.
   */
  #users: (UserId | Active | undefined)[] = []
  /** Only numbers: V8 stores them without a heap object each. */
  #lastSeen: number[] = []
  #usernames: (string | undefined)[] = []
  #free: number[] = []
  readonly #round = new Round(() => this.#positions.values())

  get size(): number {
    return this.#positions.size
  }

  /** One more than the last position. */
  get end(): number {
    return this.#users.length
  }

  get(userId: UserId): Active | ArchivedUser | undefined {
    const position = this.#positions.get(userId)
    return position === undefined ? undefined : this.at(position)
  }

  has(userId: UserId): boolean {
    return this.#positions.has(userId)
  }

  /** The position of a user; undefined for an unknown user. With it, a caller looks the id up only once. */
  positionOf(userId: UserId): number | undefined {
    return this.#positions.get(userId)
  }

  /** The object of an active user; undefined for any other user. */
  active(userId: UserId): Active | undefined {
    const position = this.#positions.get(userId)
    return position === undefined ? undefined : this.activeAt(position)
  }

  /** The active user at a position; undefined if the position is free or holds a row. */
  activeAt(position: number): Active | undefined {
    const user = this.#users[position]
    return typeof user === 'object' ? user : undefined
  }

  /** The id of the user at a position, which is not free. */
  idAt(position: number): UserId {
    const user = this.#users[position] as UserId | Active
    return typeof user === 'string' ? user : user.userId
  }

  /** The user at a position; undefined if the position is free. */
  at(position: number): Active | ArchivedUser | undefined {
    const user = this.#users[position]
    if (typeof user !== 'string') return user
    return { userId: user, lastSeen: this.#lastSeen[position] ?? 0, username: this.#usernames[position] }
  }

  /**
   * Stores an active user. Replaces the row or object of that user. Returns the position.
   *
   * @param position the position of that user, or `NO_POSITION`, for a caller who has looked it up
   */
  put(user: Active, position = this.#positions.get(user.userId) ?? NO_POSITION): number {
    return this.#keep(user.userId, user, 0, undefined, position)
  }

  /** Stores a row, like {@link put}. */
  archive(
    userId: UserId,
    lastSeen: number,
    username: string | undefined,
    position = this.#positions.get(userId) ?? NO_POSITION,
  ): number {
    return this.#keep(userId, userId, lastSeen, username, position)
  }

  forget(userId: UserId): void {
    const position = this.#positions.get(userId)
    if (position === undefined) return
    this.#positions.delete(userId)
    if (this.#positions.size === 0) {
      this.#users = []
      this.#lastSeen = []
      this.#usernames = []
      this.#free = []
      return
    }
    this.#users[position] = undefined
    this.#usernames[position] = undefined
    this.#free.push(position)
  }

  /**
   * The next user of an endless iteration over all users. Each round includes every user who is known during
   * the whole round.
   */
  next(): Active | ArchivedUser | undefined {
    const position = this.#round.next()
    return position === undefined ? undefined : this.at(position)
  }

  /**
   * All users, each in the state of the moment when it is reached. Users may be added and forgotten
   * meanwhile.
   */
  *[Symbol.iterator](): Generator<Active | ArchivedUser> {
    for (let position = 0; position < this.#users.length; position++) {
      const user = this.at(position)
      if (user) yield user
    }
  }

  #keep(
    userId: UserId,
    user: UserId | Active,
    lastSeen: number,
    username: string | undefined,
    known: number,
  ): number {
    const position = known === NO_POSITION ? this.#take(userId) : known
    this.#users[position] = user
    this.#lastSeen[position] = lastSeen
    this.#usernames[position] = username
    return position
  }

  /** Takes a position for a new user. */
  #take(userId: UserId): number {
    const position = this.#free.pop() ?? this.#users.length
    this.#positions.set(userId, position)
    return position
  }
}

/**
 * Copies a text into its own memory. A text that was cut out of a longer one, such as an id from a URL, keeps
 * the longer one in memory. That is too much for a text that is kept for a month.
 */
export function ownCopy(text: string): string {
  return JSON.parse(JSON.stringify(text)) as string
}
