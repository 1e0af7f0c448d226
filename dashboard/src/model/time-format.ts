/** Formats times, given in ms since the epoch, by the language and the time zone of the reader. */
export interface TimeFormat {
  /** `12:03`; with the date if that is not today; only the date if that is not this year. */
  clock(at: number, now: number): string
  /** `12:03` or `6:00 PM`, for the axis of a chart */
  tick(at: number): string
  /** `12:03:07` */
  second(at: number): string
  /** `now`, `3 minutes ago`, `yesterday` */
  ago(at: number, now: number): string
  /** How much time has passed, for a narrow column: `now`, `20s`, `3m`, `5h`, `2d` */
  short(at: number, now: number): string
  /** How much time has passed, in words: `20 seconds`, `1 minute`, `5 hours` */
  span(at: number, now: number): string
  /** The date and the time to the second, for a tooltip. */
  full(at: number): string
}

const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const

/** How long something has lasted, exact to the second in the first minute: `42 s`, `3 min`, `5 h`, `2 d`. */
export function elapsed(seconds: number): string {
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`
  return seconds < 86_400 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`
}

/** Relative times are rounded down to so many seconds, so that they do not change every second. */
const STEP_SECONDS = 10

/** How much time has passed, in its largest unit. */
function passedSince(
  at: number,
  now: number,
): { readonly unit: (typeof UNITS)[number][0]; readonly count: number } {
  const passed = Math.max(0, Math.floor((now - at) / 1_000 / STEP_SECONDS) * STEP_SECONDS)
  const [unit, seconds] = UNITS.find(([, seconds]) => passed >= seconds) ?? ['second', 1]
  return { unit, count: Math.floor(passed / seconds) }
}

/**
 * Makes a format for a locale and a time zone, by default the reader's. Relative times are always in English,
 * the language of the page.
 */
export function timeFormat(locale?: string, timeZone?: string): TimeFormat {
  const zone = timeZone === undefined ? {} : { timeZone }
  const minute = new Intl.DateTimeFormat(locale, { ...zone, hour: '2-digit', minute: '2-digit' })
  const tick = new Intl.DateTimeFormat(locale, { ...zone, hour: 'numeric', minute: '2-digit' })
  const second = new Intl.DateTimeFormat(locale, {
    ...zone,
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  })
  const day = new Intl.DateTimeFormat(locale, { ...zone, day: 'numeric', month: 'short' })
  const dayOfYear = new Intl.DateTimeFormat(locale, {
    ...zone,
    day: 'numeric',
    month: 'short',
    year: 'numeric',
  })
  const year = new Intl.DateTimeFormat(locale, { ...zone, year: 'numeric' })
  const full = new Intl.DateTimeFormat(locale, { ...zone, dateStyle: 'medium', timeStyle: 'medium' })
  const ago = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
  return {
    clock(at, now) {
      const date = dayOfYear.format(at)
      if (date === dayOfYear.format(now)) return minute.format(at)
      return year.format(at) === year.format(now) ? `${day.format(at)}, ${minute.format(at)}` : date
    },
    tick: at => tick.format(at),
    second: at => second.format(at),
    ago(at, now) {
      const { unit, count } = passedSince(at, now)
      return ago.format(-count, unit)
    },
    short(at, now) {
      const { unit, count } = passedSince(at, now)
      return count === 0 ? 'now' : `${count}${unit[0]}`
    },
    span(at, now) {
      const { unit, count } = passedSince(at, now)
      return `${count} ${unit}${count === 1 ? '' : 's'}`
    },
    full: at => full.format(at),
  }
}
