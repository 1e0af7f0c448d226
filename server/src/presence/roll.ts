import type { User } from './user.ts'

/** How many entries one page looks at, at most: about a millisecond of work, however few of them are asked for. */
const LOOK_AT = 10_000

/** Fewer forgotten users than these are not worth the walk. */
const WORTH_A_WALK = 32

/** Some users of the roll, and from where to go on; undefined at its end. */
export interface RollPage {
  readonly users: readonly User[]
  readonly next: number | undefined
}

/**
 * All users in the order in which they became known, so that whoever goes through them page by page meets
 * everybody who is there throughout exactly once, whoever comes and goes meanwhile.
 */
export class Roll {
  #users: User[] = []
  #forgotten = 0
  #last = 0

  /** The place of the next user who becomes known. */
  nextOrdinal(): number {
    return ++this.#last
  }

  add(user: User): void {
    this.#users.push(user)
  }

  /** Counts a user who was forgotten; now and then those are struck off. */
  forgot(): void {
    this.#forgotten++
    const isWorth = this.#forgotten > WORTH_A_WALK && this.#forgotten > this.#users.length / 2
    if (!isWorth && this.#forgotten < this.#users.length) return
    this.#users = this.#users.filter(user => !user.isForgotten)
    this.#forgotten = 0
  }

  /** The first `limit` users after a place of whom `isMeant` holds; fewer where that takes too long a look. */
  page(after: number, limit: number, isMeant: (user: User) => boolean): RollPage {
    const users: User[] = []
    const begin = this.#find(after)
    const end = Math.min(this.#users.length, begin + LOOK_AT)
    let index = begin
    while (index < end && users.length < limit) {
      const user = this.#users[index++] as User
      if (!user.isForgotten && isMeant(user)) users.push(user)
    }
    return { users, next: index < this.#users.length ? this.#users[index - 1]?.ordinal : undefined }
  }

  /** The index of the first user after a place. */
  #find(after: number): number {
    let [low, high] = [0, this.#users.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#users[middle] as User).ordinal <= after) low = middle + 1
      else high = middle
    }
    return low
  }
}
