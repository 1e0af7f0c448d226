import type { UserId } from '@who-is-online/protocol/words'
import { type Pace, readyAt, type Spent, spend } from './pace.ts'

/** The rate limiters of the visible changes of users. All times are in awake time. */
export class ChangeLimiters {
  readonly #pace: Pace
  readonly #spent = new Map<UserId, Spent>()

  constructor(pace: Pace) {
    this.#pace = pace
  }

  /**
   * The earliest time at which a change of this user may become visible. A change to offline waits until the rate limit
   * allows the return as well. So a user who returns after an ordinary leave is visible at once.
   */
  turnOf(userId: UserId, isLeaving: boolean): number {
    const spent = this.#spent.get(userId) ?? 0
    const turn = readyAt(this.#pace, spent)
    return isLeaving ? Math.min(turn + this.#pace.everyMs, spent) : turn
  }

  /** Counts a visible change, whether it was allowed or not. */
  spend(userId: UserId, awake: number): void {
    if (this.#pace.everyMs === 0) return
    const spent = spend(this.#pace, this.#spent.get(userId) ?? 0, awake)
    // Moved to the end, so that the Map stays nearly sorted by the time of recovery, for `dropRecovered`.
    this.#spent.delete(userId)
    this.#spent.set(userId, spent)
  }

  /** Forgets how often others have seen the user change. */
  forget(userId: UserId): void {
    this.#spent.delete(userId)
  }

  /** Drops the rate limiters that have completely recovered, of at most `count` users. */
  dropRecovered(awake: number, count: number): void {
    let left = count
    for (const [userId, spent] of this.#spent) {
      if (spent > awake || left-- <= 0) return
      this.#spent.delete(userId)
    }
  }
}
