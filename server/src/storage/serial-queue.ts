/** Lets works run one after the other, in the order they came. */
export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve()

  /** Runs a work when all before it are done, however they ended. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work)
    this.#last = turn.catch(() => {})
    return turn
  }
}
