/**
 * How long tasks may run in one turn of the event loop, in ms. Then input, pings and timers are handled. With 5 ms,
 * connected clients wait a third longer (p99) while 5,000 others connect.
 */
export const SLICE_MS = 2

/**
 * Runs tasks at once until they have taken `SLICE_MS` in this turn of the event loop. Further tasks wait for the next
 * turns, in order. Without this, a thousand new clients in one turn would block all other clients for a third of a
 * second.
 */
export class Slices {
  readonly #waiting: (() => void)[] = []
  /** How many tasks of `#waiting` have run. */
  #done = 0
  /** How long the tasks of this turn have taken, in ms. */
  #spent = 0
  #isTurning = false

  /** Runs a task now or in one of the next turns. It must not throw, because that would delay the tasks after it. */
  do(task: () => void): void {
    this.#askForTurn()
    if (this.#spent < SLICE_MS && this.#waiting.length === 0) this.#run(task)
    else this.#waiting.push(task)
  }

  #askForTurn(): void {
    if (this.#isTurning) return
    this.#isTurning = true
    setImmediate(this.#turn)
  }

  #run(task: () => void): void {
    const begun = performance.now()
    task()
    this.#spent += performance.now() - begun
  }

  readonly #turn = (): void => {
    this.#isTurning = false
    this.#spent = 0
    while (this.#done < this.#waiting.length && this.#spent < SLICE_MS) {
      this.#run(this.#waiting[this.#done++] as () => void)
    }
    if (this.#done === this.#waiting.length) {
      this.#waiting.length = 0
      this.#done = 0
    }
    if (this.#waiting.length > 0) this.#askForTurn()
  }
}
