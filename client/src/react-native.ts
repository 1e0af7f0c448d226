import { useEffect } from 'react'
import type { PresenceClient } from './api.ts'
import { usePresenceClient } from './react-provider.ts'

export * from './public.ts'

/** The part of React Native's `AppState` that is used. */
export interface AppStateLike {
  addEventListener(type: 'change', listener: (state: string) => void): { remove(): void }
}

/**
 * Tells a client when the app is in the background, where it gets no changes and its user is idle, and when it is in
 * front again. Returns the function that stops. Pass the `AppState` of `react-native`.
 */
export function observeAppState(client: PresenceClient, appState: AppStateLike): () => void {
  const subscription = appState.addEventListener('change', state => {
    // iOS is `inactive` for a moment, such as during a call or while the user switches between apps.
    if (state === 'inactive') return
    const isActive = state === 'active'
    client.setVisible(isActive)
    client.setActivity(isActive ? 'active' : 'idle')
  })
  return () => subscription.remove()
}

/** Does {@link observeAppState} for the client of the nearest `PresenceProvider` while the component is mounted. */
export function useAppState(appState: AppStateLike): void {
  const client = usePresenceClient()
  useEffect(() => client && observeAppState(client, appState), [client, appState])
}
