/** How often a text such as "5 minutes ago" is made again, in ms. */
const EVERY_MS = 30_000

/** The units, largest first, with their length in ms. Months and years are rounded, as in all such texts. */
const UNITS = [
  ['year', 365 * 86_400_000],
  ['month', 30 * 86_400_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const

/** Formats are slow to make, and a list has many rows. By locale. */
const formats = new Map<string | undefined, Intl.RelativeTimeFormat>()

/** A language, such as `de`, for texts; undefined: that of the device. */
export type Locale = string | undefined

/**
 * Returns how long ago a time was, such as "5 minutes ago", "yesterday" or "now". A time in the future is "now". Both
 * times are in ms since the epoch. Throws a `RangeError` for an invalid locale.
 */
export function ago(time: number, now: number, locale: Locale): string {
  const format = formats.get(locale) ?? new Intl.RelativeTimeFormat(locale, { numeric: 'auto' })
  formats.set(locale, format)
  const [unit, unitMs] = UNITS.find(([, ms]) => now - time >= ms) ?? ['second', Number.POSITIVE_INFINITY]
  return format.format(-Math.max(0, Math.floor((now - time) / unitMs)), unit)
}

/** Calls `task` every half minute until the returned function is called. */
export function everyHalfMinute(task: () => void): () => void {
  const { setInterval, clearInterval } = globalThis as unknown as {
    setInterval(task: () => void, ms: number): unknown
    clearInterval(timer: unknown): void
  }
  const timer = setInterval(task, EVERY_MS)
  return () => clearInterval(timer)
}
