import type { UserId } from '@who-is-online/protocol/words'
import type { Spent } from '../presence/pace.ts'

/** How many users with debts are remembered. Each of them has opened a connection in the last 20 s. */
const MAX_DEBTS = 10_000

/**
 * The users who have sent too fast, so that a new connection does not give them a new burst. A debt expires when the
 * limiter has recovered. If there are too many debts, the oldest is forgotten.
 */
export class Debts {
  readonly #byUser = new Map<UserId, Spent>()

  get size(): number {
    return this.#byUser.size
  }

  /** Remembers a debt at `now` (`Clock.steady`). A smaller debt does not replace a larger one. */
  add(userId: UserId, debt: Spent, now: number): void {
    const larger = Math.max(debt, this.#byUser.get(userId) ?? 0)
    this.#byUser.delete(userId)
    for (const [oldest, spent] of this.#byUser) {
      if (spent > now && this.#byUser.size < MAX_DEBTS) break
      this.#byUser.delete(oldest)
    }
    this.#byUser.set(userId, larger)
  }

  /** The debt of a user; 0 without one. */
  of(userId: UserId): Spent {
    return this.#byUser.get(userId) ?? 0
  }
}
