/** No frame for this long: the rest is not coming. Longer than any pause of a server that is still at work. */
export const GIVE_UP_MS = 8_000

/** How often a wait looks whether frames still come. */
const LOOK_MS = 500

/** Everything all clients of this process received. */
export class Tally {
  frames = 0
  bytes = 0
  /** Of the frames, those that were deflated. */
  deflated = 0
  /** When the last of them came, in ms of `performance.now()`. */
  lastAt = 0
  /** What clients complain of: lost sockets, error messages. */
  readonly #problems = new Map<string, number>()
  #target = Number.POSITIVE_INFINITY
  #reached: (() => void) | undefined

  add(frames: number): void {
    this.frames += frames
    this.lastAt = performance.now()
    if (this.frames >= this.#target) this.#reached?.()
  }

  complain(problem: string): void {
    this.#problems.set(problem, (this.#problems.get(problem) ?? 0) + 1)
  }

  /** Waits until `frames` is at least `target`; `false` when frames stopped coming before. One wait at a time. */
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
      }, LOOK_MS)
    })
    clearInterval(look)
    this.#target = Number.POSITIVE_INFINITY
    return arrived
  }

  /** The complaints since the last call, as sentences. */
  takeProblems(): string[] {
    const sentences = [...this.#problems].map(([problem, times]) => `${times} × ${problem}`)
    this.#problems.clear()
    return sentences
  }
}
