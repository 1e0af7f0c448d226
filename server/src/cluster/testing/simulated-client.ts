import type { UserId } from '@who-is-online/protocol/words'
import type { SeenUser } from '../../presence/view.ts'
import type { SimulatedNode } from './simulated-node.ts'

/** What a client knows of a user. It is not told when the name or the time of an offline user differs. */
export function toldOf({ status, text, expiresAt, username }: SeenUser): string {
  return JSON.stringify(status === 'offline' ? [status] : [status, text, expiresAt, username])
}

/** A client that subscribes to all users on one node, and continues on another one from where it was. */
export class SimulatedClient {
  readonly #users: readonly UserId[]
  #node: SimulatedNode | undefined
  #epoch = ''
  #seq = 0
  readonly #known = new Map<UserId, string>()

  constructor(users: readonly UserId[]) {
    this.#users = users
  }

  get node(): SimulatedNode | undefined {
    return this.#node
  }

  disconnect(): void {
    this.#node = undefined
  }

  /** Connects to a node. Returns whether it continues from where it was, without the state of everybody. */
  connect(node: SimulatedNode): boolean {
    const { feed } = node
    const since = { epoch: this.#epoch, seq: this.#seq }
    const changed = feed.changedSince(since)
    this.#node = node
    this.#epoch = feed.epoch
    this.#seq = feed.seq
    this.#learn(changed ?? this.#users)
    return changed !== undefined
  }

  /** Is told of changes, as its node does. */
  told(): void {
    if (!this.#node) return
    const { feed } = this.#node
    this.#learn(feed.changedAfter(this.#seq) ?? this.#users)
    this.#seq = feed.seq
  }

  /** The first difference between what it knows and what its node shows; `undefined` if they are the same. */
  difference(): string | undefined {
    for (const userId of this.#users) {
      const shown = this.#node && toldOf(this.#node.see(userId))
      const known = this.#known.get(userId)
      if (shown === undefined || known === shown) continue
      return `a client on ${this.#node?.id} knows of ${userId} ${known} instead of ${shown}`
    }
    return undefined
  }

  #learn(userIds: readonly UserId[]): void {
    for (const userId of userIds) if (this.#node) this.#known.set(userId, toldOf(this.#node.see(userId)))
  }
}
