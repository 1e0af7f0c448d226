/** Most points of the page's own that are kept. Beyond that their density is halved. */
const MAX_POINTS = 3_600

/** Without a record for so many points the count is unknown: the page was hidden or asleep. */
const GAP_POINTS = 8

/** A time that the chart can show. */
export type Range = 'hour' | 'day'

/** The length of each range, in seconds. */
export const RANGE_SECONDS: Readonly<Record<Range, number>> = { hour: 3_600, day: 86_400 }

/** A day has one point of the page's own in so many seconds, as many as the server has. */
const DAY_STEP_SECONDS = 60

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

  /** The last hour or the last 24 hours until `nowMs`, beginning with the first known number. */
  columns(nowMs: number, range: Range): Columns {
    const own = range === 'day' ? thinned(this.#own) : this.#own
    const times = [...this.#server.times, ...own.times]
    const counts = [...this.#server.counts, ...own.counts]
    const end = nowMs / 1_000
    const oldest = end - RANGE_SECONDS[range]
    const first = counts.findIndex((count, index) => count !== null && (times[index] as number) >= oldest)
    if (first < 0) return { times: [], counts: [] }
    const after = times.findIndex(time => time > end)
    const to = after < 0 ? times.length : after
    return { times: times.slice(first, to), counts: counts.slice(first, to) }
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

/**
 * The first point, and the last one of each minute: in a chart of a day, a point for each second would be a vertical
 * line.
 */
function thinned({ times, counts }: Columns): Columns {
  const minuteOf = (time: number | undefined) => time && Math.floor(time / DAY_STEP_SECONDS)
  const isLast = (index: number) => minuteOf(times[index]) !== minuteOf(times[index + 1])
  return {
    times: times.filter((_, index) => index === 0 || isLast(index)),
    counts: counts.filter((_, index) => index === 0 || isLast(index)),
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
