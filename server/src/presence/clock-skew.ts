/** Differences up to this are no reason to doubt the wall clock, in ms. */
const TOLERANCE_MS = 5_000

/** How long the wall clock must have stayed as it is before it is taken to be right, in ms of awake time. */
const BELIEVE_MS = 3_600_000

/**
 * How far the wall clock is off, as far as this process can tell: from the jumps that it has seen, and from the time that
 * earlier processes are known to have seen. A clock that jumps away and back again was wrong in between.
 */
export class ClockSkew {
  #jumpedMs = 0
  /** What `#jumpedMs` is while the clock is right; undefined while only later jumps can tell. */
  #rightMs: number | undefined = 0
  #offSince = 0

  /** The clock says `now`, though it is known to be later than that: it is wrong until it jumps forward. */
  doubt(now: number, knownTime: number, awake: number): void {
    if (now >= knownTime - TOLERANCE_MS) return
    this.#rightMs = undefined
    this.#offSince = awake
  }

  /** The sum of all jumps so far: what was stamped at another sum is off by the difference. */
  get jumpedMs(): number {
    return this.#jumpedMs
  }

  get isOff(): boolean {
    return this.#rightMs === undefined || Math.abs(this.#jumpedMs - this.#rightMs) > TOLERANCE_MS
  }

  /** How far the clock is ahead of the right time; 0 where it is behind, or not known to be off. */
  get aheadMs(): number {
    return this.isOff ? Math.max(0, this.#jumpedMs - (this.#rightMs ?? this.#jumpedMs)) : 0
  }

  /** The clock was set by `ms` and says `now`. Returns whether it is right again. */
  jump(ms: number, now: number, knownTime: number, awake: number): boolean {
    const wasOff = this.isOff
    this.#jumpedMs += ms
    if (this.#rightMs === undefined && now >= knownTime - TOLERANCE_MS) this.#rightMs = this.#jumpedMs
    if (!wasOff) this.#offSince = awake
    return wasOff && !this.isOff
  }

  /** Time passes. Returns whether the clock has been as it is for so long that it is taken to be right. */
  believe(awake: number): boolean {
    if (!this.isOff || awake - this.#offSince < BELIEVE_MS) return false
    this.#rightMs = this.#jumpedMs
    return true
  }
}
