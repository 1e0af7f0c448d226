/**
 * Upper bounds of the buckets, in ms: from a turn of the event loop to a disk that hangs. They double or more, because
 * an alert asks for the magnitude.
 */
const BOUNDS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000] as const

/** How many durations were at most this long, in seconds; `Infinity` for all. */
export interface DurationBucket {
  readonly most: number
  readonly count: number
}

/**
 * Counts how long something took, by its magnitude, for the metrics: adding a duration costs a few comparisons and two
 * additions.
 */
export class Durations {
  /** For each bound, how many durations are at most as long, but longer than the bound before. The last one: longer. */
  readonly #counts: number[] = new Array(BOUNDS_MS.length + 1).fill(0)
  #sumMs = 0

  /** @param ms what something took, in ms */
  add(ms: number): void {
    let bucket = 0
    while (bucket < BOUNDS_MS.length && ms > (BOUNDS_MS[bucket] as number)) bucket++
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1
    this.#sumMs += ms
  }

  /** The sum of all durations, in seconds. */
  get sum(): number {
    return this.#sumMs / 1_000
  }

  /** How many durations were added. */
  get count(): number {
    return this.#counts.reduce((all, count) => all + count, 0)
  }

  /** How many durations were at most as long as each bound, and at last how many there were. */
  get buckets(): DurationBucket[] {
    let count = 0
    return this.#counts.map((more, bucket) => {
      count += more
      return { most: (BOUNDS_MS[bucket] ?? Number.POSITIVE_INFINITY) / 1_000, count }
    })
  }
}
