/**
 * After this time without a frame, in ms, no more are expected. It is longer than any pause of a working
 * server.
 */
export const GIVE_UP_MS = 8_000

/** How often a wait checks whether frames still come, in ms. */
const CHECK_MS = 500

/** Counts what all clients of this process receive. */
export class FrameCount {
  frames = 0
  bytes = 0
  /** The number of compressed frames. */
  deflated = 0
  /** When the last frame came, in ms of `performance.now()`. */
  lastAt = 0
  /** Problems of clients, such as lost sockets and error messages, with their number. */
  readonly #problems = new Map<string, number>()
  #target = Number.POSITIVE_INFINITY
  #reached: (() => void) | undefined

  add(frames: number): void {
    this.frames += frames
    this.lastAt = performance.now()
    if (this.frames >= this.#target) this.#reached?.()
  }

  addProblem(problem: string): void {
    this.#problems.set(problem, (this.#problems.get(problem) ?? 0) + 1)
  }

  /**
   * Waits until `frames` is at least `target`. Resolves with false if frames stopped coming. One wait at a
   * time.
   */
  async reach(target: number): Promise<boolean> {
    if (this.frames >= target) return true
    let look: NodeJS.Timeout | undefined
    const arrived = await new Promise<boolean>(resolve => {
      this.#target = target
      this.#reached = () => resolve(true)
      let seen = this.frames
      let seenAt = performance.now()
      look = setInterval(() => {
        const now = performance.now()
        if (this.frames === seen && now - seenAt > GIVE_UP_MS) resolve(false)
        if (this.frames > seen) seenAt = now
        seen = this.frames
      }, CHECK_MS)
    })
    clearInterval(look)
    this.#target = Number.POSITIVE_INFINITY
    return arrived
  }

  /** The problems since the last call, as sentences. */
  takeProblems(): string[] {
    const sentences = [...this.#problems].map(([problem, times]) => `${times} × ${problem}`)
    this.#problems.clear()
    return sentences
  }
}
