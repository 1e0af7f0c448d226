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
}

/** A user as others see them, as an item of a message. */
export function asUser({ userId, status, lastSeen, username, text, expiresAt }: SeenUser): User {
  return {
    userId,
    status,
    lastSeen: lastSeen === null ? null : formatTime(lastSeen),
    username,
    text,
    expiresAt: expiresAt === undefined ? undefined : formatTime(expiresAt),
  }
}

/** The same as JSON: the fragment of which all lists and diffs are joined. */
export function userItem(user: SeenUser): string {
  return encodeUser(asUser(user))
}

/** A list of users for a message, joined from items. */
export function userList(users: Iterable<SeenUser>): Json {
  return new Json(`[${Array.from(users, userItem).join(',')}]`)
}
