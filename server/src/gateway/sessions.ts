import type { UserId } from '@who-is-online/protocol/words'

/** A connection that can be found by its session. */
export interface Present {
  readonly userId: UserId
  readonly sessionId: string
  /** Whether it only reads. Its user has no session by it, whatever session id it has. */
  readonly isObserver: boolean
}

const NONE: readonly never[] = []

/** The connections of each user. A user has few, so they are kept in a list. */
export class Sessions<Connection extends Present> {
  readonly #byUser = new Map<UserId, readonly Connection[]>()

  add(connection: Connection): void {
    this.#byUser.set(connection.userId, [...this.of(connection.userId), connection])
  }

  delete(connection: Connection): void {
    const rest = this.of(connection.userId).filter(other => other !== connection)
    if (rest.length === 0) this.#byUser.delete(connection.userId)
    else this.#byUser.set(connection.userId, rest)
  }

  /** The connections of a user now. The list does not change when connections are added or deleted. */
  of(userId: UserId): readonly Connection[] {
    return this.#byUser.get(userId) ?? NONE
  }

  /** The connection of a session. Observers have none. */
  find(userId: UserId, sessionId: string): Connection | undefined {
    return this.of(userId).find(connection => connection.sessionId === sessionId && !connection.isObserver)
  }
}
