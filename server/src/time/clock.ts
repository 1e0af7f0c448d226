/** The times that every module works with. Only this folder and `main` read the system's clocks. */
export interface Clock {
  /**
   * The wall clock, in ms since the epoch: for stamps that people and clients read. When the system's clock is set, this
   * one follows: a jump of more than 5 s at once, in either direction; a smaller step back by running at half
   * speed until both agree, so that no stamp goes back in ordinary operation.
   */
  now(): number
  /**
   * Ms since the process started, without the time in which it was suspended: for whatever would count against
   * somebody, such as graces, pings and stuck readers. It never jumps and never goes back, whatever is done to the
   * system's clock.
   */
  awake(): number
  /**
   * Ms since the process started, with the time in which it was suspended: for rates. What clients sent while the server
   * stood still, they sent in that time. It never jumps and never goes back either.
   */
  steady(): number
}

/** What a clock finds out. Each call comes before `now()` or `awake()` returns the first time that is affected. */
export interface ClockEvents {
  /** The process stood still for `ms`: it was stopped, its machine slept, or its event loop was blocked. It goes on at `now`. */
  suspended(ms: number, now: number): void
  /** The wall clock was set by `ms`, forward or back; `now` is the new time. */
  jumped(ms: number, now: number): void
  /**
   * The wall clock has moved by `ms` against the steady clock, by less than a jump: somebody sets it by a few seconds, or NTP
   * slews it. Whoever measures durations as differences of `now()` takes it off.
   */
  corrected(ms: number): void
}

/** A difference between the two clocks that no drift or correction by NTP makes: somebody has set the wall clock. */
const JUMP_MS = 5_000

/** Corrections are told when they come to this, in ms: below are only the roundings of the two clocks. */
const CORRECTION_MS = 5

/** How long nobody may read the clock before that counts as a suspension. The ticker reads it ten times a second. */
const SUSPENDED_MS = 1_000

/** The clock of the process. It notices suspensions and jumps when it is read, so somebody has to read it often: `Ticker`. */
export class SystemClock implements Clock {
  readonly #wall: () => number
  readonly #steady: () => number
  readonly #listeners: ClockEvents[] = []
  /** What `now()` returned last, before rounding, and when that was on the steady clock. */
  #told: number
  #toldAt: number
  /** The last reading of the steady clock, by either function. */
  #readAt: number
  readonly #startedAt: number
  /** How long the process was suspended. */
  #suspendedMs = 0
  /** Corrections that nobody was told of yet. */
  #correctedMs = 0

  /**
   * @param wall ms since the epoch, may jump: `Date.now`.
   * @param steady ms since any moment, never jumps: `performance.now`.
   */
  constructor(wall: () => number, steady: () => number) {
    this.#wall = wall
    this.#steady = steady
    this.#told = wall()
    this.#toldAt = steady()
    this.#readAt = this.#toldAt
    this.#startedAt = this.#toldAt
  }

  /** Adds somebody who is told of suspensions and jumps, in the order in which they were added. */
  listen(events: ClockEvents): void {
    this.#listeners.push(events)
  }

  now(): number {
    const at = this.#read()
    const passed = at - this.#toldAt
    this.#toldAt = at
    const wall = this.#wall()
    const jump = wall - (this.#told + passed)
    if (Math.abs(jump) > JUMP_MS) {
      this.#told = wall
      for (const listener of this.#listeners) listener.jumped(Math.round(jump), Math.floor(wall))
    } else {
      const told = Math.max(wall, this.#told + passed / 2)
      this.#correct(told - this.#told - passed)
      this.#told = told
    }
    return Math.floor(this.#told)
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
      const now = Math.floor(this.#told + at - this.#toldAt)
      for (const listener of this.#listeners) listener.suspended(Math.round(gap), now)
    }
    return at
  }
}
