import type { UserId } from '@who-is-online/protocol/words'
import { type SimulatedCluster, USERS } from '../simulated-cluster.ts'
import type { SimulatedNode } from '../simulated-node.ts'

/** How long a call may take when all is calm, in ms. */
const CALL_MS = 2_000

/**
 * Checks, after a calm time, what the calls of the HTTP API need that reach sessions on other nodes: each node knows
 * the detail of all users, is answered by all others, and ends the sessions of all nodes.
 *
 * @throws Violation with what is wrong first
 */
export async function checkCalls(cluster: SimulatedCluster): Promise<void> {
  await new CallChecks(cluster).check()
}

class CallChecks {
  readonly #cluster: SimulatedCluster

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
  }

  async check(): Promise<void> {
    const { nodes } = this.#cluster
    for (const node of nodes) for (const userId of USERS) this.#checkDetail(node, userId)
    const questions = nodes.flatMap(node =>
      USERS.map(userId => ({ node, userId, question: node.log.ask(userId) })),
    )
    await this.#wait()
    for (const { node, userId, question } of questions) {
      const { parts, missing } = question?.end() ?? { parts: [], missing: [] }
      if (missing.length > 0)
        this.#violated(`${node.id} asks about ${userId}, and ${missing} does not answer`)
      const answered = parts.flatMap(one =>
        one.part.sessions.map(({ sessionId }) => `${sessionId} on ${one.node}`),
      )
      const known = nodes
        .filter(other => other !== node)
        .flatMap(other => idsOn(other, userId).map(id => `${id} on ${other.id}`))
      this.#compare(`the sessions of ${userId} that ${node.id} is answered`, answered, known)
    }
    await this.#endAll()
  }

  /** Ends each session from another node than its own. */
  async #endAll(): Promise<void> {
    const { nodes } = this.#cluster
    const pending = new Set<string>()
    for (const [index, node] of nodes.entries()) {
      const other = nodes[(index + 1) % nodes.length] as SimulatedNode
      for (const userId of USERS) {
        for (const sessionId of idsOn(node, userId)) {
          pending.add(sessionId)
          other.endSession(userId, sessionId, () => pending.delete(sessionId))
        }
      }
    }
    await this.#wait()
    if (pending.size > 0) this.#violated(`the end of ${[...pending]} is not done`)
    const left = nodes.flatMap(node => USERS.flatMap(userId => idsOn(node, userId)))
    if (left.length > 0) this.#violated(`${left} has not ended`)
  }

  #checkDetail(node: SimulatedNode, userId: UserId): void {
    const { nodes } = this.#cluster
    const { sessions, active, visible } = node.presence.detail(userId, true)
    const own = nodes.flatMap(({ presence }) => presence.part(userId).sessions)
    this.#compare(
      `the detail of ${userId} on ${node.id}`,
      [`${sessions} ${active} ${visible}`],
      [`${own.length} ${own.some(one => one.active)} ${own.some(one => one.visible)}`],
    )
  }

  #compare(what: string, is: readonly string[], due: readonly string[]): void {
    const [one, other] = [is, due].map(all => [...all].sort().join(', '))
    if (one !== other) this.#violated(`${what}: ${one}, instead of ${other}`)
  }

  async #wait(): Promise<void> {
    const { time } = this.#cluster
    await time.runUntil(time.now + CALL_MS)
  }

  #violated(what: string): never {
    return this.#cluster.violated(what)
  }
}

function idsOn({ presence }: SimulatedNode, userId: UserId): string[] {
  return Object.keys(presence.present(userId).sessions)
}
