import type { UserId } from '@who-is-online/protocol/words'
import { type Choice, NO_CHOICE } from '../../../presence/choice.ts'
import type { NodeId } from '../../entry.ts'
import type { SimulatedNode } from '../simulated-node.ts'

/** The newest choice of a user, as long as it is certain that it counts. */
export interface CertainChoice {
  readonly userId: UserId
  readonly choice: Choice
  /** Where the user has had a session ever since. */
  home: SimulatedNode
  /** The value of its register when it was acknowledged. */
  readonly value: string
  /** The nodes that have read it. */
  readonly knownBy: Set<SimulatedNode>
  /** Whether a node has ended it that did not know of the session. If the home ends before it answers, it is over. */
  isDoubted?: true
}

/** A choice that was made, and the virtual time then, in ms. */
interface Made {
  readonly at: number
}

/**
 * Which choices of users are certain: the last one that was made, if it was acknowledged, and as long as a node that
 * knows it has had a session of the user ever since. Of other choices, nodes need only agree.
 */
export class ChoiceTruth {
  readonly #now: () => number
  readonly #certain = new Map<UserId, CertainChoice>()
  readonly #last = new Map<UserId, Made>()
  /** Users who hide and have lost their last session, and until when they are hidden on returning. */
  readonly #kept = new Map<UserId, CertainChoice & { readonly until: number }>()

  /** How often the sessions of a user are about to end on all nodes, which ends the choice too. */
  readonly #kicks = new Map<UserId, number>()

  /** @param now the virtual time, in ms */
  constructor(now: () => number) {
    this.#now = now
  }

