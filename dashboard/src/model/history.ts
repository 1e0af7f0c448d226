/** Most points of the page's own that are kept. Beyond that their density is halved. */
const MAX_POINTS = 3_600

/** Without a record for so many points the count is unknown: the page was hidden or asleep. */
const GAP_POINTS = 8

/** The time that the chart shows, in seconds. */
const SHOWN_SECONDS = 86_400

/** What the server kept, as `/api/v1/count/history` answers it. */
export interface ServerHistory {
  /** The time between two numbers, in ms. */
  readonly stepMs: number
  /** The time of the last number, in ms since the epoch. */
  readonly until: number
  /** The numbers, oldest first; `null` where the server does not know it. */
  readonly online: readonly (number | null)[]
}

/** Numbers over time, as the columns of a chart. */
export interface Columns {
  /** Seconds since the epoch, ascending. */
  readonly times: number[]
  /** The number of users at each time; `null` if it is unknown. */
  readonly counts: (number | null)[]
}

/**
 * How many users were online in the last 24 hours: by minutes what the server kept, and from its last number on by
 * seconds what this page has seen.
 */
export class History {
  #server: Columns = { times: [], counts: [] }
  readonly #own: Columns = { times: [], counts: [] }
  /** How many seconds one own point stands for. */
  #seconds = 1

  /** Records the number of users at `nowMs`; `undefined` if it is unknown. */
  record(nowMs: number, count: number | undefined): void {
    const { times, counts } = this.#own
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

  /**
   * Takes what the server kept, instead of the own points of that time. If the clocks of the server and of this
   * computer differ, the times become those of this computer.
   */
  setServer({ stepMs, until, online }: ServerHistory, nowMs: number): void {
    const age = nowMs - until
    const last = age >= 0 && age <= 2 * stepMs ? until : nowMs
    const first = last - (online.length - 1) * stepMs
    this.#server = { times: online.map((_, index) => (first + index * stepMs) / 1_000), counts: [...online] }
    const { times, counts } = this.#own
    const from = times.findIndex(time => time > last / 1_000)
    const dropped = from < 0 ? times.length : from
    times.splice(0, dropped)
    counts.splice(0, dropped)
    if (times.length === 0) this.#seconds = 1
  }

  /** The last 24 hours before `nowMs`, beginning with the first known number. */
  columns(nowMs: number): Columns {
    const times = [...this.#server.times, ...this.#own.times]
    const counts = [...this.#server.counts, ...this.#own.counts]
    const oldest = nowMs / 1_000 - SHOWN_SECONDS
    const first = counts.findIndex((count, index) => count !== null && (times[index] as number) >= oldest)
    return first < 0 ? { times: [], counts: [] } : { times: times.slice(first), counts: counts.slice(first) }
  }

  #halve(): void {
    const { times, counts } = this.#own
    this.#seconds *= 2
    let kept = 0
    for (let index = 0; index < times.length; index++) {
      // Keeps the first point, when the page opened, and the last one, the current number.
      if (index % 2 !== 0 && index !== times.length - 1) continue
      times[kept] = times[index] as number
      counts[kept] = counts[index] as number | null
      kept++
    }
    times.length = kept
    counts.length = kept
  }
}

/** The smallest and the largest number of a chart; undefined if none is known. */
export function rangeOf({ counts }: Columns): { readonly least: number; readonly most: number } | undefined {
  let least = Number.POSITIVE_INFINITY
  let most = -1
  for (const count of counts) {
    if (count === null) continue
    least = Math.min(least, count)
    most = Math.max(most, count)
  }
  return most < 0 ? undefined : { least, most }
}
