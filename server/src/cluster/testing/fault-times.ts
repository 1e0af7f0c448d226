import type { SimulatedRedis } from './simulated-redis.ts'

/** A node that is paused or cut for longer may be lost for the others. */
const LONG_MS = 8_000
/** After a fault, others may read so much later that the node was lost: it has to connect, and they have to read. */
const HEALED_MS = 3_000
/** A beat of a judge that was composed so long before counts too. */
const BEAT_MS = 1_000
/**
 * Faults with a shorter time between them are one fault. Packets that were lost may arrive so much later, so the node
 * may not have written in that time.
 */
const GAP_MS = 3_000
/**
 * How long a fault has effects. TCP sends a lost packet again after the fault, each time later. After 3 s without an
 * own entry, the node connects again, and that takes less than a second.
 */
const CALM_AFTER_MS = 4_000

/** When a node has had faults, and for how long the other nodes may take it for lost because of them. */
export class FaultTimes {
  readonly #redis: Pick<SimulatedRedis, 'faultFrom' | 'faultUntil'>
  /** Faults of this node without a quiet time between them. */
  #from = Number.NEGATIVE_INFINITY
  until = Number.NEGATIVE_INFINITY
  /** Faults that were long enough for others to take this node for lost. */
  readonly #long: { readonly from: number; readonly until: number }[] = []

  constructor(redis: Pick<SimulatedRedis, 'faultFrom' | 'faultUntil'>) {
    this.#redis = redis
  }

  /** A fault of this node from now on. */
  add(ms: number, now: number): void {
    const { faultFrom, faultUntil } = this.#redis
    // A fault of Redis may have kept the node from coming back.
    const last = faultFrom < this.until + GAP_MS ? Math.max(this.until, faultUntil) : this.until
    // A beat of a judge that was composed during a fault of Redis counts too.
    const before = now < faultUntil + BEAT_MS ? Math.max(faultFrom, now - BEAT_MS) : now
    if (now > last + GAP_MS) this.#from = before
    this.until = Math.max(this.until, now + ms)
    if (this.until - this.#from < LONG_MS) return
    this.#long.push({ from: this.#from + LONG_MS, until: this.until + HEALED_MS })
  }

  /**
   * Whether others may take this node for lost: it had faults for long without a quiet time. A reader that had not
   * caught up since then may read about it later.
   */
  isExcused(now: number, readerCaughtUpAt: number): boolean {
    const { faultFrom, faultUntil } = this.#redis
    return this.#long.some(({ from, until }) => {
      // A fault of Redis may keep the node from coming back.
      const last = faultFrom < until ? Math.max(until, faultUntil + HEALED_MS) : until
      return now > from && (now < last || readerCaughtUpAt < last)
    })
  }

  isOver(now: number): boolean {
    return now > this.until + CALM_AFTER_MS
  }
}
