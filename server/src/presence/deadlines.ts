/**
 * Items with deadlines, earliest first: a binary heap, instead of a timer for each item. An item can't be
 * removed. When `take` returns it, the caller checks whether it still applies.
 */
export class Deadlines<Item> {
  readonly #heap: { at: number; readonly item: Item }[] = []

  get size(): number {
    return this.#heap.length
  }

  /** The earliest deadline, in the caller's ms; Infinity if empty. */
  get next(): number {
    return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY
  }

  add(at: number, item: Item): void {
    const heap = this.#heap
    const entry = { at, item }
    let index = heap.length
    heap.push(entry)
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent] as (typeof heap)[0]
      if (above.at <= at) break
      heap[index] = above
      index = parent
    }
    heap[index] = entry
  }

  /**
   * Removes and returns the earliest item whose deadline is `now` or earlier; undefined if there is no such
   * item.
   */
  take(now: number): Item | undefined {
    const heap = this.#heap
    const first = heap[0]
    if (first === undefined || first.at > now) return undefined
    const last = heap.pop() as typeof first
    if (heap.length > 0) this.#sink(last)
    return first.item
  }

  #sink(entry: { at: number; readonly item: Item }): void {
    const heap = this.#heap
    let index = 0
    for (;;) {
      const left = 2 * index + 1
      if (left >= heap.length) break
      const right = left + 1
      const smaller =
        right < heap.length && (heap[right] as typeof entry).at < (heap[left] as typeof entry).at
          ? right
          : left
      const child = heap[smaller] as typeof entry
      if (child.at >= entry.at) break
      heap[index] = child
      index = smaller
    }
    heap[index] = entry
  }
}
