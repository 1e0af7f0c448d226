const LIMITED_EVERY_MS = 1_000

/** Decides which repeated lines a log writes; see `Log.limited` and `Log.once`. */
export class Repetition {
  readonly #steady: () => number
  readonly #limitedAt = new Map<string, number>()
  readonly #loggedOnce = new Set<string>()

  /** @param steady a clock for durations, in ms, that never jumps */
  constructor(steady: () => number) {
    this.#steady = steady
  }

  /** Whether a line of this kind may be written now: at most one per second. */
  isDue(kind: string): boolean {
    const now = this.#steady()
    if (now - (this.#limitedAt.get(kind) ?? Number.NEGATIVE_INFINITY) < LIMITED_EVERY_MS) return false
    this.#limitedAt.set(kind, now)
    return true
  }

  /** Whether this text was not written before. */
  isFirst(text: string): boolean {
    if (this.#loggedOnce.has(text)) return false
    this.#loggedOnce.add(text)
    return true
  }
}
