import type { PresenceClient } from './api.ts'
import type { MyStatus } from './choice.ts'
import type { ConnectionState } from './machine.ts'
import type { PresenceUser } from './user-view.ts'

// What the hooks and the composables read.

/** A part of the client that changes. */
export interface Store<Value> {
  get(): Value
  subscribe(changed: () => void): () => void
}

/** What a user who has chosen nothing has. */
export const NO_CHOICE: MyStatus = { status: 'online' }

/** All users whom the client knows. Subscribes to all users. */
export const allUsers = (client: PresenceClient): Store<readonly PresenceUser[]> => ({
  get: client.users,
  subscribe(changed) {
    const unwatch = client.watchAll()
    const unlisten = client.onChange(changed)
    return () => {
      unlisten()
      unwatch()
    }
  },
})

/** The number of online users. */
export const onlineCount = (client: PresenceClient): Store<number | undefined> => client.onlineCount()

/** What this user has chosen. */
export const myStatus = (client: PresenceClient): Store<MyStatus> => ({
  get: () => client.myStatus,
  subscribe: client.onMyStatus,
})

/** The state of the connection. */
export const connectionStatus = (client: PresenceClient): Store<ConnectionState> => ({
  get: () => client.connectionStatus,
  subscribe: client.onConnectionChange,
})
