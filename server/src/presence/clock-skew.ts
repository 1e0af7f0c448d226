/** Differences up to this are no reason to doubt the wall clock, in ms. */
export const TOLERANCE_MS = 5_000

/** How long the wall clock must have stayed as it is before it is taken to be right, in ms of awake time. */
export const BELIEVE_MS = 3_600_000

/**
 * No server is expected to be stopped for longer than this, in ms. A clock that says so at the start may be
 * ahead. If it is not, choices end up to an hour late.
 */
const LONGEST_ABSENCE_MS = 86_400_000

/**
 * How far the wall clock is off, as far as this process can tell: from the jumps that it has seen, and from
 * the times that earlier processes have stored. A clock that jumps away and back again was wrong in between.
 */
export class ClockSkew {
  /** The sum of all jumps so far. */
  #jumpedMs = 0
  /** What `#jumpedMs` is when the clock is right. */
  #rightMs = 0
  /** Whether `#rightMs` is estimated from stored times. */
  #isEstimate = false
  /** Since when the clock has been as it is, if it is off. */
  #offSince = 0

  /**
   * The process starts. If stored times show that the clock is wrong, it is wrong until it jumps.
   *
   * @param aheadMs how far the clock is ahead of the last stored time; negative: it is behind a time that is
   * known to have passed.
   */
  begin(aheadMs: number, awake: number): void {
    if (aheadMs >= -TOLERANCE_MS && aheadMs <= LONGEST_ABSENCE_MS) return
    this.#rightMs = -aheadMs
    this.#isEstimate = true
    this.#offSince = awake
  }

  /** The sum of all jumps so far: two timestamps made at different sums can't be compared. */
  get jumpedMs(): number {
    return this.#jumpedMs
  }

  get isOff(): boolean {
    return this.#isEstimate || Math.abs(this.#jumpedMs - this.#rightMs) > TOLERANCE_MS
  }

  /** How far the clock is ahead of the right time; 0 where it is behind, or not known to be off. */
  get aheadMs(): number {
    return this.isOff ? Math.max(0, this.#jumpedMs - this.#rightMs) : 0
  }

  /**
   * How far the clock was behind the right time when the sum of all jumps was `jumpedMs`; 0 where it was
   * ahead.
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
    // An estimate gives only the least time by which the clock is behind, and the greatest by which it is
    // ahead.
    if (this.#isEstimate && aheadMs >= -TOLERANCE_MS && (wasBehind || aheadMs <= LONGEST_ABSENCE_MS)) {
      this.#isEstimate = false
      this.#rightMs = this.#jumpedMs
    }
    this.#offSince = awake
    return wasOff && !this.isOff
  }

  /**
   * Whether the clock is off, and has been as it is for so long that it is to be taken to be right: {@link
   * believe}.
   */
  isToBeBelieved(awake: number): boolean {
    return this.isOff && awake - this.#offSince >= BELIEVE_MS
  }

  /** The clock is taken to be right. */
  believe(): void {
    this.#rightMs = this.#jumpedMs
    this.#isEstimate = false
  }
}
