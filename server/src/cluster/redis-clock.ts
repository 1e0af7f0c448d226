/** The clock of Redis may be corrected by this much. A larger step back is another clock. */
const TOLERANCE_MS = 5_000

/**
 * The clock of Redis, as one node knows it. It never goes back. When Redis restarts on a host whose clock is behind, it
 * runs on from where it was: numbers of epochs and stamps of registers must grow.
 */
export class RedisClock {
  #offset: number | undefined
  #last = 0

  get isKnown(): boolean {
    return this.#offset !== undefined
  }

  /** Redis has answered with its time. It read its clock about half-way between question and answer. */
  answered(askedAt: number, now: number, time: number): void {
    const offset = time - (askedAt + now) / 2
    if (this.#offset === undefined || offset > this.#offset - TOLERANCE_MS) this.#offset = offset
  }

  /** Another node has written with this time. If that is far ahead, its clock has run on, so this one follows. */
  seen(time: number, now: number): void {
    if (this.#offset !== undefined && time > this.at(now) + TOLERANCE_MS) this.#offset = time - now
  }

  /** The time in ms since the epoch. `now` is the clock of the node. */
  at(now: number): number {
    this.#last = Math.max(this.#last, Math.round(now + (this.#offset ?? 0)))
    return this.#last
  }
}
