import type { UserId } from '@who-is-online/protocol/words'
import type { Loaded, NodeFact, NodeId, RegisterItem } from '../entry.ts'

interface Said {
  readonly fact: NodeFact
  /** Whether the node has not said it again since its assertion began. */
  isMarked: boolean
}

/** What a node holds of the log, in the simplest form: the facts of each node, and the registers. */
export class ReferenceFold {
  readonly facts = new Map<NodeId, Map<UserId, Said>>()
  readonly registers = new Map<string, string>()
  /** All sessions that this process has ever seen in a fact. */
  readonly seenSessions = new Set<string>()
  /** Users whose facts or registers have changed since they were taken. */
  #changed = new Set<UserId>()

  takeChanged(): Set<UserId> {
    const changed = this.#changed
    this.#changed = new Set()
    return changed
  }

  load({ facts, registers }: Loaded): void {
    for (const node of [...this.facts.keys()]) this.lost(node)
    for (const [node, users] of facts) for (const [userId, fact] of users) this.merge(node, userId, fact)
    this.mergeRegisters(registers as ReadonlyMap<RegisterItem[0], string>)
  }

  merge(node: NodeId, userId: UserId, fact: NodeFact | null): void {
    const said = this.facts.get(node) ?? new Map<UserId, Said>()
    this.facts.set(node, said)
    if (fact) said.set(userId, { fact, isMarked: false })
    else said.delete(userId)
    for (const id of Object.keys(fact?.s ?? {})) this.seenSessions.add(id)
    this.#changed.add(userId)
  }

  mergeRegisters(registers: Iterable<RegisterItem>): void {
    for (const [key, value] of registers) {
      if (value <= (this.registers.get(key) ?? '')) continue
      this.registers.set(key, value)
      this.#changed.add(key.slice(2))
    }
  }

  begin(node: NodeId): void {
    for (const said of this.facts.get(node)?.values() ?? []) said.isMarked = true
  }

  end(node: NodeId): void {
    const users = this.facts.get(node)
    for (const [userId, { isMarked }] of users ?? []) {
      if (!isMarked) continue
      users?.delete(userId)
      this.#changed.add(userId)
    }
  }

  lost(node: NodeId): void {
    for (const userId of this.facts.get(node)?.keys() ?? []) this.#changed.add(userId)
    this.facts.delete(node)
  }

  isPresent(userId: UserId): boolean {
    for (const users of this.facts.values()) if ((users.get(userId)?.fact.p ?? 0) > 0) return true
    return false
  }

  /** All that this node knows of a user, as one text. */
  view(userId: UserId): string {
    const facts: string[] = []
    for (const [node, users] of this.facts) {
      const said = users.get(userId)
      if (said) facts.push(`${node}=${JSON.stringify(said.fact)}`)
    }
    const registers = ['v', 'n', 's'].map(kind => this.registers.get(`${kind}:${userId}`) ?? '')
    return [...facts.sort(), ...registers].join(' ')
  }
}
