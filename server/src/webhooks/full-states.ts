import type { Place } from '../changes/feed.ts'
import type { ChangePage, StatePlace } from '../changes/page.ts'

/** How many users a body of a full state has at first: about 65 kB, which every framework takes by default. */
const FIRST_USERS = 500

/** How many users it has at most: about 500 kB. */
const MOST_USERS = 4_000

/** How often the operator is told that full states begin again, in ms. */
const REPORT_EVERY_MS = 60_000

/**
 * The full states that one endpoint gets. If the log drops the place at which one began before its last page was taken,
 * the changes since then are not known, and it begins again. With pages of a fixed size, an endpoint that takes its
 * time for each request might never get to the end. So each time the pages are twice as large.
 */
export class FullStates {
  #users = FIRST_USERS
  #begun = 0
  #begunAgain = 0
  #reportedAt = Number.NEGATIVE_INFINITY

  /** How many users the next page has. */
  get usersPerPage(): number {
    return this.#users
  }

  /** How many were begun for the first time, and again before their end. */
  get counts(): { readonly first: number; readonly again: number } {
    return { first: this.#begun, again: this.#begunAgain }
  }

  /**
   * Takes the next page.
   *
   * @param told what the endpoint was told before it
   * @param now in ms of a clock that never jumps
   * @returns whether the operator must be told that a full state begins again
   */
  next(told: Place | StatePlace, page: ChangePage, now: number): boolean {
    const isWithin = 'next' in told
    if (page.recovered || (isWithin && told.epoch === page.epoch && told.seq === page.seq)) return false
    if (!isWithin) {
      this.#begun++
      return false
    }
    this.#begunAgain++
    this.#users = Math.min(2 * this.#users, MOST_USERS)
    if (now - this.#reportedAt < REPORT_EVERY_MS) return false
    this.#reportedAt = now
    return true
  }
}
