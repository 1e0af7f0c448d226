interface Task {
  at: number
  readonly order: number
  readonly task: () => void
}

/** A clock with timers, moved by the test. */
export class ManualClock {
  #now = 1_000_000
  #order = 0
  readonly #tasks = new Set<Task>()

  readonly now = (): number => this.#now

  readonly setTimeout = (task: () => void, ms: number): Task => {
    const entry = { at: this.#now + Math.max(0, ms), order: this.#order++, task }
    this.#tasks.add(entry)
    return entry
  }

  readonly clearTimeout = (entry: unknown): void => {
    this.#tasks.delete(entry as Task)
  }

  /** The device sleeps: the time moves on by `ms`, and the timers do not, so each of them runs later by as much. */
  sleep(ms: number): void {
    this.#now += ms
    for (const entry of this.#tasks) entry.at += ms
  }

  /** How many timers are running. */
  get pending(): number {
    return this.#tasks.size
  }

  /**
   * Moves the clock by `ms` and runs the timers that are due, in their order, each with the promises that
   * follow.
   */
  async run(ms: number): Promise<void> {
    const until = this.#now + ms
    await settled()
    for (;;) {
      let next: Task | undefined
      for (const entry of this.#tasks) {
        if (entry.at > until) continue
        if (!next || entry.at < next.at || (entry.at === next.at && entry.order < next.order)) next = entry
      }
      if (!next) break
      this.#now = Math.max(this.#now, next.at)
      this.#tasks.delete(next)
      next.task()
      await settled()
    }
    this.#now = until
  }
}

/**
 * Waits for the promises that follow from what just happened. Ten turns are more than the client's longest
 * chain needs.
 */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
}
