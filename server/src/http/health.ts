import type { StoreHealth } from '../storage/store.ts'

/** The state of the server. */
export interface Health {
  /** Whether the server is stopping. */
  readonly stopping: boolean
  readonly store: StoreHealth
  /** How this node stands in its cluster; `undefined` if it is alone. */
  readonly cluster?: ClusterHealth | undefined
}

/**
 * `loading`: the node does not know all users yet. `away`: Redis does not answer for `ms`.
 */
export type ClusterHealth =
  | { readonly state: 'ok' | 'loading' }
  | { readonly state: 'away'; readonly ms: number }

/**
 * How long a node without Redis counts as ready, in ms. All nodes are without it when Redis fails, and then moving
 * clients does not help. A node that is alone without it for longer should get no new clients, whom nobody would see.
 */
const AWAY_READY_MS = 60_000

/**
 * The response of /readyz: 503 while the server does not accept clients. A disk that is late or fails is
 * reported but does not make the server unready: it continues in memory, and moving its clients elsewhere
 * would not help.
 */
export function readiness({ stopping, store, cluster }: Health): { status: 200 | 503; body: object } {
  if (stopping) return { status: 503, body: { status: 'stopping' } }
  if (cluster?.state === 'loading') return { status: 503, body: { status: 'loading', cluster: 'loading' } }
  if (cluster?.state === 'away' && cluster.ms > AWAY_READY_MS) {
    return { status: 503, body: { status: 'away', cluster: 'away' } }
  }
  if (cluster) return { status: 200, body: { status: 'ready', cluster: cluster.state } }
  if (store.state === 'ok') return { status: 200, body: { status: 'ready', storage: 'ok' } }
  const since = new Date(store.since).toISOString()
  const error = store.state === 'failing' ? { error: store.error } : {}
  return { status: 200, body: { status: 'ready', storage: store.state, since, ...error } }
}
