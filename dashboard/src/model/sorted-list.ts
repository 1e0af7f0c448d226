/** An item to remove, an item to add, or both. */
export interface Replacement<Item> {
  readonly before: Item | undefined
  readonly after: Item | undefined
}

/** With more replacements at once, sorting the whole list again is faster. */
const MAX_SINGLE = 128

/**
 * A list that stays sorted. Replacing an item takes two binary searches instead of a sort. `compare` must
 * order any two different items.
 */
export class SortedList<Item> {
  #items: Item[] = []
  #compare: (a: Item, b: Item) => number

  constructor(compare: (a: Item, b: Item) => number) {
    this.#compare = compare
  }

  get items(): readonly Item[] {
    return this.#items
  }

  /** Replaces all items; with `compare`, the list has another order from now on. */
  fill(items: Iterable<Item>, compare = this.#compare): void {
    this.#compare = compare
    this.#items = [...items].sort(compare)
  }

  /** Returns the index of an item, or -1 if it is not in the list. */
  indexOf(item: Item): number {
    const index = this.#placeOf(item)
    return this.#items[index] === item ? index : -1
  }

  /** Removes each `before`, which must be in the list, and adds each `after`. */
  replace(replacements: readonly Replacement<Item>[]): void {
    if (replacements.length > MAX_SINGLE) return this.#replaceMany(replacements)
    for (const { before, after } of replacements) {
      if (before !== undefined) this.#items.splice(this.#placeOf(before), 1)
      if (after !== undefined) this.#items.splice(this.#placeOf(after), 0, after)
    }
  }

  #replaceMany(replacements: readonly Replacement<Item>[]): void {
    const removed = new Set(replacements.map(({ before }) => before))
    const kept = this.#items.filter(item => !removed.has(item))
    this.fill(kept.concat(replacements.flatMap(({ after }) => after ?? [])))
  }

  /** The index of an item, or the one at which it must be inserted. */
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
