import type { UserId } from '@who-is-online/protocol/words'
import type { NodeFact, NodeId } from '../../entry.ts'
import { OPEN_USERS, type SimulatedCluster } from '../simulated-cluster.ts'
import type { Session, SimulatedNode } from '../simulated-node.ts'

/** Without faults, an entry is read on all nodes within this time. */
const READ_MS = 50
/** A node is ready with all sessions that were placed this long before. */
const READY_MS = 500
/** How long an arrival may wait for the rate limit, also on a node that was paused meanwhile. */
const PACED_MS = 55_000

/** No false offline: a node shows the users who have a session, on whichever node. */
export class OfflineCheck {
  readonly #cluster: SimulatedCluster
  /** When each epoch began. */
  readonly #epochs: ReadonlyMap<number, number>
  /** The sessions that each node has read as shown. */
  readonly #seen = new WeakMap<SimulatedNode, Set<Session>>()

  constructor(cluster: SimulatedCluster, epochs: ReadonlyMap<number, number>) {
    this.#cluster = cluster
    this.#epochs = epochs
  }

  /** A node reads what another one says of a user. */
  read(node: SimulatedNode, from: NodeId, { p, s }: NodeFact): void {
    const seen = this.#seen.get(node) ?? new Set<Session>()
    this.#seen.set(node, seen)
    for (const session of this.#cluster.sessions) {
      if (session.node.id !== from || s[session.id] !== session.openedAt) continue
      // A user whom the rate limit delays there is not shown.
      if (p > 0) seen.add(session)
      else seen.delete(session)
    }
  }

  /** A node takes another one for lost. If that has had faults for long, its users may be offline here. */
  lost(node: SimulatedNode, id: NodeId): void {
    const lost = this.#cluster.nodes.find(other => other.id === id)
    if (lost?.isExcusedFor(node)) node.excused.add(id)
  }

  /** A node has read all that another one says. */
  asserted(node: SimulatedNode, from: NodeId): void {
    node.excused.delete(from)
  }

  /** A session that this node has seen must not go before it ends, unless its node was lost for good reason. */
  becameOffline(node: SimulatedNode, userId: UserId): void {
    if (!node.member.isReady || !OPEN_USERS.includes(userId)) return
    for (const session of this.#cluster.sessions) {
      if (session.userId !== userId || session.isOver || session.node.isExcusedFor(node)) continue
      if (node.excused.has(session.node.id)) continue
      if (this.#seen.get(node)?.has(session) === true) this.#falselyOffline(node, session)
    }
  }

  /** A node that is ready knows all sessions. */
  checkReady(node: SimulatedNode): void {
    const { redis } = this.#cluster
    if (!node.isCalm || redis.state !== 'up') return
    const beganAt = this.#epochs.get(node.member.place?.epoch ?? 0)
    // A fault of Redis since then may have lost entries, before the next epoch begins.
    if (beganAt === undefined || redis.faultUntil > beganAt) return
    for (const session of this.#lasting(READY_MS)) {
      const { id, userId, node: home } = session
      if (node.isPresent(userId)) continue
      this.#cluster.violated(`${node.id} is ready without ${userId}, who has ${id} on ${home.id}`)
    }
  }

  /** While nothing is wrong, all nodes show all sessions. */
  check(): void {
    const { redis, nodes } = this.#cluster
    if (!redis.isCalm) return
    for (const session of this.#lasting(READ_MS)) {
      for (const node of nodes) {
        if (!node.isCalm || !node.member.isReady || node.isPresent(session.userId)) continue
        this.#falselyOffline(node, session)
      }
    }
  }

  /** Sessions on calm nodes that were read back some time ago, and whose users are visible because of them. */
  *#lasting(ms: number): Generator<Session> {
    const { sessions, time, options } = this.#cluster
    const pacedMs = options.changePace.everyMs === 0 ? 0 : PACED_MS
    for (const session of sessions) {
      const { isOver, node, placedAt, userId } = session
      if (isOver) sessions.delete(session)
      else if (!OPEN_USERS.includes(userId)) continue
      else if (placedAt < time.now - ms - pacedMs && node.isCalm) yield session
    }
  }

  #falselyOffline(node: SimulatedNode, { id, userId, node: home }: Session): never {
    return this.#cluster.violated(`${node.id} shows ${userId} offline, who has ${id} on ${home.id}`)
  }
}
