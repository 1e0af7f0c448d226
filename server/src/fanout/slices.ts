/**
 * How long one kind of work may hold the loop before input, pings and timers get a turn. With 5 ms those who
 * are in wait a third longer (p99) while 5,000 arrive.
 */
export const SLICE_MS = 2

/**
 * Does tasks at once, but holds the loop no longer than a slice: what comes beyond waits, in order, for the
 * next turn. A thousand newcomers in one turn of the loop would else be a third of a second in which nobody
 * who is in is heard.
 */
export class Slices {
  readonly #waiting: (() => void)[] = []
  /** How many of those who waited have had their turn. */
  #done = 0
  /** What this turn has taken, in ms. */
  #spent = 0
  #isTurning = false

  /** Does a task now, or in one of the next turns. It must not throw: the tasks behind it would be delayed. */
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
