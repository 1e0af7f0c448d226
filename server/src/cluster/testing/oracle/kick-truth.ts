import type { UserId } from '@who-is-online/protocol/words'
import type { SimulatedCluster } from '../simulated-cluster.ts'
import type { Session } from '../simulated-node.ts'
import { RECONNECT_MS } from '../simulated-redis.ts'

/** The sessions of a user have ended on all nodes. */
interface Kick {
  readonly userId: UserId
  /** The sessions then, and how often their nodes had loaded. */
  readonly sessions: readonly { readonly session: Session; readonly loads: number }[]
  /** How often Redis had lost writes. */
  readonly losses: number
  readonly placedAt: number
}

/** Which sessions must be over, because all sessions of their user were ended. */
export class KickTruth {
  readonly #cluster: SimulatedCluster
  /** When each epoch began. */
  readonly #epochs: ReadonlyMap<number, number>
  readonly #kicks: Kick[] = []

  constructor(cluster: SimulatedCluster, epochs: ReadonlyMap<number, number>) {
    this.#cluster = cluster
    this.#epochs = epochs
  }

  /** A node is asked to end the sessions of a user. Returns a function to call when all nodes have done so. */
  made(userId: UserId): () => void {
    const { sessions: all, redis, time } = this.#cluster
    const own = [...all].filter(one => one.userId === userId && !one.isOver)
    const sessions = own.map(session => ({ session, loads: session.node.loads }))
    const losses = redis.losses.length
    return () => this.#kicks.push({ userId, sessions, losses, placedAt: time.now })
  }

  /** @throws Violation if a session is still there */
  checkEnd(): void {
    for (const kick of this.#kicks) if (!this.#isExcused(kick)) this.#check(kick)
  }

  /**
   * Redis may have lost it. After a loss, it may also have a place that others have passed before. Then they read
   * nothing of it but the epoch that begins because of that.
   */
  #isExcused({ losses, placedAt }: Kick): boolean {
    const wasNoticed = (beganAt: number) => beganAt >= placedAt && beganAt <= placedAt + RECONNECT_MS
    const isPassed = losses > 0 && [...this.#epochs.values()].some(wasNoticed)
    return isPassed || this.#cluster.redis.losses.length > losses
  }

  #check({ userId, sessions }: Kick): void {
    for (const { session, loads } of sessions) {
      // A node that has loaded may have missed it.
      if (session.isOver || session.node.loads > loads) continue
      const where = `${session.id} on ${session.node.id}`
      this.#cluster.violated(`${userId} still has ${where} after all sessions were ended`)
    }
  }
}
