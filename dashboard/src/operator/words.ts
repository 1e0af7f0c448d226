/** What each reason of an explanation means. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ['noSession', 'The user has no session.'],
  ['hidden', 'The user is present, and chose to appear offline.'],
  ['chosen', 'The user, or a backend for the user, chose this status.'],
  ['idle', 'The user is idle in every session.'],
  ['active', 'The user is active in a connection.'],
  ['leased', 'The user is active in a session that a backend has leased.'],
  ['grace', 'The connection was lost. The user stays present until the grace period ends.'],
  ['delayed', 'The rate limit of visible changes delays the next one.'],
  ['elsewhere', 'A node that did not answer decides it.'],
])

/** Says why a user shows as they do. A reason of a newer server is returned as it is. */
export function reasonText(reason: string): string {
  return REASONS.get(reason) ?? reason
}
