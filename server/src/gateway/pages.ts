import type { UserId } from '@who-is-online/protocol/words'
import { SLICE_MS } from './slices.ts'

/** User ids to be taken a page at a time, which know when they are at the end. */
export class Pages {
  readonly #userIds: Iterator<UserId>
  #next: IteratorResult<UserId>

  constructor(userIds: Iterable<UserId>) {
    this.#userIds = userIds[Symbol.iterator]()
    this.#next = this.#userIds.next()
  }

  get isEmpty(): boolean {
    return this.#next.done === true
  }

  take(count: number): UserId[] {
    const taken: UserId[] = []
    while (taken.length < count && !this.#next.done) {
      taken.push(this.#next.value)
      this.#next = this.#userIds.next()
    }
    return taken
  }
}

/** Whoever has much to tell, a piece at a time. */
export interface Turn {
  /** Tells a piece. Returns whether there is more to tell at once. */
  turn(): boolean
}

/** Takes turns among those who have much to tell: hundreds of them may ask for everybody in the same moment. */
export class Turns {
  readonly #waiting = new Set<Turn>()
  #isScheduled = false

  /** Whoever takes a place is given its turn soon, and again while it has more to tell; once at a time. */
  take(one: Turn): void {
    this.#waiting.add(one)
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(this.#slice)
  }

  readonly #slice = (): void => {
    this.#isScheduled = false
    const until = performance.now() + SLICE_MS
    // Who has more to tell stands at the end of the row again, and the row is walked on.
    for (const one of this.#waiting) {
      this.#waiting.delete(one)
      if (one.turn()) this.#waiting.add(one)
      if (performance.now() >= until) break
    }
    const [next] = this.#waiting
    if (next) this.take(next)
  }
}
