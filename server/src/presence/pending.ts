import type { UserId } from '@who-is-online/protocol/words'
import type { Fact } from './fact.ts'

/**
 * The newest fact of each user that was decided and is not visible yet. A log of one node makes each fact
 * visible before the next one is decided, so the last fact is not in the map: to add to an empty map and to
 * delete from it takes longer than all other lookups of a command together.
 */
export class PendingFacts {
  #last: Fact | undefined
  readonly #earlier = new Map<UserId, Fact>()

  add(fact: Fact): void {
    if (this.#last) this.#earlier.set(this.#last.userId, this.#last)
    // In a cluster, only the newest fact of a user is told to be visible.
    this.#earlier.delete(fact.userId)
    this.#last = fact
  }

  get(userId: UserId): Fact | undefined {
    return this.#last?.userId === userId ? this.#last : this.#earlier.get(userId)
  }

  /** A fact has become visible. If a newer one of its user is pending, that one stays. */
  applied(fact: Fact): void {
    if (this.#last === fact) this.#last = undefined
    else if (this.#earlier.get(fact.userId) === fact) this.#earlier.delete(fact.userId)
  }
}
