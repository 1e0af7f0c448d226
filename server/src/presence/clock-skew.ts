/** Differences up to this do not mean that the wall clock is wrong, in ms. */
export const TOLERANCE_MS = 5_000

/** A wall clock that was wrong is believed when it has not jumped for this time, in ms of awake time. */
export const BELIEVE_MS = 3_600_000

/**
 * The longest time without a server that is expected, in ms. A clock that shows a longer one at the start may
 * be ahead. If it is right after all, choices end up to an hour late.
 */
const LONGEST_ABSENCE_MS = 86_400_000

/**
 * By how much the wall clock is wrong, as far as this process can tell: from the jumps that it has seen, and
 * from the times that earlier processes have stored. A clock that jumps away and back again was wrong in
 * between.
 */
export class ClockSkew {
  /** The sum of all jumps so far. */
  #jumpedMs = 0
  /** The sum of jumps at which the clock is right. */
  #rightMs = 0
  /** Whether `#rightMs` is estimated from stored times. */
  #isEstimate = false
  /** The time of the last jump, or of the start, in awake time. It is used only while the clock is wrong. */
  #jumpedAt = 0

  /**
   * The process starts. If stored times show that the clock is wrong, it counts as wrong until it jumps.
   *
   * @param aheadMs by how much the clock is ahead of the last stored time; negative if it is behind a time
   * that is known to have passed
   */
  begin(aheadMs: number, awake: number): void {
    if (aheadMs >= -TOLERANCE_MS && aheadMs <= LONGEST_ABSENCE_MS) return
    this.#rightMs = -aheadMs
    this.#isEstimate = true
    this.#jumpedAt = awake
  }

  /** The sum of all jumps so far, in ms. Timestamps that were made at different sums can't be compared. */
  get jumpedMs(): number {
    return this.#jumpedMs
  }

  get isOff(): boolean {
    return this.#isEstimate || Math.abs(this.#jumpedMs - this.#rightMs) > TOLERANCE_MS
  }

  /** By how much the clock is ahead of the right time, in ms; 0 if it is behind or not known to be wrong. */
  get aheadMs(): number {
    return this.isOff ? Math.max(0, this.#jumpedMs - this.#rightMs) : 0
  }

  /**
   * By how much the clock was behind the right time when the sum of all jumps was `jumpedMs`, in ms; 0 if it
   * was ahead.
   */
  behindMs(jumpedMs: number): number {
    return this.isOff ? Math.max(0, this.#rightMs - jumpedMs) : 0
  }

  /** The clock was set by `ms`. Returns whether it is right again. */
  jump(ms: number, awake: number): boolean {
    const wasOff = this.isOff
    const wasBehind = this.#jumpedMs < this.#rightMs
    this.#jumpedMs += ms
    const aheadMs = this.#jumpedMs - this.#rightMs
    // Stored times give only bounds: the clock is behind by at least this much, or ahead by at most this
    // much.
    if (this.#isEstimate && aheadMs >= -TOLERANCE_MS && (wasBehind || aheadMs <= LONGEST_ABSENCE_MS)) {
      this.#isEstimate = false
      this.#rightMs = this.#jumpedMs
    }
    this.#jumpedAt = awake
    return wasOff && !this.isOff
  }

  /**
   * Whether the clock is wrong, but has not jumped for so long that it should be believed; see {@link
   * believe}.
   */
  isToBeBelieved(awake: number): boolean {
    return this.isOff && awake - this.#jumpedAt >= BELIEVE_MS
  }

  /** From now on, the clock counts as right. */
  believe(): void {
    this.#rightMs = this.#jumpedMs
    this.#isEstimate = false
  }
}
