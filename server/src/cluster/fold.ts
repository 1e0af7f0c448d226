import type { UserId } from '@who-is-online/protocol/words'
import { isHide, isPlain, isSameChoice, isSameShown, NO_CHOICE } from '../presence/choice.ts'
import type { SessionsElsewhere } from '../presence/elsewhere.ts'
import { type Cause, type Fact, presenceOf, type Said, type SessionsState } from '../presence/fact.ts'
import { type KnownChoice, NO_SESSION_YET } from '../presence/present-user.ts'
import type { ArchivedUser } from '../presence/user-table.ts'
import {
  type Entry,
  isLeasedOnly,
  type Loaded,
  type NodeFact,
  type NodeId,
  type RegisterItem,
  type RegisterKey,
} from './entry.ts'
import { type RegisterKind, Registers } from './registers.ts'

/** What the entries say together about one user. */
export interface Combined extends Said {
  /**
   * In ms since the epoch. For a visible user it is the greatest `h` of the facts that show the user, and for any other
   * user the register `s:`. `undefined` for a user whom others have never seen.
   */
  readonly lastSeen: number | undefined
  readonly username: string | undefined
}

/** What an entry changes. Each user is in one of the first three lists at most. */
export interface Applied {
  /** Users whom others see differently, in their present state. Each of them is one change. */
  readonly facts: readonly Fact[]
  /** Users who were and are offline, and whose name or `lastSeen` differs. That is not a change. */
  readonly archived: readonly ArchivedUser[]
  /** Users who were and are offline, and whom others have never seen from now on. */
  readonly forgotten: readonly UserId[]
  /** Users whose choice was written, as it was acknowledged or as it is shown. */
  readonly chose: readonly UserId[]
}

/** A user about whom the log says nothing. */
const NOTHING: Combined = { sessions: 'none', choice: NO_CHOICE, lastSeen: undefined, username: undefined }

const REGISTER_KINDS: readonly RegisterKind[] = ['c', 'v', 'n', 's']
const NO_FACTS: ReadonlyMap<UserId, NodeFact> = new Map()

/**
 * How long a live connection may have been silent, in ms: its proof of life is at most this much older than the last
 * entry of its node.
 */
export const SILENCE_MS = 30_000

/**
 * Folds the entries of the log into what others see. It has no clock, and no history: what others see is a pure
 * function of the facts of the members and of the registers. So all nodes that have applied the same entries agree.
 *
 * The facts are kept by node, because a node is dropped as a whole. A user who is offline everywhere has none, and
 * costs only the registers; see {@link Registers}.
 */
export class Fold {
  readonly #facts = new Map<NodeId, Map<UserId, NodeFact>>()
  /** The users that a node has not said again since its `join`. They are dropped at its `end`. */
  readonly #unsaid = new Map<NodeId, Set<UserId>>()
  /** When each member has last written, in ms since the epoch. */
  readonly #wroteAt = new Map<NodeId, number>()
  readonly #registers = new Registers()

  /** Applies the next entry of the log. Returns what it changes for others. */
  apply({ node, kind, body }: Entry): Applied {
    const difference = new Difference(this, body)
    this.#registers.advance(body.at)
    this.#wroteAt.set(node, body.at)
    const own = this.#factsOf(node)
    if (kind === 'join') this.#unsaid.set(node, new Set(own.keys()))
    for (const [userId, fact, cause] of body.facts) {
      difference.before(userId, cause)
      if (fact === null) own.delete(userId)
      else own.set(userId, fact)
      if (fact) this.#endMoved(node, userId, fact)
      this.#unsaid.get(node)?.delete(userId)
    }
    for (const userId of body.kicks ?? []) this.#endLeases(userId)
    for (const [userId, sessionId, renewedBefore] of body.ends ?? []) {
      this.#endLeases(userId, sessionId, undefined, renewedBefore)
    }
    for (const register of body.registers) this.#merge(register, difference)
    if (kind === 'end') this.#sweep(node, difference)
    if (kind === 'lost' && body.subject !== undefined) this.#drop(body.subject, difference)
    return difference.end()
  }

