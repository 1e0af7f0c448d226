import { Deadlines } from './deadlines.ts'
import type { User } from './user.ts'

/** With fewer outdated entries than these the heap is not rebuilt. */
const MIN_OUTDATED = 64

/**
 * Ends of choices, by the wall clock. A choice may be replaced long before its end, and often: outdated
 * entries are swept out, so that their number stays in proportion to the users who have a choice with an end.
 */
export class Expiries {
  readonly #users = new Set<User>()
  #deadlines = new Deadlines<User>()

  /** When the earliest is due, in ms since the epoch; Infinity without one. */
  get next(): number {
    return this.#deadlines.next
  }

  /** Notes the end of a user's present choice, if it has one. */
  watch(user: User): void {
    const { expiresAt } = user.choice
    if (expiresAt === undefined) {
      this.#users.delete(user)
      return
    }
    this.#users.add(user)
    this.#deadlines.add(expiresAt, user)
    if (this.#deadlines.size > 2 * this.#users.size + MIN_OUTDATED) this.#sweep()
  }

  forget(user: User): void {
    this.#users.delete(user)
  }

  /** Takes out a user whose choice may have come to its end at `now`, if there is one. */
  take(now: number): User | undefined {
    const user = this.#deadlines.take(now)
    if (user && (user.choice.expiresAt ?? 0) <= now) this.#users.delete(user)
    return user
  }

  #sweep(): void {
    this.#deadlines = new Deadlines()
    for (const user of this.#users) {
      const { expiresAt } = user.choice
      if (expiresAt === undefined) this.#users.delete(user)
      else this.#deadlines.add(expiresAt, user)
    }
  }
}
