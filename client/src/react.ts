'use client'

import {
  createContext,
  createElement,
  type ReactNode,
  useCallback,
  useContext,
  useMemo,
  useRef,
  useSyncExternalStore,
} from 'react'
import type { PresenceClient } from './api.ts'
import type { MyStatus } from './choice.ts'
import { isUserId } from './ids.ts'
import type { ConnectionState } from './machine.ts'
import type { PresenceUser } from './user-view.ts'

// Each hook reads the client as an external store. It returns the client's own object, which is the same
// until it changes, so a component renders again only when what it shows has changed. A hook subscribes while
// its component is mounted; the client and its connection belong to the application. Server-side rendering
// subscribes to nothing and returns what a new client returns.

const Context = createContext<PresenceClient | undefined>(undefined)

const NO_USERS: readonly PresenceUser[] = []
const DEFAULT: MyStatus = { status: 'online' }

/**
 * Provides a client to the hooks in its subtree. The application makes the client, outside of components, and
 * closes it.
 */
export function PresenceProvider({
  client,
  children,
}: {
  readonly client: PresenceClient
  readonly children?: ReactNode
}): ReactNode {
  return createElement(Context.Provider, { value: client }, children)
}

/** Returns the client of the nearest {@link PresenceProvider}. Throws an `Error` without one. */
export function usePresenceClient(): PresenceClient {
  const client = useContext(Context)
  if (!client) throw new Error('no presence client: wrap the component in a <PresenceProvider>')
  return client
}

/**
 * Returns a user and subscribes to it while the component is mounted. `undefined` until the server has sent
 * the user's state. An invalid id, such as that of a row that is still loading, subscribes to nothing. Throws
 * a `PresenceError` `too_many` beyond the server's limit of subscriptions.
 */
export function usePresence(userId: string | undefined): PresenceUser | undefined {
  const client = usePresenceClient()
  return useSyncExternalStore(
    useCallback(changed => client.subscribe([userId].filter(isUserId), changed), [client, userId]),
    () => (isUserId(userId) ? client.get(userId) : undefined),
    () => undefined,
  )
}

/**
 * Returns users and subscribes to them while the component is mounted: those whose state has arrived, in the
 * order of the ids. The same array until one of them changes, also if each render passes a new array of the
 * same ids. Invalid ids are ignored. Throws a `PresenceError` `too_many` beyond the server's limit of
 * subscriptions, for an error boundary.
 */
export function useUsers(userIds: readonly (string | undefined)[]): readonly PresenceUser[] {
  const client = usePresenceClient()
  const key = JSON.stringify(userIds)
  const ids = useMemo(() => (JSON.parse(key) as unknown[]).filter(isUserId), [key])
  const last = useRef(NO_USERS)
  return useSyncExternalStore(
    useCallback(changed => client.subscribe(ids, changed), [client, ids]),
    () => {
      const users = ids.flatMap(userId => client.get(userId) ?? [])
      const before = last.current
      const isSame = users.length === before.length && users.every((user, index) => user === before[index])
      if (!isSame) last.current = users
      return last.current
    },
    () => NO_USERS,
  )
}

/** Returns all users who are online, away or busy, and subscribes to all users while the component is mounted. */
export function useOnlineUsers(): readonly PresenceUser[] {
  const client = usePresenceClient()
  const users = useSyncExternalStore(
    useCallback(
      changed => {
        const unwatch = client.watchAll()
        const unlisten = client.onChange(changed)
        return () => {
          unlisten()
          unwatch()
        }
      },
      [client],
    ),
    () => client.users(),
    () => NO_USERS,
  )
  return useMemo(() => users.filter(user => user.status !== 'offline'), [users])
}

/**
 * Returns how many users are online and subscribes to the number while the component is mounted. `undefined`
 * until it has arrived.
 */
export function useOnlineCount(): number | undefined {
  const client = usePresenceClient()
  return useSyncExternalStore(
    useCallback(
      changed => {
        const unwatch = client.watchCount()
        const unlisten = client.onCount(changed)
        return () => {
          unlisten()
          unwatch()
        }
      },
      [client],
    ),
    () => client.count,
    () => undefined,
  )
}

/** Returns what this user has chosen, here or on another device, and `setStatus` to change it. */
export function useMyStatus(): readonly [MyStatus, PresenceClient['setStatus']] {
  const client = usePresenceClient()
  const status = useSyncExternalStore(
    useCallback(changed => client.onMyStatus(changed), [client]),
    () => client.myStatus,
    () => DEFAULT,
  )
  const setStatus = useCallback<PresenceClient['setStatus']>((...args) => client.setStatus(...args), [client])
  return [status, setStatus]
}

/** Returns the state of the connection. */
export function useConnectionStatus(): ConnectionState {
  const client = usePresenceClient()
  return useSyncExternalStore(
    useCallback(changed => client.onConnectionChange(changed), [client]),
    () => client.connectionStatus,
    () => 'idle',
  )
}
