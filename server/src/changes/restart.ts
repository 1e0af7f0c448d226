import type { ShownStatus, UserId } from '@who-is-online/protocol/words'
import type { Change } from '../presence/change.ts'
import { presenceOf } from '../presence/fact.ts'
import type { PresenceRecord } from '../presence/record.ts'
import type { SeenUser } from '../presence/view.ts'
import type { StoredLog } from './stored-log.ts'

/** What others saw of a user when the last process ended. */
type Last = Pick<Change, 'status' | 'username' | 'text'>

/**
 * The changes that nobody has told: what others see after a start differs from what the log says. A choice may have
 * ended meanwhile. And the rate limit of a user may have delayed a change, which is visible after a start.
 *
 * @param records what was restored; users who were offline may be left out
 * @param see returns a user as others see them now
 * @param now in ms since the epoch
 */
export function changesOfRestart(
  log: StoredLog,
  records: Iterable<PresenceRecord>,
  see: (userId: UserId) => SeenUser,
  now: number,
): Change[] {
  const last = new Map<UserId, Last>()
  for (const record of records) {
    const { userId, session, username, expiresAt } = record
    // All others are as they were, unless the log has a recent change.
    if (session !== 'none' && expiresAt !== undefined) last.set(userId, { ...shownIn(record), username })
  }
  for (const change of log.changes) last.set(change.userId, change)
  const changes: Change[] = []
  for (const [userId, before] of last) {
    const after = see(userId)
    const { status, username, text, lastSeen } = after
    const isOffline = status === 'offline' && before.status === 'offline'
    if (isOffline || (status === before.status && username === before.username && text === before.text))
      continue
    changes.push({
      userId,
      status,
      previousStatus: before.status,
      previousSince: 0,
      at: now,
      lastSeen: lastSeen ?? now,
      cause: causeOf(before, after),
      username,
      text,
    })
  }
  return changes
}

/** When the newest status of a user began. */
interface Start {
  readonly status: ShownStatus
  /** Ms since the epoch. */
  readonly since: number
}

/** When each user's status began, as far as these changes tell it. */
export function startsOf(changes: Iterable<Change>): Map<UserId, Start> {
  const starts = new Map<UserId, Start>()
  for (const { userId, status, previousStatus, previousSince, at } of changes) {
    const since = status === previousStatus ? starts.get(userId)?.since || previousSince : at
    starts.set(userId, { status, since })
  }
  return starts
}

function shownIn({ status, text, expiresAt, idle }: PresenceRecord): Pick<Last, 'status' | 'text'> {
  return presenceOf({ sessions: idle ? 'idle' : 'active', choice: { status, text, expiresAt } })
}

function causeOf(before: Last, after: SeenUser): Change['cause'] {
  if (after.status === 'offline') return 'left'
  if (before.status === 'offline') return 'opened'
  if (before.status === after.status && before.text === after.text) return 'renamed'
  return after.expiresAt === undefined && after.text === undefined ? 'expired' : 'chosen'
}
