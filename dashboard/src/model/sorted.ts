/** One line that is no more, one that is new, or one in the place of another. */
export interface Swap<Item> {
  readonly before: Item | undefined
  readonly after: Item | undefined
}

/** Beyond this many swaps at once, sorting all of it anew is cheaper: it is nearly sorted already. */
const MANY = 128

/**
 * A list that stays sorted while a few of thousands change: a change costs two binary searches, not a sort.
 * `compare` must not call two different items the same.
 */
export class Sorted<Item> {
  #items: Item[] = []
  readonly #compare: (a: Item, b: Item) => number

  constructor(compare: (a: Item, b: Item) => number) {
    this.#compare = compare
  }

  get items(): readonly Item[] {
    return this.#items
  }

  fill(items: Iterable<Item>): void {
    this.#items = [...items].sort(this.#compare)
  }

  swap(swaps: readonly Swap<Item>[]): void {
    if (swaps.length > MANY) return this.#swapMany(swaps)
    for (const { before, after } of swaps) {
      if (before !== undefined) this.#items.splice(this.#placeOf(before), 1)
      if (after !== undefined) this.#items.splice(this.#placeOf(after), 0, after)
    }
  }

  #swapMany(swaps: readonly Swap<Item>[]): void {
    const gone = new Set(swaps.map(({ before }) => before))
    const kept = this.#items.filter(item => !gone.has(item))
    this.fill(kept.concat(swaps.flatMap(({ after }) => after ?? [])))
  }

  /** Where the first item stands that is not before this one. */
  #placeOf(item: Item): number {
    let from = 0
    let to = this.#items.length
    while (from < to) {
      const middle = (from + to) >> 1
      if (this.#compare(this.#items[middle] as Item, item) < 0) from = middle + 1
      else to = middle
    }
    return from
  }
}
