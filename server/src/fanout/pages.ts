import type { UserId } from '@who-is-online/protocol/words'

/** User ids, taken a page at a time. Knows whether the end is reached before the next page is taken. */
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
