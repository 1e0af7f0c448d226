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
  /** In the order of their ordinals. Of a user who was forgotten only that is left, for a while. */
  #entries: (User | number)[] = []
  #forgotten = 0
  #last = 0

  /** The place of the next user who becomes known. */
  nextOrdinal(): number {
    return ++this.#last
  }

  add(user: User): void {
    this.#entries.push(user)
  }

  /** Lets go of a user; the places of those who were forgotten are struck off now and then. */
  forget({ ordinal }: User): void {
    this.#entries[this.#find(ordinal - 1)] = ordinal
    this.#forgotten++
    const isWorth = this.#forgotten > WORTH_A_WALK && this.#forgotten > this.#entries.length / 2
    if (!isWorth && this.#forgotten < this.#entries.length) return
    this.#entries = this.#entries.filter(entry => typeof entry !== 'number')
    this.#forgotten = 0
  }

  /** The first `limit` users after a place of whom `isMeant` holds; fewer where that takes too long a look. */
  page(after: number, limit: number, isMeant: (user: User) => boolean): RollPage {
    const users: User[] = []
    const begin = this.#find(after)
    const end = Math.min(this.#entries.length, begin + LOOK_AT)
    let index = begin
    while (index < end && users.length < limit) {
      const entry = this.#entries[index++]
      if (typeof entry === 'object' && isMeant(entry)) users.push(entry)
    }
    return { users, next: index < this.#entries.length ? this.#ordinalAt(index - 1) : undefined }
  }

  /** The index of the first user after a place. */
  #find(after: number): number {
    let [low, high] = [0, this.#entries.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#ordinalAt(middle) <= after) low = middle + 1
      else high = middle
    }
    return low
  }

  #ordinalAt(index: number): number {
    const entry = this.#entries[index] as User | number
    return typeof entry === 'number' ? entry : entry.ordinal
  }
}
