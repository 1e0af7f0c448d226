import type { UserId } from '@who-is-online/protocol/words'
import type { Entry, NodeId } from './entry.ts'
import type { Fold } from './fold.ts'
import { newWaiting, type Waiting } from './waiting.ts'

/**
 * Callers who wait until the other nodes have no session of a user with an id. They share one promise for each session.
 * Somebody waits only for sessions that the log has, so there are never more than those.
 */
export class Endings {
  readonly #node: NodeId
  readonly #fold: Pick<Fold, 'sessions'>
  readonly #waiting = new Map<UserId, Map<string, Waiting>>()

  constructor(node: NodeId, fold: Pick<Fold, 'sessions'>) {
    this.#node = node
    this.#fold = fold
  }

  /** Resolves when no other node has the session; `undefined` if none has it. */
  wait(userId: UserId, sessionId: string): Promise<void> | undefined {
    if (!this.#isElsewhere(userId, sessionId)) return undefined
    const ofUser = this.#waiting.get(userId) ?? new Map<string, Waiting>()
    const waiting = ofUser.get(sessionId) ?? newWaiting()
    this.#waiting.set(userId, ofUser.set(sessionId, waiting))
    return waiting.promise
  }

  /** An entry was applied. Without one, all facts may be others. */
  applied(entry: Entry | undefined): void {
    // These drop facts that they do not name.
    const isWhole = !entry || entry.kind === 'end' || entry.kind === 'lost'
    const userIds = isWhole ? [...this.#waiting.keys()] : entry.body.facts.map(([userId]) => userId)
    for (const userId of userIds) this.#resolve(userId)
  }

  #isElsewhere(userId: UserId, sessionId: string): boolean {
    return this.#fold.sessions(userId, this.#node)?.ids.includes(sessionId) === true
  }

  #resolve(userId: UserId): void {
    const ofUser = this.#waiting.get(userId)
    for (const [sessionId, { resolve }] of ofUser ?? []) {
      if (this.#isElsewhere(userId, sessionId)) continue
      ofUser?.delete(sessionId)
      resolve()
    }
    if (ofUser?.size === 0) this.#waiting.delete(userId)
  }
}
