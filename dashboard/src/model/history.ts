/** Most points that are kept. Beyond that their density is halved: an hour by seconds, a day by half minutes. */
const MAX_POINTS = 3_600

/** Without a record for so many points the count is unknown: the page was hidden or asleep. */
const GAP_POINTS = 8

/** How many users were online since the page opened, as the two columns of a chart. */
export class History {
  /** Seconds since the epoch, ascending. */
  readonly times: number[] = []
  /** The number of users at each time; `null` if it is unknown. */
  readonly counts: (number | null)[] = []
  /** How many seconds one point stands for. */
  #seconds = 1

  /** Records the number of users at `nowMs`; `undefined` if it is unknown. */
  record(nowMs: number, count: number | undefined): void {
    const { times, counts } = this
    const time = Math.floor(nowMs / 1_000 / this.#seconds) * this.#seconds
    const last = times.at(-1)
    if (last !== undefined && time <= last) {
      counts[counts.length - 1] = count ?? null
      return
    }
    if (last !== undefined && time - last > GAP_POINTS * this.#seconds) {
      times.push(last + this.#seconds)
      counts.push(null)
    }
    times.push(time)
    counts.push(count ?? null)
    if (times.length > MAX_POINTS) this.#halve()
  }

  /** The smallest and the largest number; undefined if none was ever known. */
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

  #halve(): void {
    this.#seconds *= 2
    let kept = 0
    for (let index = 0; index < this.times.length; index++) {
      // Keeps the first point, when the page opened, and the last one, the current number.
      if (index % 2 !== 0 && index !== this.times.length - 1) continue
      this.times[kept] = this.times[index] as number
      this.counts[kept] = this.counts[index] as number | null
      kept++
    }
    this.times.length = kept
    this.counts.length = kept
  }
}