  /** A choice is made. Returns a function to call when it is acknowledged. */
  made(userId: UserId, choice: Choice, home: SimulatedNode): (nodes: readonly SimulatedNode[]) => void {
    const mark = this.#begin(userId)
    return nodes => {
      const value = home.log.register(`c:${userId}`)
      if (value === undefined || this.#last.get(userId) !== mark || !home.presence.hasSession(userId)) return
      this.#settle(nodes, { userId, choice, home, value })
    }
  }

  /**
   * A backend makes a choice, on a node where the user may have no session. Returns a function to call when it is
   * acknowledged. That one returns whether the choice is certain, because a session has it, or certainly applies to a
   * user who comes.
   */
  set(
    userId: UserId,
    choice: Choice,
    node: SimulatedNode,
    nodesNow: readonly SimulatedNode[],
  ): (nodes: readonly SimulatedNode[]) => 'certain' | 'ahead' | undefined {
    const mark = this.#begin(userId)
    // Others may still see a user who has left: the rate limit delays that.
    const isAbsent = (nodes: readonly SimulatedNode[]) =>
      nodes.every(other => !other.presence.hasSession(userId) && !other.isPresent(userId))
    const wasAbsent = isAbsent(nodesNow)
    return nodes => {
      const value = node.log.register(`c:${userId}`)
      if (value === undefined || this.#last.get(userId) !== mark) return undefined
      const home = nodes.find(node => knows(node, userId, value) && has(node, userId))
      if (home) {
        this.#settle(nodes, { userId, choice, home, value })
        return 'certain'
      }
      if (!wasAbsent || !isAbsent(nodes) || choice.expiresAt === undefined) return undefined
      const knownBy = new Set(nodes.filter(node => knows(node, userId, value)))
      this.#kept.set(userId, { userId, choice, home: node, value, knownBy, until: choice.expiresAt })
      return 'ahead'
    }
  }

  #begin(userId: UserId): Made {
    const mark = { at: this.#now() }
    // Of two choices in the same millisecond, on two nodes, none is the later one.
    const isTie = this.#last.get(userId)?.at === mark.at
    this.#certain.delete(userId)
    this.#kept.delete(userId)
    this.#last.set(userId, isTie ? { at: mark.at } : mark)
    return mark
  }

  #settle(nodes: readonly SimulatedNode[], certain: Omit<CertainChoice, 'knownBy'>): void {
    const { userId, value } = certain
    const knownBy = nodes.filter(node => knows(node, userId, value))
    this.#certain.set(userId, { ...certain, knownBy: new Set(knownBy) })
  }

  /**
   * A node has perhaps ended the choice of a user, because it did not know that the user is at the home of the choice.
   */
  endedWithout(userId: UserId, isMember: (node: SimulatedNode) => boolean): void {
    const certain = this.#certain.get(userId)
    if (!certain) return
    if (isMember(certain.home)) certain.isDoubted = true
    else this.#certain.delete(userId)
  }

  /** The user has left a node on purpose. If it was the last session, the choice to be hidden ends. */
  left(userId: UserId): void {
    this.#kept.delete(userId)
  }

  /**
   * A session has ended, or a node: the choices of its users may have ended too.
   *
   * @param keptUntil until when a user who hides is hidden on returning; `undefined` if the user has left on purpose
   */
  ended(userId: UserId, nodes: readonly SimulatedNode[], keptUntil?: number): void {
    const certain = this.#certain.get(userId)
    if (!certain) {
      // A choice that is not acknowledged yet may end with the session.
      this.#last.delete(userId)
      return
    }
    if (has(certain.home, userId)) return
    const heir = nodes.find(node => certain.knownBy.has(node) && has(node, userId))
    if (heir) {
      certain.home = heir
      return
    }
    this.#certain.delete(userId)
    const isKept = keptUntil !== undefined && !this.#kicks.has(userId) && !certain.isDoubted
    if (isKept && certain.choice.expiresAt === undefined) {
      this.#kept.set(userId, { ...certain, until: keptUntil })
    }
  }

  /** Nodes are asked to end the sessions of a user. */
  kicked(userId: UserId): void {
    this.#kicks.set(userId, (this.#kicks.get(userId) ?? 0) + 1)
  }

  /** The sessions of a user have ended on all nodes, and the choice has ended. */
  forget(userId: UserId): void {
    const kicks = (this.#kicks.get(userId) ?? 0) - 1
    if (kicks > 0) this.#kicks.set(userId, kicks)
    else this.#kicks.delete(userId)
    this.#certain.delete(userId)
    this.#kept.delete(userId)
    this.#last.delete(userId)
  }

  /** A node was lost for the others, perhaps by a long fault. They may have ended the choices of its users. */
  lost(id: NodeId): void {
    for (const [userId, { home }] of this.#certain) if (home.id === id) this.#certain.delete(userId)
  }

  /** A node has read something. */
  read(node: SimulatedNode): void {
    for (const { userId, value, knownBy } of [...this.#certain.values(), ...this.#kept.values()]) {
      if (!knownBy.has(node) && knows(node, userId, value)) knownBy.add(node)
    }
  }

  /**
   * The choices to be hidden that are certain, also those of users without a session.
   *
   * @param wasWrong whether the clock of Redis was wrong: it decides how long these are kept
   */
  *hidden(now: number, wasWrong: boolean): Generator<CertainChoice> {
    for (const certain of this.certain(now)) if (certain.choice.status === 'offline') yield certain
    if (wasWrong) return
    for (const kept of this.#kept.values()) {
      const isKept = now < kept.until && !this.#kicks.has(kept.userId)
      if (kept.choice.status === 'offline' && isKept) yield kept
    }
  }

  *certain(now: number): Generator<CertainChoice> {
    for (const certain of this.#certain.values()) {
      const { expiresAt } = certain.choice
      // The end is noticed with the next tick, and takes its time in the log.
      if (expiresAt === undefined || now < expiresAt) yield certain
    }
  }

  /** What a user's choice must be at the end; `undefined` if that is not certain. */
  atRest(userId: UserId, now: number): Choice | undefined {
    const choice = this.#certain.get(userId)?.choice
    return choice?.expiresAt !== undefined && choice.expiresAt <= now ? NO_CHOICE : choice
  }
}

function knows(node: SimulatedNode, userId: UserId, value: string): boolean {
  return (node.log.register(`c:${userId}`) ?? '') >= value
}

function has(node: SimulatedNode, userId: UserId): boolean {
  if (node.isDead || node.isStopped) return false
  for (const session of node.sessions.values()) {
    if (session.userId === userId && Number.isFinite(session.placedAt)) return true
  }
  return false
}
