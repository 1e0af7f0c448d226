import type { Entry, Loaded, NodeId } from './entry.ts'

/**
 * Whether others can have seen a change between the end of the log that a node has loaded and the place from which on
 * it shows what all others show. If no entry says anything, as after a restart of all nodes, there was none, and the
 * changes that were stored before are all that there were.
 *
 * What the entries change can't be asked: what was loaded may be newer than that end.
 */
export class QuietStart {
  #since: number | undefined
  #members: ReadonlySet<NodeId> = new Set()

  /** Since which number there was no change; `undefined` if there may have been one. */
  get since(): number | undefined {
    return this.#since
  }

  loaded({ end, epoch, nodes }: Pick<Loaded, 'end' | 'epoch' | 'nodes'>): void {
    this.#since = end !== undefined && end.epoch === epoch ? end.seq : undefined
    this.#members = new Set(nodes.keys())
  }

  /** Takes the next entry, until the node shows what all others show. */
  read({ node, kind, body }: Entry, self: NodeId): void {
    const isNew = node === self || !this.#members.has(node)
    const saysNothing = body.facts.length === 0 && body.registers.length === 0
    const isAssertion = kind === 'join' || kind === 'end'
    // A former member that asserts drops what it does not say again.
    const isQuiet = kind === 'beat' || kind === 'left' || kind === 'say' || (isAssertion && isNew)
    if (!saysNothing || !isQuiet || body.kicks !== undefined) this.#since = undefined
  }
}
