import type { Clock } from './clock.ts'

/** The time between two ticks, in ms. It is the precision of every deadline. */
const TICK_MS = 100

/**
 * The only timer for the server's deadlines. It reads the clock ten times a second, which also lets the clock
 * detect suspensions and jumps.
 */
export class Ticker {
  readonly #clock: Clock
  readonly #task: (now: number, awake: number) => void
  #timer: NodeJS.Timeout | undefined

  /**
   * @param task is called with `Clock.now` and `Clock.awake` at each tick. An error that it throws is an uncaught
   * exception.
   */
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
