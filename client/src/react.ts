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

// Each hook reads the client as an external store: what it returns is the client's own object, the same until it
// changes, so a component renders again only when what it shows has changed. No hook owns a connection, and what one
// follows it lets go of when its component goes. While a page is rendered on a server nothing is followed, and each hook
// answers as for a client that knows nothing yet.

const Context = createContext<PresenceClient | undefined>(undefined)

const NOBODY: readonly PresenceUser[] = []
const PLAIN: MyStatus = { status: 'online' }

/** Lends a client to the hooks below it. The application makes it, outside of components, and closes it. */
export function PresenceProvider({
  client,
  children,
}: {
  readonly client: PresenceClient
  readonly children?: ReactNode
}): ReactNode {
  return createElement(Context.Provider, { value: client }, children)
}

/** The client of the nearest {@link PresenceProvider}. */
export function usePresenceClient(): PresenceClient {
  const client = useContext(Context)
  if (!client) throw new Error('there is no <PresenceProvider> above this component')
  return client
}

/**
 * One user, followed while the component is there; `undefined` until the server has told of them. An id that can't be
 * one, such as that of a row that is still loading, follows nobody.
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
 * Some users, followed while the component is there: those who are known, in the order of the ids. The same array until
 * one of them changes; the ids may come in a new array at each render. Ids that can't be any are passed over; more than a
 * connection may follow throw `too_many`, for an error boundary.
 */
export function useUsers(userIds: readonly (string | undefined)[]): readonly PresenceUser[] {
  const client = usePresenceClient()
  const key = JSON.stringify(userIds)
  const ids = useMemo(() => (JSON.parse(key) as unknown[]).filter(isUserId), [key])
  const last = useRef(NOBODY)
  return useSyncExternalStore(
    useCallback(changed => client.subscribe(ids, changed), [client, ids]),
    () => {
      const users = ids.flatMap(userId => client.get(userId) ?? [])
      const before = last.current
      const isSame = users.length === before.length && users.every((user, index) => user === before[index])
      if (!isSame) last.current = users
      return last.current
    },
    () => NOBODY,
  )
}

/** Everybody who is online, away or busy. Follows everybody while the component is there. */
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
    () => NOBODY,
  )
  return useMemo(() => users.filter(user => user.status !== 'offline'), [users])
}

/** How many users are online; `undefined` until the server has told. */
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

/** What this user has chosen, here or on another device, and what chooses. */
export function useMyStatus(): readonly [MyStatus, PresenceClient['setStatus']] {
  const client = usePresenceClient()
  const status = useSyncExternalStore(
    useCallback(changed => client.onMyStatus(changed), [client]),
    () => client.myStatus,
    () => PLAIN,
  )
  const setStatus = useCallback<PresenceClient['setStatus']>((...args) => client.setStatus(...args), [client])
  return [status, setStatus]
}

/** Where the connection is. */
export function useConnectionStatus(): ConnectionState {
  const client = usePresenceClient()
  return useSyncExternalStore(
    useCallback(changed => client.onConnectionChange(changed), [client]),
    () => client.connectionStatus,
    () => 'idle',
  )
}
