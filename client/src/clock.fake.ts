interface Task {
  readonly at: number
  readonly order: number
  readonly task: () => void
}

/** Time that passes when a test says so. */
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

  get pending(): number {
    return this.#tasks.size
  }

  /** Lets time pass, with everything that is due in it, in its order, each with the promises that follow from it. */
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

/** Promises that follow from what just happened are done. Ten turns are more than the longest chain of ours has. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
}
