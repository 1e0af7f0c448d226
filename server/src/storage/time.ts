/*
 * `Date` takes a microsecond to write a time and half of one to read it: for a million users more than all the
 * rest of saving and loading. Times crowd in few days, so the day is looked up and the clock time put together.
 */

const DAY_MS = 86_400_000
/** Known users are kept 30 days; twice that leaves room for those whose clock was wrong. */
const MOST_DAYS = 64

const digits = (count: number, width: number) =>
  Array.from({ length: count }, (_, value) => String(value).padStart(width, '0'))
const SECONDS = digits(60, 2).map(second => `${second}.`)
const MILLISECONDS = digits(1_000, 3).map(millisecond => `${millisecond}Z`)
const MINUTES = digits(24, 2).flatMap(hour => digits(60, 2).map(minute => `T${hour}:${minute}:`))

const dateOfDay = new Map<number, string>()

/** A time as `Date.prototype.toISOString` writes it. @throws RangeError as that does. */
export function isoTime(time: number): string {
  const day = Math.floor(time / DAY_MS)
  const ms = Math.trunc(time - day * DAY_MS)
  const minute = Math.trunc(ms / 60_000)
  const second = Math.trunc(ms / 1_000) % 60
  return `${dateOf(day)}${MINUTES[minute]}${SECONDS[second]}${MILLISECONDS[ms % 1_000]}`
}

function dateOf(day: number): string {
  const known = dateOfDay.get(day)
  if (known !== undefined) return known
  const date = new Date(day * DAY_MS).toISOString().slice(0, -'T00:00:00.000Z'.length)
  if (dateOfDay.size >= MOST_DAYS) dateOfDay.clear()
  dateOfDay.set(day, date)
  return date
}

const ISO_TIME = /^(?:[+-]\d\d)?\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/

/** Milliseconds of an ISO 8601 time with its zone; NaN for any other text. */
export function parseTime(text: string): number {
  return ISO_TIME.test(text) ? Date.parse(text) : Number.NaN
}
