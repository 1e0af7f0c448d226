/** The times that every module works with. Only this folder and `main` read the system's clocks. */
export interface Clock {
  /**
   * The wall clock, in ms since the epoch, for timestamps. It follows the system's clock. A change of more than
   * 5 s, in either direction, applies at once. A smaller step forward applies at once too. After a smaller step
   * back, this clock runs at half speed until both agree, so that timestamps do not go back in normal
   * operation.
   */
  now(): number
  /**
   * Time since the process started, in ms, without the time in which it was suspended. For all timeouts: grace
   * periods, pings and slow readers. It never jumps or goes back, even if the system's clock does.
   */
  awake(): number
  /**
   * Time since the process started, in ms, including the time in which it was suspended. For rates: clients
   * also send while the process is suspended. It never jumps or goes back.
   */
  steady(): number
}

/** What a clock detects. Each method is called before `now()` or `awake()` returns the first affected time. */
export interface ClockEvents {
  /**
   * The process was suspended for `ms`: it was stopped, its machine slept, or its event loop was blocked. It
   * resumed at `now`, in ms since the epoch.
   */
  suspended(ms: number, now: number): void
  /** The wall clock moved by `ms`, forward or back. `now` is the new time, in ms since the epoch. */
  jumped(ms: number, now: number): void
  /**
   * The wall clock moved by `ms` relative to the steady clock, by less than a jump: it was set by a few seconds,
   * or NTP slews it. A listener that measures durations as differences of `now()` must subtract `ms`.
   */
  corrected(ms: number): void
}

/** A larger difference between the two clocks, in ms, is a jump. Drift and NTP cause smaller differences. */
const JUMP_MS = 5_000

/** Smaller corrections, in ms, are not reported: they can be rounding errors of the two clocks. */
const CORRECTION_MS = 5

/** A longer time between two readings, in ms, is a suspension. The ticker reads the clock ten times a second. */
const SUSPENDED_MS = 1_000

/**
 * The clock of the process. It detects suspensions and jumps when it is read, so it must be read often. `Ticker`
 * does that.
 */
export class SystemClock implements Clock {
  readonly #wall: () => number
  readonly #steady: () => number
  readonly #listeners: ClockEvents[] = []
  /** The last result of `now()` before rounding, and the time of that call on the steady clock. */
  #last: number
  #lastAt: number
  /** The last reading of the steady clock, by any method. */
  #readAt: number
  readonly #startedAt: number
  #suspendedMs = 0
  /** Corrections that were not reported yet, in ms. */
  #correctedMs = 0

  /**
   * @param wall returns ms since the epoch, and may jump: `Date.now`
   * @param steady returns ms since a fixed moment, and never jumps: `performance.now`
   */
  constructor(wall: () => number, steady: () => number) {
    this.#wall = wall
    this.#steady = steady
    this.#last = wall()
    this.#lastAt = steady()
    this.#readAt = this.#lastAt
    this.#startedAt = this.#lastAt
  }

  /** Adds a listener for suspensions, jumps and corrections. Listeners are called in the order of their addition. */
  listen(events: ClockEvents): void {
    this.#listeners.push(events)
  }

  now(): number {
    const at = this.#read()
    const passed = at - this.#lastAt
    this.#lastAt = at
    const wall = this.#wall()
    const jump = wall - (this.#last + passed)
    if (Math.abs(jump) > JUMP_MS) {
      this.#last = wall
      for (const listener of this.#listeners) listener.jumped(Math.round(jump), Math.floor(wall))
    } else {
      const next = Math.max(wall, this.#last + passed / 2)
      this.#correct(next - this.#last - passed)
      this.#last = next
    }
    return Math.floor(this.#last)
  }

  awake(): number {
    return this.#read() - this.#startedAt - this.#suspendedMs
  }

  steady(): number {
    return this.#read() - this.#startedAt
  }

  #correct(ms: number): void {
    this.#correctedMs += ms
    if (Math.abs(this.#correctedMs) < CORRECTION_MS) return
    const correctedMs = this.#correctedMs
    this.#correctedMs = 0
    for (const listener of this.#listeners) listener.corrected(correctedMs)
  }

  #read(): number {
    const at = this.#steady()
    const gap = at - this.#readAt
    this.#readAt = at
    if (gap > SUSPENDED_MS) {
      this.#suspendedMs += gap
      const now = Math.floor(this.#last + at - this.#lastAt)
      for (const listener of this.#listeners) listener.suspended(Math.round(gap), now)
    }
    return at
  }
}
