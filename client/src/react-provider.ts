import { createContext, createElement, type ReactNode, useContext, useEffect, useRef, useState } from 'react'
import type { PresenceClient } from './api.ts'
import { createOwned, keyOf, type OwnedOptions } from './owned.ts'

/** The client of the nearest provider; null while nobody is logged in, undefined without a provider. */
const Context = createContext<PresenceClient | null | undefined>(undefined)

/** The properties of {@link PresenceProvider}: a client of the application, or the options of one of its own. */
export type PresenceProviderProps = { readonly children?: ReactNode } & (
  | {
      /** A client that the application creates, outside of components, and closes. */
      readonly client: PresenceClient
    }
  | OwnedOptions
)

/**
 * Provides a client to the hooks in its subtree. With `url` it creates the client itself, and closes it when it is
 * unmounted and when another user logs in. While nobody is logged in (`userId` is undefined or null), it renders its
 * children without a client: hooks return what they return before the first answer.
 */
export function PresenceProvider(props: PresenceProviderProps): ReactNode {
  const isGiven = 'client' in props
  const key = isGiven ? undefined : keyOf(props)
  const latest = useRef(props)
  const [owned, setOwned] = useState<{ readonly key: string; readonly client: PresenceClient | undefined }>()
  useEffect(() => {
    latest.current = props
  })
  // In an effect: StrictMode runs a component and its initializers twice, and only effects are cleaned up.
  useEffect(() => {
    if (!key) return
    const client = createOwned(() => latest.current as OwnedOptions)
    setOwned({ key, client })
    return () => {
      client?.close()
      setOwned(undefined)
    }
  }, [key])
  const client = isGiven ? props.client : owned?.key === key ? owned?.client : undefined
  return createElement(Context.Provider, { value: client ?? null }, props.children)
}

/**
 * Returns the client of the nearest {@link PresenceProvider}; undefined while nobody is logged in, and until a provider
 * has created its client. Throws an `Error` without a provider.
 */
export function usePresenceClient(): PresenceClient | undefined {
  const client = useContext(Context)
  if (client === undefined) throw new Error('no presence client: wrap the component in a <PresenceProvider>')
  return client ?? undefined
}
