/*
 * Formatting a time with `Date` takes a microsecond, and parsing takes half of one. For a million users, that
 * would be more than everything else in saving and loading. Most times are within a few days, so this code
 * looks up the day and computes only the time of day.
 */

/**
 * The largest time of ECMAScript in ms since the epoch, about 270,000 years; the smallest is its negative.
 */
export const MAX_TIME = 8.64e15

const DAY_MS = 86_400_000
/** Users are kept for 30 days by default. Twice that leaves room for times of a wrong clock. */
const MAX_CACHED_DAYS = 64

const digits = (count: number, width: number) =>
  Array.from({ length: count }, (_, value) => String(value).padStart(width, '0'))
const SECONDS = digits(60, 2).map(second => `${second}.`)
const MILLISECONDS = digits(1_000, 3).map(millisecond => `${millisecond}Z`)
const MINUTES = digits(24, 2).flatMap(hour => digits(60, 2).map(minute => `T${hour}:${minute}:`))

const dateOfDay = new Map<number, string>()

/**
 * Formats a time (ms since the epoch) like `Date.prototype.toISOString`. @throws RangeError for a time beyond
 * `MAX_TIME`
 */
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
  if (dateOfDay.size >= MAX_CACHED_DAYS) dateOfDay.clear()
  dateOfDay.set(day, date)
  return date
}

const ISO_TIME = /^(?:[+-]\d\d)?\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/

/** Parses an ISO 8601 time with a zone to ms since the epoch; NaN for any other text. */
export function parseTime(text: string): number {
  const time = parseFast(text)
  if (!Number.isNaN(time)) return time
  return ISO_TIME.test(text) ? Date.parse(text) : Number.NaN
}

const dayOfDate = new Map<string, number>()

/** Parses the output of `isoTime` for the years 0 to 9999; NaN for any other text. */
function parseFast(text: string): number {
  if (text.length !== 24 || text[10] !== 'T' || text[13] !== ':' || text[16] !== ':') return Number.NaN
  if (text[19] !== '.' || text[23] !== 'Z') return Number.NaN
  const hour = number(text, 11, 13)
  const minute = number(text, 14, 16)
  const second = number(text, 17, 19)
  if (!(hour < 24 && minute < 60 && second < 60)) return Number.NaN
  return dayOf(text.slice(0, 10)) + ((hour * 60 + minute) * 60 + second) * 1_000 + number(text, 20, 23)
}

function dayOf(date: string): number {
  const known = dayOfDate.get(date)
  if (known !== undefined) return known
  const day = ISO_TIME.test(`${date}T00:00Z`) ? Date.parse(date) : Number.NaN
  if (dayOfDate.size >= MAX_CACHED_DAYS) dayOfDate.clear()
  dayOfDate.set(date, day)
  return day
}

function number(text: string, start: number, end: number): number {
  let value = 0
  for (let index = start; index < end; index += 1) {
    const digit = text.charCodeAt(index) - 0x30
    if (!(digit >= 0 && digit <= 9)) return Number.NaN
    value = value * 10 + digit
  }
  return value
}
