import type { StoreHealth } from '../storage/store.ts'

/** The state of the server. */
export interface Health {
  /** Whether the server is stopping. */
  readonly stopping: boolean
  readonly store: StoreHealth
}

/**
 * The response of /readyz: 503 while the server does not accept clients. A disk that is late or fails is
 * reported but does not make the server unready: it continues in memory, and moving its clients elsewhere
 * would not help.
 */
export function readiness({ stopping, store }: Health): { status: 200 | 503; body: object } {
  if (stopping) return { status: 503, body: { status: 'stopping' } }
  if (store.state === 'ok') return { status: 200, body: { status: 'ready', storage: 'ok' } }
  const since = new Date(store.since).toISOString()
  const error = store.state === 'failing' ? { error: store.error } : {}
  return { status: 200, body: { status: 'ready', storage: store.state, since, ...error } }
}
