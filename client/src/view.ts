import type { User } from './wire.ts'

/**
 * Whether what is shown of a user is kept up by the server at this moment. `stale`: it was so when the connection was
 * lost, or the server has not yet said what has become of it. No green dot should be drawn for it as if it were sure.
 */
export type Freshness = 'live' | 'stale'

/** A user who is followed. Frozen in time: a change makes another object, so `===` tells whether there was one. */
export interface PresenceUser extends User {
  readonly freshness: Freshness
}

export interface View {
  get(userId: string): PresenceUser | undefined
  /** Everybody who is known: the same array until somebody changes. */
  all(): readonly PresenceUser[]
  set(user: User, freshness: Freshness): void
  drop(userId: string): void
  /** Who has changed since this was asked last. */
  takeChanged(): readonly PresenceUser[]
}

/** What this client knows of users, as objects that stay the same until something about them changes. */
export function view(): View {
  // Strangers choose the keys, so it is a Map.
  const users = new Map<string, PresenceUser>()
  const changed = new Set<string>()
  let all: readonly PresenceUser[] | undefined

  return {
    get: userId => users.get(userId),
    all() {
      all ??= [...users.values()]
      return all
    },
    set({ userId, status, lastSeen, username, text, expiresAt }, freshness) {
      const before = users.get(userId)
      const after = { userId, status, lastSeen, username, text, expiresAt, freshness }
      const isSame =
        before && (Object.keys(after) as (keyof typeof after)[]).every(key => before[key] === after[key])
      if (isSame) return
      users.set(userId, after)
      changed.add(userId)
      all = undefined
    },
    drop(userId) {
      if (users.delete(userId)) all = undefined
    },
    takeChanged() {
      const each = [...changed].flatMap(userId => users.get(userId) ?? [])
      changed.clear()
      return each
    },
  }
}
