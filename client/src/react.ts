'use client'

import { useCallback, useEffect, useMemo, useReducer, useSyncExternalStore } from 'react'
import { ago, everyHalfMinute, type Locale } from './ago.ts'
import type { PresenceClient } from './api.ts'
import type { MyStatus } from './choice.ts'
import { warnIfClosed } from './development.ts'
import { idOf, type UserId } from './ids.ts'
import type { ConnectionState } from './machine.ts'
import { setStatusOf } from './owned.ts'
import { usePresenceClient } from './react-provider.ts'
import { allUsers, connectionStatus, myStatus, NO_CHOICE, onlineCount, type Store } from './stores.ts'
import type { PresenceUser } from './user-view.ts'

export type { OwnedOptions } from './owned.ts'
export * from './public.ts'
export { PresenceProvider, type PresenceProviderProps, usePresenceClient } from './react-provider.ts'

// Each hook reads the client as an external store. It returns the client's own object, which is the same
// until it changes, so a component renders again only when what it shows has changed. A hook subscribes while
// its component is mounted. Server-side rendering subscribes to nothing and returns what a new client returns,
// and so do the hooks while nobody is logged in.

const NO_USERS: readonly PresenceUser[] = []
const subscribeToNothing = () => () => {}

/**
 * Reads a store of the client. `select` must stay the same function until another store is needed; it returns
 * undefined if there is nothing to read. Then, and on a server, the hook returns `nothing`.
 */
function useStore<Value>(
  select: (client: PresenceClient) => Store<Value> | undefined,
  nothing: Value,
): Value {
  const client = usePresenceClient()
  const [subscribe, get] = useMemo(() => {
    const store = client && select(client)
    if (!store) return [subscribeToNothing, () => nothing] as const
    const subscribe = (changed: () => void): (() => void) => {
      warnIfClosed(client)
      return store.subscribe(changed)
    }
    return [subscribe, store.get] as const
  }, [client, select, nothing])
  return useSyncExternalStore(subscribe, get, () => nothing)
}

/**
 * Returns a user and subscribes to it while the component is mounted. `undefined` until the server has sent
 * the user's state. An invalid id, such as that of a row that is still loading, subscribes to nothing. Throws
 * a `PresenceError` `too_many` beyond the server's limit of subscriptions.
 */
export function useUserStatus(userId: UserId | null | undefined): PresenceUser | undefined {
  const id = idOf(userId)
  return useStore(
    useCallback((client: PresenceClient) => (id ? client.user(id) : undefined), [id]),
    undefined,
  )
}

/** The former name of {@link useUserStatus}. */
export function usePresence(userId: UserId | null | undefined): PresenceUser | undefined {
  return useUserStatus(userId)
}

/**
 * Returns users and subscribes to them while the component is mounted: those whose state has arrived, in the
 * order of the ids. The same array until one of them changes, also if each render passes a new array of the
 * same ids. Invalid ids are ignored. Throws a `PresenceError` `too_many` beyond the server's limit of
 * subscriptions, for an error boundary.
 */
export function useUsers(userIds: readonly (UserId | null | undefined)[]): readonly PresenceUser[] {
  const key = JSON.stringify(userIds)
  return useStore(
    useCallback(
      (client: PresenceClient) => client.list((JSON.parse(key) as unknown[]).flatMap(id => idOf(id) ?? [])),
      [key],
    ),
    NO_USERS,
  )
}

/** Returns all users who are online, away or busy, and subscribes to all users while the component is mounted. */
export function useOnlineUsers(): readonly PresenceUser[] {
  const users = useStore(allUsers, NO_USERS)
  return useMemo(() => users.filter(user => user.status !== 'offline'), [users])
}

/**
 * Returns how many users are online and subscribes to the number while the component is mounted. `undefined`
 * until it has arrived.
 */
export function useOnlineCount(): number | undefined {
  return useStore(onlineCount, undefined)
}

/**
 * Returns what this user has chosen, here or on another device, and `setStatus` to change it, which rejects with a
 * `PresenceError` `closed` while nobody is logged in.
 */
export function useMyStatus(): readonly [MyStatus, PresenceClient['setStatus']] {
  const client = usePresenceClient()
  const setStatus = useMemo(() => setStatusOf(() => client), [client])
  return [useStore(myStatus, NO_CHOICE), setStatus]
}

/** Returns the state of the connection: `idle` while nobody is logged in. */
export function useConnectionStatus(): ConnectionState {
  return useStore(connectionStatus, 'idle')
}

/**
 * Returns how long ago a time such as `lastSeen` was, such as "5 minutes ago", by the server's clock and in the
 * language `locale` (default: that of the device). The component renders again every half minute. `undefined` without
 * a time.
 */
export function useAgo(time: string | null | undefined, locale?: Locale): string | undefined {
  const client = usePresenceClient()
  const [, renderAgain] = useReducer((count: number) => count + 1, 0)
  useEffect(() => (time ? everyHalfMinute(renderAgain) : undefined), [time])
  return time && client ? ago(Date.parse(time), client.serverTime(), locale) : undefined
}