  /**
   * Continues from what Redis holds. Facts are replaced. Registers are merged, because Redis may have lost some.
   *
   * @param at the time of the changes that this makes visible, in ms since the epoch
   * @param isWhole whether Redis has lost nothing since the last epoch that this fold knows began. Then registers that
   * were read in that epoch are replaced too
   */
  load({ nodes, facts, registers }: Loaded, at: number, isWhole = false): Applied {
    const difference = new Difference(this, { at })
    for (const userId of this.#usersWithFacts()) difference.before(userId)
    for (const known of facts.values()) for (const userId of known.keys()) difference.before(userId)
    this.#facts.clear()
    this.#unsaid.clear()
    // What nobody has written back yet may have been lost when that epoch began.
    const lost = new Set(isWhole ? this.#registers.unrepeated() : [])
    this.#registers.begin()
    this.#registers.advance(at)
    for (const node of nodes.keys()) this.#facts.set(node, new Map(facts.get(node)))
    for (const node of this.#wroteAt.keys()) if (!nodes.has(node)) this.#wroteAt.delete(node)
    for (const [key, value] of registers) {
      const register: RegisterItem = [key as RegisterKey, value]
      if (isWhole && !lost.has(register[0])) this.#registers.replace(register, beforeIn(difference))
      else this.#merge(register, difference)
    }
    if (isWhole) this.#registers.dropUnrepeated(beforeIn(difference), lost)
    return difference.end()
  }

  // Queries

  /** What the entries say together about one user. */
  of(userId: UserId): Combined {
    let sessions = 'none' as SessionsState
    let heard = Number.NEGATIVE_INFINITY
    for (const facts of this.#facts.values()) {
      const fact = facts.get(userId)
      if (!fact || fact.p === 0) continue
      if (fact.p === 1) sessions = 'active'
      else if (sessions === 'none') sessions = 'idle'
      heard = Math.max(heard, fact.h)
    }
    const username = this.#registers.username(userId)
    const seen = this.#registers.lastSeen(userId)
    const choice = this.#registers.shown(userId)
    if (sessions === 'none' && username === undefined && seen === undefined && choice === NO_CHOICE)
      return NOTHING
    const isVisible = presenceOf({ sessions, choice }).status !== 'offline'
    return { sessions, choice, lastSeen: isVisible ? heard : seen, username }
  }

  /** The fact of one node about a user. */
  fact(node: NodeId, userId: UserId): NodeFact | undefined {
    return this.#facts.get(node)?.get(userId)
  }

  /** Whether any node, or any other than this one, knows the user, who may be hidden or wait for the rate limit. */
  isElsewhere(userId: UserId, node?: NodeId): boolean {
    for (const [other, facts] of this.#facts) if (other !== node && facts.has(userId)) return true
    return false
  }

  /** The nodes `except` one that have a fact about a user. */
  holders(userId: UserId, except: NodeId): NodeId[] {
    const holders: NodeId[] = []
    for (const [node, facts] of this.#facts) if (node !== except && facts.has(userId)) holders.push(node)
    return holders
  }

  /** Whether any node has said something of a user that still counts. */
  keeps(userId: UserId): boolean {
    if (this.isElsewhere(userId)) return true
    return REGISTER_KINDS.some(kind => this.#registers.get(`${kind}:${userId}`) !== undefined)
  }

  /** The facts of all nodes about a user, or of all `except` one. */
  *factsOf(userId: UserId, except?: NodeId): Generator<readonly [node: NodeId, fact: NodeFact]> {
    for (const [node, facts] of this.#facts) {
      const fact = node === except ? undefined : facts.get(userId)
      if (fact) yield [node, fact]
    }
  }

  /** All facts of one node. */
  facts(node: NodeId): ReadonlyMap<UserId, NodeFact> {
    return this.#facts.get(node) ?? NO_FACTS
  }

  /** The members of the cluster. */
  members(): Iterable<NodeId> {
    return this.#facts.keys()
  }

  /** Whether a node has begun to assert what it knows and has not ended. */
  isAsserting(node: NodeId): boolean {
    return this.#unsaid.has(node)
  }

  register(key: RegisterKey): string | undefined {
    return this.#registers.get(key)
  }

  /** The value that has removed a register a short time ago: Redis may have lost that. */
  removed(key: RegisterKey): string | undefined {
    return this.#registers.removed(key)
  }

  registers(): Iterable<RegisterItem> {
    return this.#registers
  }

  /** See {@link Registers.unseen}. */
  unseen(): Iterator<readonly [userId: UserId, writtenAt: number | undefined]> {
    return this.#registers.unseen()
  }

  /** An epoch has begun: Redis may have lost any register that is not read again. */
  beginEpoch(): void {
    this.#registers.begin()
  }

  /** Whether a register was read since then. */
  isRepeated(key: RegisterKey): boolean {
    return this.#registers.isRepeated(key)
  }

  /** The registers that were not read since then. */
  unrepeated(): Iterable<RegisterKey> {
    return this.#registers.unrepeated()
  }

  /** The choice of a user that was acknowledged last. */
  chosen(userId: UserId): KnownChoice | undefined {
    return this.#registers.chosen(userId)
  }

  /** See {@link Registers.choosers}. */
  choosers(): Iterator<UserId> {
    return this.#registers.choosers()
  }

  /**
   * The choice that a user without a session on this node has. If no node has a session, only a choice with an end and
   * the choice to be hidden still count. Of any other choice the time counts: an older one must not replace it.
   *
   * @param isOver whether a user who has no session since then may be visible on returning
   */
  choiceOf(userId: UserId, isOver: (keptSince: number) => boolean = () => false): KnownChoice | undefined {
    const chosen = this.#registers.chosen(userId)
    if (!chosen || this.isElsewhere(userId)) return chosen
    const { choice, madeAt, keptSince } = chosen
    if (choice.expiresAt !== undefined) return chosen
    const isKept = keptSince === undefined || (keptSince !== NO_SESSION_YET && !isOver(keptSince))
    if (isHide(choice) && isKept) return chosen
    return isPlain(choice) ? undefined : { choice: NO_CHOICE, madeAt }
  }

  /**
   * A lower bound of the last sign of life of a visible user, in ms since the epoch, on all nodes or on all `except`
   * one. `undefined` if no such node shows the user. It grows with the entries of the nodes, so it may be later than
   * `lastSeen` of the last fact. A user without a connection is held, and gives no sign of life.
   */
  signOfLife(userId: UserId, except?: NodeId): number | undefined {
    let sign: number | undefined
    for (const [node, facts] of this.#facts) {
      const fact = facts.get(userId)
      if (!fact || fact.p === 0 || node === except) continue
      sign = Math.max(sign ?? 0, this.#signOf(node, fact))
    }
    return sign
  }

  /**
   * What all nodes, or all `except` one, say of the sessions of a user, hidden or not; `undefined` if they have none.
   */
  sessions(userId: UserId, except?: NodeId): SessionsElsewhere | undefined {
    const ids: string[] = []
    let isLookedAt = false
    let activeAt: number | undefined
    let idleSince = 0
    for (const [node, facts] of this.#facts) {
      const fact = node === except ? undefined : facts.get(userId)
      const own = Object.keys(fact?.s ?? {})
      if (!fact || own.length === 0) continue
      ids.push(...own)
      if (fact.v === 1) isLookedAt = true
      if (isActive(fact)) activeAt = Math.max(activeAt ?? 0, this.#signOf(node, fact))
      else idleSince = Math.max(idleSince, fact.i ?? 0)
    }
    if (ids.length === 0) return undefined
    return { ids, isLookedAt, isActive: activeAt !== undefined, lastActive: activeAt ?? idleSince }
  }

  /** How many connections a user has on the nodes that count, without that of the session `except`. */
  connections(userId: UserId, counts: (node: NodeId) => boolean, except?: string): number {
    let connections = 0
    for (const [node, facts] of this.#facts) {
      const fact = counts(node) ? facts.get(userId) : undefined
      if (!fact) continue
      const isExcepted = except !== undefined && Object.hasOwn(fact.s, except)
      connections += Math.max(0, fact.n - (isExcepted ? 1 : 0))
    }
    return connections
  }

  /** When a member has last written, in ms since the epoch; `undefined` if this node has read nothing of it. */
  wroteAt(node: NodeId): number | undefined {
    return this.#wroteAt.get(node)
  }

  // Private

  #signOf(node: NodeId, { n, h }: NodeFact): number {
    return Math.max(h, n > 0 ? (this.#wroteAt.get(node) ?? 0) - SILENCE_MS : 0)
  }

  #factsOf(node: NodeId): Map<UserId, NodeFact> {
    const known = this.#facts.get(node)
    if (known) return known
    const facts = new Map<UserId, NodeFact>()
    this.#facts.set(node, facts)
    return facts
  }

  #merge(register: RegisterItem, difference: Difference): void {
    this.#registers.merge(register, beforeIn(difference))
  }

  /** Leased sessions that continue on a node are not taken over from another one, which may be dead. */
  #endMoved(node: NodeId, userId: UserId, { s }: NodeFact): void {
    for (const [other, facts] of this.#facts) {
      const fact = other === node ? undefined : facts.get(userId)
      if (!fact?.l) continue
      for (const [sessionId, since] of Object.entries(s)) {
        if (since > (fact.s[sessionId] ?? since)) this.#endLeases(userId, sessionId, other)
      }
    }
  }

  /**
   * A user, or one session of a user, ends on all nodes. If a node with a leased session is dead, nobody takes that
   * session over. With `renewedBefore`, one that was renewed later goes on.
   */
  #endLeases(
    userId: UserId,
    sessionId?: string,
    only?: NodeId,
    renewedBefore = Number.POSITIVE_INFINITY,
  ): void {
    for (const [node, facts] of this.#facts) {
      const fact = only === undefined || node === only ? facts.get(userId) : undefined
      if (!fact?.l) continue
      const { l, ...rest } = fact
      const left = Object.entries(l).filter(
        ([id, [, renewedAt]]) => sessionId !== undefined && (id !== sessionId || renewedAt >= renewedBefore),
      )
      facts.set(userId, left.length > 0 ? { ...rest, l: Object.fromEntries(left) } : rest)
    }
  }

  /** Drops what a node has not said again. */
  #sweep(node: NodeId, difference: Difference): void {
    for (const userId of this.#unsaid.get(node) ?? []) {
      difference.before(userId, 'lost')
      this.#facts.get(node)?.delete(userId)
    }
    this.#unsaid.delete(node)
  }

  #drop(node: NodeId, difference: Difference): void {
    for (const [userId, fact] of this.facts(node)) {
      // Leased sessions that had not ended were taken over.
      difference.before(userId, isLeasedOnly(fact) ? 'lost' : 'nodeLost')
    }
    this.#facts.delete(node)
    this.#unsaid.delete(node)
    this.#wroteAt.delete(node)
  }

  *#usersWithFacts(): Generator<UserId> {
    for (const facts of this.#facts.values()) yield* facts.keys()
  }
}

/** Whether a session is active. The rate limit of visible changes may delay `p`. */
function isActive({ p, v, i }: NodeFact): boolean {
  return v === undefined ? p === 1 : i === undefined
}

/** What has to be kept of a user before a register differs. */
function beforeIn(difference: Difference): (userId: UserId, kind: RegisterKind) => void {
  return (userId, kind) => {
    if (kind === 'c' || kind === 'v') difference.chose.add(userId)
    if (kind !== 'c') difference.before(userId)
  }
}

/** Compares what the entries say about some users before and after an entry. */
class Difference {
  readonly #fold: Fold
  readonly #at: number
  readonly #before = new Map<UserId, Combined>()
  readonly #causes = new Map<UserId, Cause>()
  readonly chose = new Set<UserId>()

  constructor(fold: Fold, { at }: { readonly at: number }) {
    this.#fold = fold
    this.#at = at
  }

  /** Keeps what the entries say about a user before the first difference. `cause` is why a node said it. */
  before(userId: UserId, cause?: Cause): void {
    if (cause !== undefined) this.#causes.set(userId, cause)
    if (!this.#before.has(userId)) this.#before.set(userId, this.#fold.of(userId))
  }

  end(): Applied {
    const facts: Fact[] = []
    const archived: ArchivedUser[] = []
    const forgotten: UserId[] = []
    for (const [userId, before] of this.#before) {
      const after = this.#fold.of(userId)
      const { lastSeen, username } = after
      const [was, is] = [presenceOf(before), presenceOf(after)]
      if (was.status !== 'offline' || is.status !== 'offline') {
        if (isSameShown(was, is) && before.username === username) continue
        const cause = causeOf(before, after, this.#causes.get(userId))
        facts.push({
          userId,
          ...after,
          lastSeen: lastSeen ?? before.lastSeen ?? this.#at,
          cause,
          at: this.#at,
        })
      } else if (lastSeen === undefined) {
        if (before.lastSeen !== undefined) forgotten.push(userId)
      } else if (lastSeen !== before.lastSeen || username !== before.username) {
        archived.push({ userId, lastSeen, username })
      }
    }
    return { facts, archived, forgotten, chose: [...this.chose] }
  }
}

/**
 * Why others see a user differently. Several nodes may know the user, so what a node has said need not be what others
 * see. It decides only between causes that look the same.
 */
function causeOf(before: Said, after: Said, said: Cause | undefined): Cause {
  if (presenceOf(after).status === 'offline') return after.sessions === 'none' ? endOf(said) : 'left'
  if (presenceOf(before).status === 'offline') return 'opened'
  if (!isSameChoice(before.choice, after.choice)) return said === 'expired' ? 'expired' : 'chosen'
  if (before.sessions !== after.sessions) return after.sessions === 'idle' ? 'idle' : 'active'
  return 'renamed'
}

/** Why the last session of a user has ended. */
function endOf(said: Cause | undefined): Cause {
  return said === 'lost' || said === 'kicked' || said === 'nodeLost' ? said : 'left'
}
