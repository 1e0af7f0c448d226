import {
  computed,
  getCurrentInstance,
  type InjectionKey,
  inject,
  type MaybeRefOrGetter,
  onMounted,
  provide,
  type Ref,
  shallowRef,
  toValue,
  watch,
} from 'vue'
import { ago, everyHalfMinute, type Locale } from './ago.ts'
import type { PresenceClient } from './api.ts'
import type { MyStatus } from './choice.ts'
import { warnIfClosed } from './development.ts'
import { idOf, type UserId } from './ids.ts'
import type { ConnectionState } from './machine.ts'
import { createOwned, keyOf, type OwnedOptions, setStatusOf } from './owned.ts'
import { allUsers, connectionStatus, myStatus, NO_CHOICE, onlineCount, type Store } from './stores.ts'
import type { PresenceUser } from './user-view.ts'

export type { OwnedOptions } from './owned.ts'
export * from './public.ts'

// Each composable returns a ref and subscribes while its component is mounted, so never during server-side rendering.
// Before that, and while nobody is logged in, the ref has what a new client returns.

type ClientRef = Readonly<Ref<PresenceClient | undefined>>

const KEY: InjectionKey<ClientRef> = Symbol('who-is-online')

/** The clients by the component that provides them: Vue gives a component only what the components above provide. */
const provided = new WeakMap<object, ClientRef>()

/**
 * Provides a client to the composables in the descendants of this component, and to those that this component calls
 * later in its setup. Returns what {@link usePresenceClient} returns. It creates the client when the component is
 * mounted, and closes it when the component is unmounted and when another user logs in. Pass a ref or a getter, so that
 * the options can change; undefined, or a `userId` that is undefined or null, means that nobody is logged in.
 */
export function providePresence(options: MaybeRefOrGetter<OwnedOptions | undefined>): ClientRef {
  const client = shallowRef<PresenceClient>()
  const current = (): OwnedOptions => toValue(options) as OwnedOptions
  const key = computed(() => (toValue(options) ? keyOf(current()) : undefined))
  onMounted(() => {
    // The newest options while somebody is logged in: a function of theirs may be called once more while one logs out.
    let last: OwnedOptions
    const newest = (): OwnedOptions => (last = toValue(options) ?? last)
    const change = (_: unknown, __: unknown, onCleanup: (end: () => void) => void): void => {
      const created = key.value === undefined ? undefined : createOwned(newest)
      client.value = created
      onCleanup(() => {
        client.value = undefined
        created?.close()
      })
    }
    watch(key, change, { immediate: true })
  })
  provide(KEY, client)
  const instance = getCurrentInstance()
  if (instance) provided.set(instance, client)
  return client
}

/**
 * Returns a ref of the client that {@link providePresence} has made; undefined until it is made, and while nobody is
 * logged in. Throws an `Error` if neither this component nor one above has called `providePresence`.
 */
export function usePresenceClient(): ClientRef {
  const client = provided.get(getCurrentInstance() as object) ?? inject(KEY, undefined)
  if (!client) throw new Error('no presence client: call providePresence() first, here or in an ancestor')
  return client
}

/** Keeps a ref equal to a store of the client; `nothing` while there is no store. */
function useStore<Value>(
  select: (client: PresenceClient) => Store<Value> | undefined,
  nothing: Value,
): Readonly<Ref<Value>> {
  const client = usePresenceClient()
  const value = shallowRef(nothing)
  onMounted(() =>
    watch(
      () => client.value && select(client.value),
      (store, _, onCleanup) => {
        if (client.value) warnIfClosed(client.value)
        const update = (): void => {
          value.value = store ? store.get() : nothing
        }
        if (store) onCleanup(store.subscribe(update))
        update()
      },
      { immediate: true },
    ),
  )
  return value
}

/** Returns a ref of a user: `undefined` until the server has sent the user's state, and for an invalid id. */
export function useUserStatus(
  userId: MaybeRefOrGetter<UserId | null | undefined>,
): Readonly<Ref<PresenceUser | undefined>> {
  return useStore(client => {
    const id = idOf(toValue(userId))
    return id ? client.user(id) : undefined
  }, undefined)
}

/** Returns a ref of users: those whose state has arrived, in the order of the ids. Invalid ids are ignored. */
export function useUsers(
  userIds: MaybeRefOrGetter<readonly (UserId | null | undefined)[]>,
): Readonly<Ref<readonly PresenceUser[]>> {
  return useStore<readonly PresenceUser[]>(
    client => client.list(toValue(userIds).flatMap(id => idOf(id) ?? [])),
    [],
  )
}

/** Returns a ref of all users who are online, away or busy. */
export function useOnlineUsers(): Readonly<Ref<readonly PresenceUser[]>> {
  const users = useStore<readonly PresenceUser[]>(allUsers, [])
  return computed(() => users.value.filter(user => user.status !== 'offline'))
}

/** Returns a ref of the number of users who are online: `undefined` until it has arrived. */
export function useOnlineCount(): Readonly<Ref<number | undefined>> {
  return useStore<number | undefined>(onlineCount, undefined)
}

/**
 * Returns a ref of what this user has chosen, here or on another device, and `setStatus` to change it, which rejects
 * with a `PresenceError` `closed` while nobody is logged in.
 */
export function useMyStatus(): readonly [Readonly<Ref<MyStatus>>, PresenceClient['setStatus']] {
  const client = usePresenceClient()
  const mine = useStore<MyStatus>(myStatus, NO_CHOICE)
  return [mine, setStatusOf(() => client.value)]
}

/** Returns a ref of the state of the connection: `idle` while nobody is logged in. */
export function useConnectionStatus(): Readonly<Ref<ConnectionState>> {
  return useStore<ConnectionState>(connectionStatus, 'idle')
}

/**
 * Returns a ref of how long ago a time such as `lastSeen` was, such as "5 minutes ago", by the server's clock and in
 * the language `locale` (default: that of the device). It changes every half minute; `undefined` without a time.
 */
export function useAgo(
  time: MaybeRefOrGetter<string | null | undefined>,
  locale?: Locale,
): Readonly<Ref<string | undefined>> {
  const client = usePresenceClient()
  const ticks = shallowRef(0)
  onMounted(() =>
    watch(
      () => !!toValue(time),
      (hasTime, _, onCleanup) => {
        if (hasTime) onCleanup(everyHalfMinute(() => ticks.value++))
      },
      { immediate: true },
    ),
  )
  return computed(() => {
    const at = toValue(time)
    return ticks.value >= 0 && at && client.value
      ? ago(Date.parse(at), client.value.serverTime(), locale)
      : undefined
  })
}
