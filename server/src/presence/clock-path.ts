import { TOLERANCE_MS } from './clock-skew.ts'

/** How many jumps are kept. A clock that jumps more often than that before it is back is not recognized. */
const MAX_JUMPS = 100

/**
 * Where the wall clock has been in this process: the sum of all jumps, after each jump. A clock that jumps away and
 * back to where it was, was wrong in between. That is so even if it is not known which of the two times is right.
 */
export class ClockPath {
  /** Oldest first. The last one is where the clock is now. */
  readonly #sums = [0]

  /** The clock has jumped to this sum, in ms. Returns the sums since it was there before; none if it never was. */
  follow(jumpedMs: number): readonly number[] {
    const before = this.#sums.findLastIndex(sum => Math.abs(sum - jumpedMs) <= TOLERANCE_MS)
    const between = before < 0 ? [] : this.#sums.splice(before + 1)
    this.#sums.push(jumpedMs)
    if (this.#sums.length > MAX_JUMPS) this.#sums.shift()
    return between
  }
}
