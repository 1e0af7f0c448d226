import type { UserId } from '@who-is-online/protocol/words'

/** A connection that can be found by its session. */
export interface Present {
  readonly userId: UserId
  readonly sessionId: string
}

/** The connections of each user. A user has few, so they are kept in a list. */
export class Sessions<Connection extends Present> {
  readonly #byUser = new Map<UserId, Connection[]>()

  add(connection: Connection): void {
    const connections = this.#byUser.get(connection.userId)
    if (connections) connections.push(connection)
    else this.#byUser.set(connection.userId, [connection])
  }

  delete(connection: Connection): void {
    const connections = this.#byUser.get(connection.userId) ?? []
    const index = connections.indexOf(connection)
    if (index < 0) return
    if (connections.length === 1) this.#byUser.delete(connection.userId)
    else connections.splice(index, 1)
  }

  of(userId: UserId): readonly Connection[] {
    return this.#byUser.get(userId) ?? []
  }

  find(userId: UserId, sessionId: string): Connection | undefined {
    return this.of(userId).find(connection => connection.sessionId === sessionId)
  }
}
