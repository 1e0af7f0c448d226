import type { NodeId } from './entry.ts'
import { BEAT_MS, type Members, RESTART_GRACE_MS } from './members.ts'

/** After a longer absence, a node counts as one that joins for the first time. */
const ABSENT_MS = 9_000

/** Since when this node is a member, compared with the others. */
export class Age {
  readonly #node: NodeId
  readonly #members: Members
  readonly #restartGraceMs: number
  /** When this process joined, by the clock of Redis: first, or after a long absence. */
  #since: number | undefined
  /** When this process joined first, also after a long absence. */
  #startedAt: number | undefined
  /** When an own entry was read back last. */
  #ownReadAt = Number.POSITIVE_INFINITY

  /** @param restartGraceMs see `MemberOptions` */
  constructor(node: NodeId, members: Members, restartGraceMs = RESTART_GRACE_MS) {
    this.#node = node
    this.#members = members
    this.#restartGraceMs = restartGraceMs
  }

  /** Whether this node does what one node has to do for all: the member that joined first. */
  get isEldest(): boolean {
    return this.#since !== undefined && this.#members.isEldest(this.#node, this.#since)
  }

  /** The same among the members that have not said that they stop: another one takes over at once when they do. */
  get isEldestToStay(): boolean {
    return this.#since !== undefined && this.#members.isEldest(this.#node, this.#since, true)
  }

  /**
   * An entry is composed at a time of the clock of Redis. Returns when this process joined: with its first entry, or
   * with the first one after a long absence.
   */
  writes(at: number): number {
    this.#startedAt ??= at
    this.#since ??= at
    return this.#since
  }

  /** This node joins. */
  joins(now: number): void {
    this.#checkAbsence(now)
  }

  /** An own entry was read back. */
  readBack(now: number): void {
    this.#checkAbsence(now)
    this.#ownReadAt = now
  }

  /**
   * How many beats a member may miss at least. If all nodes have just restarted, the former ones are still members, so
   * that their users are not shown as offline before they are back.
   */
  graceBeats(at: number): number {
    const after = at - this.#restartGraceMs
    const isRestart = (this.#startedAt ?? 0) > after && this.#members.haveJoinedAfter(after)
    return isRestart ? this.#restartGraceMs / BEAT_MS : 0
  }

  /** After a long absence, this node may have missed what Redis has lost since. Others know more and count as older. */
  #checkAbsence(now: number): void {
    if (now - this.#ownReadAt <= ABSENT_MS) return
    this.#since = undefined
    this.#ownReadAt = now
  }
}
