import { type ReadonlySignal, signal } from '@preact/signals'

/** A node, as `/api/v1/cluster` has it. */
export interface ClusterNode {
  readonly id: string
  readonly name: string
  /** `null` until the node has told it. */
  readonly version: string | null
  /**
   * `silent`: it has missed some beats. `stopping`: it has said that it stops. `unknown`: Redis does not answer the
   * node that tells this.
   */
  readonly state: 'running' | 'silent' | 'stopping' | 'unknown'
  /** How long ago its last entry was composed, in ms; `null` if none was read yet. */
  readonly beatAgeMs: number | null
  /** How many users have a session on it. */
  readonly users: number
}

/** The cluster as one node sees it, as `/api/v1/cluster` has it. */
export interface ServerCluster {
  /** The id of the node that has answered. */
  readonly self: string
  /** `loading`: this node does not know all users yet. `away`: Redis does not answer. */
  readonly state: 'loading' | 'ok' | 'away'
  readonly awayMs: number
  /** Why Redis could not be used, the last time. */
  readonly lastError: { readonly text: string; readonly ageMs: number } | null
  readonly nodes: readonly ClusterNode[]
  readonly epochs: number
  readonly lost: number
  /** How many appends have ended in each way. */
  readonly appends: Readonly<Record<string, number>>
  readonly lagMs: number
  readonly ignored: number
}

/** What the page shows of the cluster. */
export interface ClusterView extends ServerCluster {
  /** Whether the last request was not answered, so that this is the state of `at`. */
  readonly isOld: boolean
  /** When the node answered, in ms since the epoch by the clock of this computer. */
  readonly at: number
}

/** The cluster, as a signal. */
export interface Cluster {
  /** `undefined` until a node has answered. */
  readonly view: ReadonlySignal<ClusterView | undefined>
  /** Asks again, unless a request is under way. Call this every second while somebody sees the page. */
  ask(): void
}

/**
 * Keeps what the page shows of the cluster.
 *
 * @param request asks a node for the cluster; rejects in bounded time if it does not answer
 * @param now returns the time in ms since the epoch
 */
export function clusterOf(request: () => Promise<ServerCluster>, now: () => number): Cluster {
  const view = signal<ClusterView | undefined>(undefined)
  let isAsking = false
  return {
    view,
    ask() {
      if (isAsking) return
      isAsking = true
      request()
        .then(
          answer => {
            view.value = { ...answer, isOld: false, at: now() }
          },
          () => {
            const last = view.value
            if (last && !last.isOld) view.value = { ...last, isOld: true }
          },
        )
        .finally(() => {
          isAsking = false
        })
    },
  }
}

/** How many appends Redis has not accepted. */
export function rejectedOf({ appends }: Pick<ServerCluster, 'appends'>): number {
  let rejected = 0
  for (const [reply, count] of Object.entries(appends)) if (reply !== 'appended') rejected += count
  return rejected
}
