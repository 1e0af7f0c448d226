import type { Change } from '../../presence/change.ts'

/** The change of a user who becomes online. */
export function newChange(userId: string): Change {
  return { userId, status: 'online', previous: 'offline', at: 0, cause: 'opened' }
}
