import type { NumberedChange } from '../../../changes/feed.ts'
import type { Entry } from '../../entry.ts'
import { OPEN_USERS, type SimulatedCluster } from '../simulated-cluster.ts'
import type { SimulatedNode } from '../simulated-node.ts'
import { ChangeRates } from './change-rates.ts'

/** In which visible changes are counted. */
const WINDOW_MS = 3_000
/** A node that has just started does not know the changes before. They count for so long. */
const YOUNG_MS = 10_000
/** The first nodes start before this time. There are no changes before them. */
const FIRST_NODES_MS = 1_000

/**
 * What nodes tell of changes: their numbers never go back, all nodes tell the same of each, and they keep the rate
 * limit over all nodes.
 */
export class ChangeCheck {
  readonly #cluster: SimulatedCluster
  readonly #rates = new ChangeRates()
  /** The last number that each node has told. */
  readonly #seqs = new WeakMap<SimulatedNode, number>()

  /** When users were last seen, and when changes were made, as a node has told it, by place and user. */
  readonly #told = new Map<string, string>()

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
  }

  /** A node tells a change with this number. */
  numbered(node: SimulatedNode, seq: number): void {
    const before = this.#seqs.get(node) ?? 0
    if (seq < before) this.#cluster.violated(`${node.id} tells ${seq} after ${before}`)
    this.#seqs.set(node, seq)
  }

  /** A settled node tells a change. What it says when the previous status began depends on what it has read. */
  same(node: SimulatedNode, { seq, userId, status, lastSeen, at }: NumberedChange): void {
    if (!node.member.isSettled) return
    const change = `${userId} ${status} at ${node.feed.epoch}-${seq}`
    const times = `seen ${lastSeen}, at ${at}`
    const told = this.#told.get(change) ?? times
    this.#told.set(change, told)
    if (told !== times) this.#cluster.violated(`${node.id} tells of ${change} ${times}, another node ${told}`)
  }

  /** Counts the visible changes of an entry. A fault may delay what nodes read of each other. */
  count(entry: Entry, changes: readonly NumberedChange[]): void {
    const { nodes, options } = this.#cluster
    const { burst, everyMs } = options.changePace
    if (!this.#isCalm) return this.#rates.clear()
    if (everyMs === 0) return
    // Each other node may have decided one change before it has read the others.
    const most = burst + Math.floor(WINDOW_MS / everyMs) + nodes.length - 1
    for (const { userId } of changes) {
      // A node on which a user is idle takes `away` for no visible change.
      const isIdle = nodes.some(({ presence }) => presence.record(userId)?.idle)
      if (isIdle || !OPEN_USERS.includes(userId)) continue
      const count = this.#rates.count(userId, entry, WINDOW_MS)
      if (count > most) this.#cluster.violated(`${userId} has changed ${count} times within ${WINDOW_MS} ms`)
    }
  }

  get #isCalm(): boolean {
    const { redis, nodes, time } = this.#cluster
    const knowsChanges = ({ startedAt }: SimulatedNode) =>
      startedAt < FIRST_NODES_MS || startedAt <= time.now - YOUNG_MS
    return redis.isCalm && nodes.every(node => node.isCalm && knowsChanges(node))
  }
}
