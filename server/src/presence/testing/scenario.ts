import { NO_CHOICE } from '../choice.ts'
import type { Fact } from '../fact.ts'
import type { SessionName } from '../user-sessions.ts'
import type { SeenUser } from '../view.ts'
import type { OneNode, Outcome } from './one-node.ts'

/** The time at which tests of presence begin, in ms since the epoch. */
export const T = Date.parse('2026-01-01T00:00:00Z')
export const HOUR = 3_600_000
export const DAY = 24 * HOUR

/** A session without a name of its own, as in v1. */
export const tab = (id: string): SessionName => ({ id, named: false })

export const named = (id: string): SessionName => ({ id, named: true })

/** The fact of a user who has come at `T`, as far as `what` says nothing else. */
export function fact(userId: string, what: Partial<Fact> = {}): Fact {
  const said = { sessions: 'active', choice: NO_CHOICE } as const
  return { userId, ...said, username: undefined, lastSeen: T, cause: 'opened', at: T, ...what }
}

/** The changes of an outcome, as "USER STATUS". */
export const says = ({ changes }: Pick<Outcome, 'changes'>): string[] =>
  changes.map(({ userId, status }) => `${userId} ${status}`)

/** A user as others see them at `now`. */
export function seenOf(presence: OneNode, userId: string, now: number): SeenUser {
  // A sign of life of an unknown user changes nothing, but tells the time.
  presence.heard('nobody', now)
  return presence.see(userId)
}
