import type { UserId } from '@who-is-online/protocol/words'
import type { PresentUser } from '../presence/present-user.ts'
import type { EndItem, NodeId } from './entry.ts'
import type { Fold } from './fold.ts'
import { leaseIn, renewalOf } from './leases.ts'

/** What {@link EndedLeases} reads. */
interface EndedLeasesPort {
  readonly node: NodeId
  /** What this node knows of a user now. */
  present(userId: UserId): Pick<PresentUser, 'leases'>
  readonly fold: Pick<Fold, 'factsOf'>
  /** The present time, in ms since the epoch by the clock of Redis. */
  time(): number
}

interface Renewed {
  /** By the clock of Redis, in ms since the epoch. */
  readonly at: number
  /** See `LeaseTold.since`. */
  readonly since: number
}

/**
 * Leased sessions that this node has renewed, and that the log still has on another node. If one ends here before the
 * log has the renewal, as while Redis does not answer, the others would take over the older lease when that node is
 * lost.
 */
export class EndedLeases {
  readonly #port: EndedLeasesPort
  readonly #renewed = new Map<UserId, ReadonlyMap<string, Renewed>>()

  constructor(port: EndedLeasesPort) {
    this.#port = port
  }

  /** Users have changed on this node. Returns those sessions that have ended here meanwhile. */
  changed(users: readonly UserId[]): EndItem[] {
    return users.flatMap(userId => this.#changed(userId))
  }

  #changed(userId: UserId): EndItem[] {
    const before = this.#renewed.get(userId)
    const { leases } = this.#port.present(userId)
    if (!before && leases.length === 0) return []
    const now = this.#port.time()
    const renewed = new Map<string, Renewed>()
    for (const lease of leases) {
      const { sessionId, since } = lease
      const own = { at: renewalOf(lease, now), since }
      if (this.#isOlderElsewhere(userId, sessionId, own)) renewed.set(sessionId, own)
    }
    if (renewed.size === 0) this.#renewed.delete(userId)
    else this.#renewed.set(userId, renewed)
    const here = new Set(leases.map(({ sessionId }) => sessionId))
    const ended = [...(before ?? [])].filter(
      ([id, own]) => !here.has(id) && this.#isOlderElsewhere(userId, id, own),
    )
    return ended.map(([id, { at }]) => [userId, id, at] as const)
  }

  /**
   * Whether the log has a lease of another node that this node has continued, and not the other way round. Two nodes
   * that were cut off from each other can have taken over the same one, since the same time. The times of renewals do
   * not tell that alone: each node has its own reading of the clock of Redis.
   */
  #isOlderElsewhere(userId: UserId, sessionId: string, { at, since }: Renewed): boolean {
    for (const [, fact] of this.#port.fold.factsOf(userId, this.#port.node)) {
      const [, renewedAt] = leaseIn(fact, sessionId) ?? []
      const otherSince = Object.hasOwn(fact.s, sessionId) ? fact.s[sessionId] : undefined
      if (renewedAt === undefined || otherSince === undefined) continue
      if (renewedAt < at && otherSince <= since) return true
    }
    return false
  }
}
