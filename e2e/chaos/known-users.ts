import type { Found } from './choices.ts'

const DAY_MS = 24 * 3_600_000

/** Users whom the server knows from before the run, with their `lastSeen`. They never connect. */
export function knownUsers(count: number, now: number): ReadonlyMap<string, string> {
  return new Map(
    Array.from({ length: count }, (_, index) => {
      // From a minute to 29 days ago; the server forgets users after 30 days.
      const agoMs = 60_000 + Math.round((index / (count - 1)) ** 3 * (29 * DAY_MS - 60_000))
      return [`known-${index}`, new Date(now - agoMs).toISOString()] as const
    }),
  )
}

/** A state file in the plain form, for import. */
export function stateOf(users: ReadonlyMap<string, string>): string {
  const rows = [...users].map(([userId, lastSeen]) => [userId, { userId, status: 'offline', lastSeen }])
  return JSON.stringify(Object.fromEntries(rows))
}

/**
 * Returns a sentence for each user who was forgotten, or whose `lastSeen` changed.
 *
 * @param isClockRight whether `lastSeen` can be compared; while the clock is wrong, it must only be present
 */
export function forgotten(
  users: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, Found>,
  isClockRight: boolean,
): string[] {
  return [...users].flatMap(([userId, lastSeen]) => {
    const now = found.get(userId)?.lastSeen ?? null
    if (now === null) return [`${userId}, seen ${lastSeen}, was forgotten`]
    return isClockRight && now !== lastSeen
      ? [`${userId} was last seen ${lastSeen}, the server says ${now}`]
      : []
  })
}
