import type { User } from '@who-is-online/protocol/catalogue'
import { encodeUser, formatTime } from '@who-is-online/protocol/encode'
import { Json } from '@who-is-online/protocol/json'
import type { SeenUser } from './presence/view.ts'

/** A user as others see them. A hidden user is `offline`. */
export interface PresenceUser {
  readonly userId: string
  readonly status: 'online' | 'away' | 'busy' | 'offline'
  /** ISO 8601; `null` for a user who was never seen. */
  readonly lastSeen: string | null
  readonly username?: string | undefined
  readonly text?: string | undefined
  /** When the status ends, in ISO 8601. */
  readonly expiresAt?: string | undefined
  /** When the status began, in ISO 8601; `null` if that is not known, absent for a user who is offline. */
  readonly since?: string | null | undefined
}

/** A user as others see them, as an item of a message. */
export function asUser(user: SeenUser): User {
  const { userId, status, lastSeen, username, text, expiresAt, since } = user
  return {
    userId,
    status,
    lastSeen: lastSeen === null ? null : formatTime(lastSeen),
    username,
    text,
    expiresAt: expiresAt === undefined ? undefined : formatTime(expiresAt),
    since: status === 'offline' ? undefined : since === undefined ? null : formatTime(since),
  }
}

/**
 * A status that began so close to the last sign of life, in ms, has no `since` in a diff. That is so for nearly all
 * changes, because most users change by doing something, and it saves a third of the bytes of an item.
 */
const SAME_TIME_MS = 1_000

/** A user as an item of a diff, as JSON. */
export function diffItem(user: SeenUser): string {
  const { since, lastSeen } = user
  const isSame = since !== undefined && lastSeen !== null && Math.abs(since - lastSeen) <= SAME_TIME_MS
  return encodeUser(isSame ? { ...asUser(user), since: undefined } : asUser(user))
}

/** A user as JSON: the fragment of which lists are joined. */
export function userItem(user: SeenUser): string {
  return encodeUser(asUser(user))
}

/** A list of users for a message, joined from items. */
export function userList(users: Iterable<SeenUser>): Json {
  return new Json(`[${Array.from(users, userItem).join(',')}]`)
}
