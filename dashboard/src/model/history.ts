/** Most points that are kept. When there are more, they get half as dense: an hour to the second, a day to the half minute. */
const MAX_POINTS = 3_600

/** A pause as long as this is a hole: nobody looked, so nobody knows. */
const HOLE_SLOTS = 8

/** How many were online when, since the page opened: as the two columns that a chart is drawn from. */
export class History {
  /** Seconds since the epoch. */
  readonly times: number[] = []
  /** `null` where it is not known. */
  readonly counts: (number | null)[] = []
  /** How many seconds one point stands for. */
  #seconds = 1

  /** Notes how many there are now; `undefined` while that is not known. */
  note(nowMs: number, count: number | undefined): void {
    const { times, counts } = this
    const slot = Math.floor(nowMs / 1_000 / this.#seconds) * this.#seconds
    const last = times.at(-1)
    if (last !== undefined && slot <= last) {
      counts[counts.length - 1] = count ?? null
      return
    }
    if (last !== undefined && slot - last > HOLE_SLOTS * this.#seconds) {
      times.push(last + this.#seconds)
      counts.push(null)
    }
    times.push(slot)
    counts.push(count ?? null)
    if (times.length > MAX_POINTS) this.#thin()
  }

  /** The fewest and the most there were; undefined when it was never known. */
  get range(): { readonly least: number; readonly most: number } | undefined {
    let least = Number.POSITIVE_INFINITY
    let most = -1
    for (const count of this.counts) {
      if (count === null) continue
      least = Math.min(least, count)
      most = Math.max(most, count)
    }
    return most < 0 ? undefined : { least, most }
  }

  #thin(): void {
    this.#seconds *= 2
    let kept = 0
    for (let index = 0; index < this.times.length; index++) {
      // The first stays where the page opened, the last is how it is now.
      if (index % 2 !== 0 && index !== this.times.length - 1) continue
      this.times[kept] = this.times[index] as number
      this.counts[kept] = this.counts[index] as number | null
      kept++
    }
    this.times.length = kept
    this.counts.length = kept
  }
}
