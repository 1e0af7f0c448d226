/** Formats times as this reader's language and clock have them. */
export interface Times {
  /** `12:03`, or with the day when that is not today's. */
  clock(at: number, now: number): string
  /** `12:03:07` */
  second(at: number): string
  /** `now`, `3 minutes ago`, `yesterday` */
  ago(at: number, now: number): string
  /** All of it, to hover over. */
  full(at: number): string
}

const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const

/** `now` is as precise as somebody who glances needs it, and does not count seconds aloud. */
const STEP_SECONDS = 10

/** The language of the page is English; how a time is written is the reader's. */
export function times(locale?: string, timeZone?: string): Times {
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
