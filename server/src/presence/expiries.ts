import { Deadlines } from './deadlines.ts'
import type { User } from './user.ts'

/** The heap is not rebuilt while it has at most this many outdated entries. */
const MIN_OUTDATED = 64

/**
 * When something of users ends that is often replaced or extended long before that: a choice, or the time for which a
 * session is active. An end that becomes later keeps its entry in the heap, which moves when it is reached. The heap is
 * rebuilt when most of its entries are outdated, so its size is proportional to the number of users who have an end.
 */
export class Expiries {
  readonly #endOf: (user: User) => number | undefined
  /** The entry of each user in the heap that counts. It is not later than the end. */
  readonly #entries = new Map<User, number>()
  #deadlines = new Deadlines<User>()

  /** @param endOf returns when it ends, in the caller's ms; `undefined` if it does not */
  constructor(endOf: (user: User) => number | undefined) {
    this.#endOf = endOf
  }

  /** No end is earlier than this, in the caller's ms; Infinity if empty. */
  get next(): number {
    return this.#deadlines.next
  }

  /** Waits for the present end of a user, if there is one. */
  set(user: User): void {
    const end = this.#endOf(user)
    if (end === undefined) this.#entries.delete(user)
    else if (end < (this.#entries.get(user) ?? Number.POSITIVE_INFINITY)) this.#add(user, end)
  }

  delete(user: User): void {
    this.#entries.delete(user)
  }

  /** Removes and returns a user whose end is `now` or earlier; undefined if there is no such user. */
  take(now: number): User | undefined {
    for (;;) {
      const { next } = this.#deadlines
      const user = this.#deadlines.take(now)
      if (!user) return undefined
      if (this.#entries.get(user) !== next) continue // outdated
      this.#entries.delete(user)
      const end = this.#endOf(user)
      if (end === undefined) continue
      if (end <= now) return user
      this.#add(user, end)
    }
  }

  #add(user: User, end: number): void {
    this.#entries.set(user, end)
    this.#deadlines.add(end, user)
    if (this.#deadlines.size > 2 * this.#entries.size + MIN_OUTDATED) this.#rebuild()
  }

  #rebuild(): void {
    this.#deadlines = new Deadlines()
    for (const [user, at] of this.#entries) {
      if (this.#endOf(user) === undefined) this.#entries.delete(user)
      else this.#deadlines.add(at, user)
    }
  }
}
