import { type MemberView, nameOf, type ReportedNode } from './cluster/node-state.ts'
import type { AppendOutcome } from './cluster/redis-link.ts'
import { clusterHealth } from './cluster-report.ts'
import type { Clock } from './time/clock.ts'

/** A member of the cluster, as the live page shows it. */
export interface NodeView {
  readonly id: string
  readonly name: string
  readonly version: string | null
  /**
   * `silent`: it has missed some beats. `stopping`: it has said that it stops. `unknown`: Redis does not answer the
   * node that tells this.
   */
  readonly state: 'running' | 'silent' | 'stopping' | 'unknown'
  /** How long ago its last entry was composed, in ms; `null` if none was read yet. */
  readonly beatAgeMs: number | null
  /** How many users whom others see have a session on it. Hidden users are in no number that a read key sees. */
  readonly users: number
}

/** The cluster as one node sees it, for the live page. There are ages instead of times, so that no clock matters. */
export interface ClusterView {
  /** The id of the node that has answered. */
  readonly self: string
  readonly state: 'loading' | 'ok' | 'away'
  /** How long Redis has not answered, in ms; 0 if it answers. */
  readonly awayMs: number
  /** Why Redis could not be used, the last time; `null` if it always could. */
  readonly lastError: { readonly text: string; readonly ageMs: number } | null
  readonly nodes: readonly NodeView[]
  /** How many epochs have begun, and how many members were lost, since the start of this process. */
  readonly epochs: number
  readonly lost: number
  readonly appends: Readonly<Record<AppendOutcome, number>>
  readonly lagMs: number
  readonly ignored: number
}

/** A member that has missed fewer beats may only be late. */
const SILENT_AFTER_BEATS = 3

/** How long the numbers of users are used, in ms: counting looks at all users of all nodes. */
const COUNT_MS = 5_000

/** Returns what tells the cluster as a node sees it. The numbers of users are up to 5 s old. */
export function clusterViews(node: ReportedNode, clock: Pick<Clock, 'steady'>): () => ClusterView {
  const counts = new Map<string, number>()
  let countedAt = Number.NEGATIVE_INFINITY
  return () => {
    const now = clock.steady()
    if (now - countedAt >= COUNT_MS) {
      countedAt = now
      counts.clear()
    }
    return clusterView(node, id => {
      const count = counts.get(id) ?? node.usersSeenOn(id)
      counts.set(id, count)
      return count
    })
  }
}

function clusterView(node: ReportedNode, usersOn: (id: string) => number): ClusterView {
  const { state, figures } = node
  const { lastFailure, epochs, lost } = state
  const { appends, lagMs, ignored } = figures
  return {
    self: node.id,
    state: clusterHealth(state).state,
    awayMs: Math.round(state.awayMs ?? 0),
    lastError: lastFailure ? { text: lastFailure.text, ageMs: Math.round(lastFailure.ageMs) } : null,
    nodes: figures.members.map(member => nodeView(member, node, usersOn(member.id))),
    epochs,
    lost,
    appends,
    lagMs: Math.round(lagMs),
    ignored,
  }
}

function nodeView(member: MemberView, self: ReportedNode, users: number): NodeView {
  const { id, about, beatAgeMs } = member
  return {
    id,
    name: nameOf(member),
    version: about?.version ?? null,
    state: stateOf(member, self),
    beatAgeMs: beatAgeMs === undefined ? null : Math.round(beatAgeMs),
    users,
  }
}

function stateOf({ id, about, missedBeats }: MemberView, self: ReportedNode): NodeView['state'] {
  if (about?.left !== undefined) return 'stopping'
  if (id !== self.id && self.state.awayMs !== undefined) return 'unknown'
  return missedBeats >= SILENT_AFTER_BEATS ? 'silent' : 'running'
}
