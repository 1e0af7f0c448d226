import type { Found } from './choices.ts'

/** When a user was last present, as far as the clients know, in ms since the epoch; `null` if never seen. */
export type Seen = { readonly from: number; readonly to: number } | null

/**
 * How long a connected user may give no sign of life, in ms: a ping interval, its timeout, and the longest
 * suspension.
 */
export const SILENT_MS = 60_000

/** The server notices a sign of life later, and its clock may differ by a small step, in ms. */
const SLACK_MS = 7_000

/**
 * Compares `lastSeen` with the truth. Returns a sentence about what is wrong, or `undefined`.
 *
 * @param tooLateMs by how much it may be too late, in ms
 */
export function wrongLastSeen(
  seen: Seen,
  { lastSeen }: Pick<Found, 'lastSeen'>,
  tooLateMs = 0,
): string | undefined {
  if (seen === null)
    return lastSeen === null ? undefined : `was never seen, the server says it was at ${lastSeen}`
  const time = Date.parse(lastSeen ?? '')
  const [from, to] = [seen.from - SLACK_MS, seen.to + SLACK_MS + tooLateMs]
  if (time >= from && time <= to) return undefined
  const far = time < from ? `${seconds(from - time)} too early` : `${seconds(time - to)} too late`
  const expected = `from ${new Date(from).toISOString()} to ${new Date(to).toISOString()}`
  return `was seen ${expected}, the server says ${lastSeen}${Number.isNaN(time) ? '' : `, ${far}`}`
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
