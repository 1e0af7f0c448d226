/**
 * An endless round through a collection that may change meanwhile. An item that is in it throughout a round
 * is met in it.
 */
export class Round<Item> {
  readonly #begin: () => Iterator<Item>
  #round: Iterator<Item> | undefined

  /** @param begin an iterator that survives changes, such as one of a Map. */
  constructor(begin: () => Iterator<Item>) {
    this.#begin = begin
  }

  /** The next item; `undefined` if the collection is empty. */
  next(): Item | undefined {
    let step = this.#round?.next()
    if (!step || step.done) {
      this.#round = this.#begin()
      step = this.#round.next()
    }
    return step.done ? undefined : step.value
  }
}
