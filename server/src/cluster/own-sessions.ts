import type { UserId } from '@who-is-online/protocol/words'
import type { EndedSession } from '../presence/change.ts'
import type { PresentUser } from '../presence/present-user.ts'
import type { EndItem, NodeFact, NodeId } from './entry.ts'
import type { Fold } from './fold.ts'
import { isEnded, lastRenewed, lostLeases } from './leases.ts'

/** What {@link OwnSessions} reads. */
interface OwnSessionsPort {
  readonly node: NodeId
  readonly fold: Pick<Fold, 'fact' | 'facts' | 'wroteAt'>
  /** What this node knows of a user now. */
  present(userId: UserId): PresentUser
  /** The users who have a session on this node, or whom others still see because of it. */
  usersHere(): Iterable<UserId>
  /** The present time, in ms since the epoch by the clock of Redis. */
  time(): number
  /** The other nodes must be told of a user again: they do not know that a leased session goes on here. */
  sayAgain(userId: UserId): void
}

/** Which sessions of this node end because of what other nodes have said. */
export class OwnSessions {
  readonly #port: OwnSessionsPort

  constructor(port: OwnSessionsPort) {
    this.#port = port
  }

  /** The users who have a leased session on this node. */
  leased(): UserId[] {
    const { present, usersHere } = this.#port
    return [...usersHere()].filter(userId => present(userId).leases.length > 0)
  }

  /** The sessions that the items of an entry end. Nobody takes over one that goes on, until it is told again. */
  ended(ends: readonly EndItem[]): EndedSession[] {
    const { present, time, sayAgain } = this.#port
    const now = time()
    const ended: EndedSession[] = []
    for (const item of ends) {
      const [userId, sessionId] = item
      const { leases } = present(userId)
      if (isEnded(item, leases, now)) ended.push({ userId, sessionId })
      else if (leases.some(lease => lease.sessionId === sessionId)) sayAgain(userId)
    }
    return ended
  }

  /** The leased sessions that other nodes have taken over from this one, which was lost. */
  lostLeases(): EndedSession[] {
    const { node, fold, present, time } = this.#port
    const now = time()
    const lastWroteAt = fold.wroteAt(node) ?? 0
    return [...fold.facts(node)].flatMap(([userId, fact]) => {
      if (!fact.l) return []
      const lost = lostLeases(fact, present(userId).leases, now, lastWroteAt)
      return lost.map(sessionId => ({ userId, sessionId }))
    })
  }

  /** The sessions that were opened later on another node, or were renewed there later. */
  movedTo(node: NodeId, facts: Iterable<readonly [UserId, NodeFact, ...unknown[]]>): EndedSession[] {
    const moved: EndedSession[] = []
    const { node: ownNode, fold, present, time, sayAgain } = this.#port
    if (node === ownNode) return moved
    const now = time()
    for (const [userId, fact] of facts) {
      const own = present(userId)
      if (!own.isHere) continue
      for (const [sessionId, openedAt] of Object.entries(fact.s)) {
        const ownAt = own.sessions[sessionId]
        if (ownAt === undefined) continue
        const ownFact = fold.fact(ownNode, userId)
        const renewed = lastRenewed(sessionId, { own: own.leases, ownFact, fact, now })
        if (renewed === 'here, untold') sayAgain(userId)
        if (renewed === 'here' || renewed === 'here, untold' || (!renewed && openedAt < ownAt)) continue
        if (renewed || openedAt > ownAt || node > ownNode) moved.push({ userId, sessionId })
      }
    }
    return moved
  }
}
