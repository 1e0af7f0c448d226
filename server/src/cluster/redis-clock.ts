/** The clock of Redis may be corrected by this much. A larger step back is another clock. */
const TOLERANCE_MS = 5_000

/**
 * The clock of another Redis, or of another node, is ahead by at most this much: a day. What is later was not read from
 * a clock. An epoch that follows an entry of another program has such a number, for example.
 */
const MAX_AHEAD_MS = 86_400_000

/**
 * The clock of Redis, as one node knows it, in two readings. The wall clock is what Redis has told last, so it may go
 * back. The time of stamps never goes back: when Redis restarts on a host whose clock is behind, it runs on from where
 * it was, because epochs and stamps of registers must grow.
 */
export class RedisClock {
  #wallOffset: number | undefined
  #offset: number | undefined
  #last = 0

  get isKnown(): boolean {
    return this.#offset !== undefined
  }

  /** Redis has answered with its time. It read its clock about half-way between question and answer. */
  answered(askedAt: number, now: number, time: number): void {
    const offset = time - (askedAt + now) / 2
    this.#wallOffset = offset
    if (this.#offset === undefined || offset > this.#offset - TOLERANCE_MS) this.#offset = offset
  }

  /** Another node has written with this time. If that is ahead, its time of stamps has run on, so this one follows. */
  seen(time: number, now: number): void {
    if (!this.#canBe(time, now)) return
    if (this.#offset !== undefined && time > this.at(now) + TOLERANCE_MS) this.#offset = time - now
  }

  /** When an epoch began. Its number may not be a time: then it began when this node learned of it, which is now. */
  began(epoch: number, now: number): number {
    return this.#canBe(epoch, now) ? epoch : this.at(now)
  }

  /** The wall clock, in ms since the epoch. `now` is the clock of the node. */
  wall(now: number): number {
    return Math.round(now + (this.#wallOffset ?? 0))
  }

  /** The time of stamps, in ms since the epoch. `now` is the clock of the node. */
  at(now: number): number {
    this.#last = Math.max(this.#last, Math.round(now + (this.#offset ?? 0)))
    return this.#last
  }

  /** Whether another clock can tell this time. */
  #canBe(time: number, now: number): boolean {
    return time <= this.wall(now) + MAX_AHEAD_MS
  }
}
