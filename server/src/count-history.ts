/** The number of users who were online at regular times, oldest first. */
export interface CountHistoryView {
  /** The time between two numbers, in ms. */
  readonly stepMs: number
  /** The time of the last number, in ms since the epoch. */
  readonly until: number
  /** The numbers; `null` for a time in which the process was suspended. At least one, at most {@link KEPT}. */
  readonly online: readonly (number | null)[]
}

/** The time between two numbers, in ms. */
export const STEP_MS = 60_000

/** How many numbers are kept: a day of minutes. */
export const KEPT = 1_440

/**
 * Keeps how many users were online at each minute of the last 24 hours, in memory. It begins with the process. It
 * counts minutes by the steady clock, so a wall clock that is set makes no gap and no minute twice.
 */
export class CountHistory {
  readonly #count: () => number
  readonly #online: (number | null)[] = []
  #lastAt: number

  /**
   * @param count returns how many users are online
   * @param steady `Clock.steady`, in ms: the time of the first number
   */
  constructor(count: () => number, steady: number) {
    this.#count = count
    this.#lastAt = steady
    this.#online.push(count())
  }

  /** Takes a number if a minute has passed. Call it at each tick with `Clock.steady`. */
  advance(steady: number): void {
    const steps = Math.floor((steady - this.#lastAt) / STEP_MS)
    if (steps < 1) return
    this.#lastAt += steps * STEP_MS
    const unknown = Math.min(steps, KEPT) - 1
    for (let step = 0; step < unknown; step++) this.#online.push(null)
    this.#online.push(this.#count())
    this.#online.splice(0, this.#online.length - KEPT)
  }

  /**
   * Returns the numbers. Their times are those of the wall clock as it is now.
   *
   * @param now `Clock.now`, in ms since the epoch
   * @param steady `Clock.steady` at the same time, in ms
   */
  view(now: number, steady: number): CountHistoryView {
    return { stepMs: STEP_MS, until: Math.floor(now - (steady - this.#lastAt)), online: this.#online }
  }
}
