import type { UserId } from '@who-is-online/protocol/words'
import { type Agreed, type FactLog, NOTHING_AGREED, type Touched } from '../cluster/log.ts'
import type { EndedSession } from '../presence/change.ts'
import type { Fact } from '../presence/fact.ts'

/** A log like that of a cluster, whose facts become visible when the test says so. */
export class SlowLog implements FactLog {
  readonly #waiting: (() => void)[] = []
  #applied: (facts: readonly Fact[], agreed?: Agreed) => void = () => {}
  /** How many callers have waited. */
  awaited = 0
  /** Whether facts wait. */
  isSlow = false
  /** The connections of users on other nodes. */
  readonly elsewhere = new Map<UserId, number>()
  forgetsStale = true
  /** Whether the log keeps something of all users. */
  isKept = false

  listen(applied: (facts: readonly Fact[], agreed?: Agreed) => void): void {
    this.#applied = applied
  }

  append(facts: readonly Fact[], _touched?: Touched, isAwaited = false): Promise<void> | undefined {
    const placed = this.#soon(() => this.#applied(facts))
    if (!isAwaited) return undefined
    this.awaited++
    return placed
  }

  kick(userId: UserId): Promise<void> | undefined {
    return this.#soon(() => this.agree({ kicked: [userId] }))
  }

  endSession(session: EndedSession): Promise<void> | undefined {
    return this.#soon(() => this.agree({ ended: [session] }))
  }

  erase(userId: UserId): Promise<void> | undefined {
    return this.#soon(() => this.agree({ kicked: [userId], erased: [userId] }))
  }

  readonly hasRoom = true

  keeps(): boolean {
    return this.isKept
  }

  refusedMs(): number {
    return 0
  }

  canRefuse(): boolean {
    return true
  }

  ask(): undefined {}

  whenCounts(): undefined {}

  /** Reads on when the test says so. */
  catchUp(): Promise<boolean> | undefined {
    return this.#soon(() => {})?.then(() => true)
  }

  connectionsElsewhere(userId: UserId): number {
    return this.elsewhere.get(userId) ?? 0
  }

  /** The nodes agree on something, because of what another node has said. */
  agree(what: Partial<Agreed>, facts: readonly Fact[] = []): void {
    this.#applied(facts, { ...NOTHING_AGREED, ...what })
  }

  /** Makes all facts visible. */
  place(): void {
    for (const place of this.#waiting.splice(0)) place()
  }

  #soon(apply: () => void): Promise<void> | undefined {
    if (!this.isSlow) {
      apply()
      return undefined
    }
    return new Promise(resolve =>
      this.#waiting.push(() => {
        apply()
        resolve()
      }),
    )
  }
}
