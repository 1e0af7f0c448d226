import type { Age } from './age.ts'
import type { NodeId } from './entry.ts'
import type { Members } from './members.ts'

/**
 * The eldest member takes over the leased sessions of a lost node, and then appends its loss. If it does not, another
 * member does that so many beats later.
 */
const LEFT_TO_ELDEST_BEATS = 3

/** The members that this node takes for lost. The first of them is the next whose loss is appended. */
export class Judge {
  readonly #node: NodeId
  readonly #members: Members
  readonly #age: Age
  readonly #toLose = new Set<NodeId>()
  /** The lost node whose users' last signs of life are said, or were. */
  #lastSignsOf: NodeId | undefined

  /** @param node this node, which is never judged */
  constructor(node: NodeId, members: Members, age: Age) {
    this.#node = node
    this.#members = members
    this.#age = age
  }

  /** The next node whose loss is appended. */
  get next(): NodeId | undefined {
    const [node] = this.#toLose
    return node
  }

  /**
   * Judges all members. An own beat was read back that was composed at this time. Returns those that are lost from now
   * on.
   *
   * @param hasLeases whether a node has leased sessions
   */
  judge(at: number, hasLeases: (node: NodeId) => boolean): NodeId[] {
    const lost: NodeId[] = []
    const graceBeats = this.#age.graceBeats(at)
    const long = new Set(this.#members.silent(graceBeats, LEFT_TO_ELDEST_BEATS))
    for (const node of this.#members.silent(graceBeats)) {
      if (node === this.#node || this.#toLose.has(node)) continue
      if (!this.#age.isEldestToStay && !long.has(node) && hasLeases(node)) continue
      this.#toLose.add(node)
      lost.push(node)
    }
    return lost
  }

  /**
   * Whether the last signs of life of the users of a node must be said, before its loss. It returns `true` once: from
   * then on, they are said.
   */
  beginsLastSigns(node: NodeId): boolean {
    if (this.#lastSignsOf === node) return false
    this.#lastSignsOf = node
    return true
  }

  /** The loss of a node need not be appended: the node has written, or its loss is in the log. */
  withdraw(node: NodeId): void {
    this.#toLose.delete(node)
  }

  /** The node is lost, or it lives. If it is judged again, the last signs of life of its users are said again. */
  forget(node: NodeId): void {
    this.#toLose.delete(node)
    if (node === this.#lastSignsOf) this.#lastSignsOf = undefined
  }

  /** All members are replaced. */
  clear(): void {
    this.#toLose.clear()
  }
}
