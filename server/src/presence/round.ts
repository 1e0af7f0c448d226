/**
 * An endless iteration over a collection that may change meanwhile. Each round includes every item that is in
 * the collection during the whole round.
 */
export class Round<Item> {
  readonly #begin: () => Iterator<Item>
  #round: Iterator<Item> | undefined

  /** @param begin returns an iterator that survives changes of the collection, such as one of a Map */
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
