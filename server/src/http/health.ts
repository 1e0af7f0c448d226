import type { StoreHealth } from '../storage/store.ts'

/** What the server knows of its own state. */
export interface Health {
  readonly stopping: boolean
  readonly store: StoreHealth
}

/**
 * The answer of /readyz: 503 while the server does not take clients. A disk that is late or fails is reported here and
 * does not make the server unready: it serves on from memory, and taking its clients away would help nobody.
 */
export function readiness({ stopping, store }: Health): { status: 200 | 503; body: object } {
  if (stopping) return { status: 503, body: { status: 'stopping' } }
  if (store.state === 'ok') return { status: 200, body: { status: 'ready', storage: 'ok' } }
  const since = new Date(store.since).toISOString()
  const error = store.state === 'failing' ? { error: store.error } : {}
  return { status: 200, body: { status: 'ready', storage: store.state, since, ...error } }
}
