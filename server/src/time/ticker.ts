import type { Clock } from './clock.ts'

/** How often the server looks at the clock, in ms: the precision of every deadline. */
const TICK_MS = 100

/**
 * The one timer behind all deadlines of the server. Reading the clock ten times a second is also what makes the clock
 * notice suspensions and jumps.
 */
export class Ticker {
  readonly #clock: Clock
  readonly #task: (now: number, awake: number) => void
  #timer: NodeJS.Timeout | undefined

  /** @param task is given both times of the clock; what it throws is thrown to the process. */
  constructor(clock: Clock, task: (now: number, awake: number) => void) {
    this.#clock = clock
    this.#task = task
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #tick(): void {
    this.#task(this.#clock.now(), this.#clock.awake())
  }
}
