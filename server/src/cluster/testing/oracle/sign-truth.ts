import type { UserId } from '@who-is-online/protocol/words'
import { type SimulatedCluster, USERS } from '../simulated-cluster.ts'

/** The greatest last sign of life that a node has told of each user, from what other nodes have said. */
export class SignTruth {
  readonly #cluster: SimulatedCluster
  readonly #told = new Map<UserId, number>()

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
  }

  /** What was told before may be lost. */
  clear(): void {
    this.#told.clear()
  }

  /** By the clocks of the nodes, in ms since the epoch; 0 if none is certain. */
  of(userId: UserId): number {
    return this.#told.get(userId) ?? 0
  }

  /** Looks at what the nodes tell now. A sign counts if Redis has it. */
  look(): void {
    const { nodes, redis } = this.#cluster
    for (const node of nodes) {
      if (!node.member.isReady) continue
      for (const userId of USERS) {
        const sign = node.isPresent(userId) ? (node.log.elsewhere.signOfLife(userId) ?? 0) : 0
        const isKept = [...redis.model.facts.values()].some(facts => (facts.get(userId)?.h ?? 0) >= sign)
        if (isKept && sign > this.of(userId)) this.#told.set(userId, sign)
      }
    }
  }
}
