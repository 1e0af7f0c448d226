import { Deadlines } from './deadlines.ts'
import type { User } from './user.ts'

/** The heap is not rebuilt while it has at most this many outdated entries. */
const MIN_OUTDATED = 64

/**
 * The times at which choices end, by the wall clock. A choice is often replaced long before it ends. The heap
 * is rebuilt when most of its entries are outdated, so its size is proportional to the users who have a
 * choice with an end.
 */
export class Expiries {
  readonly #users = new Set<User>()
  #deadlines = new Deadlines<User>()

  /** When the earliest choice ends, in ms since the epoch; Infinity if empty. */
  get next(): number {
    return this.#deadlines.next
  }

  /** Waits for the end of a user's current choice, if it has one. */
  set(user: User): void {
    const { expiresAt } = user.choice
    if (expiresAt === undefined) {
      this.#users.delete(user)
      return
    }
    this.#users.add(user)
    this.#deadlines.add(expiresAt, user)
    if (this.#deadlines.size > 2 * this.#users.size + MIN_OUTDATED) this.#rebuild()
  }

  delete(user: User): void {
    this.#users.delete(user)
  }

  /** Removes and returns a user whose choice may have ended at `now`; undefined if there is no such user. */
  take(now: number): User | undefined {
    const user = this.#deadlines.take(now)
    if (user && (user.choice.expiresAt ?? 0) <= now) this.#users.delete(user)
    return user
  }

  #rebuild(): void {
    this.#deadlines = new Deadlines()
    for (const user of this.#users) {
      const { expiresAt } = user.choice
      if (expiresAt === undefined) this.#users.delete(user)
      else this.#deadlines.add(expiresAt, user)
    }
  }
}
