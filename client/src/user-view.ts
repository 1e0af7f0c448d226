import { callListener } from './listeners.ts'
import type { User } from './protocol.ts'
import { isSame } from './same.ts'

/**
 * Whether a user's state is up to date. `stale`: the connection is lost, the page is hidden, or the server
 * has not yet sent what changed meanwhile. Do not draw a stale user like a live one.
 */
export type Freshness = 'live' | 'stale'

/**
 * The state of a user that the application subscribed to. Immutable: a change makes another object, so
 * compare with `===`.
 */
export interface PresenceUser extends User {
  readonly freshness: Freshness
}

/** The users as the application sees them. */
export interface UserView {
  get(userId: string): PresenceUser | undefined
  /** Returns all users: the same array until one of them changes. */
  all(): readonly PresenceUser[]
  /**
   * Takes the state of a user, and removes a user without a subscription.
   * {@link UserView.emit} calls the listeners.
   */
  receive(user: User): void
  /** Updates the freshness of all users, removes those without a subscription, and calls the listeners. */
  refresh(): void
  /** Calls the listeners with the users who have changed since the last call. */
  emit(): void
}

/**
 * Makes an empty view. `freshnessOf` returns undefined for a user without a subscription; `listenersOf` returns the
 * listeners of the subscriptions to one user; `emitChanged` gets all changed users.
 */
export function userView(
  freshnessOf: (userId: string) => Freshness | undefined,
  listenersOf: (userId: string) => Iterable<() => void>,
  emitChanged: (users: readonly PresenceUser[]) => void,
): UserView {
  // Maps, because user ids such as "__proto__" are valid.
  const users = new Map<string, PresenceUser>()
  const changed = new Map<string, PresenceUser>()
  /** What `all` returned last, unless something has changed since. */
  let list: readonly PresenceUser[] | undefined

  function receive(user: User): void {
    const { userId } = user
    const freshness = freshnessOf(userId)
    if (freshness) {
      const updated = { ...user, freshness }
      if (isSame(users.get(userId), updated)) return
      users.set(userId, updated)
      changed.set(userId, updated)
    } else users.delete(userId)
    list = undefined
  }

  function emit(): void {
    const all = [...changed.values()]
    changed.clear()
    for (const listener of new Set(all.flatMap(({ userId }) => [...listenersOf(userId)])))
      callListener(listener)
    if (all.length) emitChanged(all)
  }

  return {
    get: userId => users.get(userId),
    all: () => (list ??= [...users.values()]),
    receive,
    refresh() {
      for (const user of users.values()) if (user.freshness !== freshnessOf(user.userId)) receive(user)
      emit()
    },
    emit,
  }
}
