/** Formats times, given in ms since the epoch, by the language and the time zone of the reader. */
export interface TimeFormat {
  /** `12:03`, or with the date if that is not today. */
  clock(at: number, now: number): string
  /** `12:03:07` */
  second(at: number): string
  /** `now`, `3 minutes ago`, `yesterday` */
  ago(at: number, now: number): string
  /** The date and the time to the second, for a tooltip. */
  full(at: number): string
}

const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const

/** `ago` rounds down to so many seconds, so that it does not change every second. */
const STEP_SECONDS = 10

/**
 * Makes a format for a locale and a time zone, by default the reader's. Relative times are always in English,
 * the language of the page.
 */
export function timeFormat(locale?: string, timeZone?: string): TimeFormat {
  const zone = timeZone === undefined ? {} : { timeZone }
  const minute = new Intl.DateTimeFormat(locale, { ...zone, hour: '2-digit', minute: '2-digit' })
  const second = new Intl.DateTimeFormat(locale, {
    ...zone,
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  })
  const day = new Intl.DateTimeFormat(locale, { ...zone, day: 'numeric', month: 'short', year: 'numeric' })
  const full = new Intl.DateTimeFormat(locale, { ...zone, dateStyle: 'medium', timeStyle: 'medium' })
  const ago = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
  return {
    clock(at, now) {
      const date = day.format(at)
      return date === day.format(now) ? minute.format(at) : `${date}, ${minute.format(at)}`
    },
    second: at => second.format(at),
    ago(at, now) {
      const passed = Math.max(0, Math.floor((now - at) / 1_000 / STEP_SECONDS) * STEP_SECONDS)
      const [unit, seconds] = UNITS.find(([, seconds]) => passed >= seconds) ?? ['second', 1]
      return ago.format(-Math.floor(passed / seconds), unit)
    },
    full: at => full.format(at),
  }
}
