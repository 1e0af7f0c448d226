/** How much each key has. A key without anything takes no memory. */
export class Counts<Key> {
  readonly #counts = new Map<Key, number>()

  /** The number of keys that have something. */
  get size(): number {
    return this.#counts.size
  }

  of(key: Key): number {
    return this.#counts.get(key) ?? 0
  }

  /** Adds to what a key has; `by` may be negative. `undefined` stands for a key that is not counted. */
  add(key: Key | undefined, by: number): void {
    if (key === undefined) return
    const sum = this.of(key) + by
    if (sum === 0) this.#counts.delete(key)
    else this.#counts.set(key, sum)
  }
}
