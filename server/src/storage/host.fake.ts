import type { Host, Owner } from './host.ts'

/** Processes that a test starts and kills. */
export class SimulatedHost {
  readonly #running = new Set<string>()
  #count = 0

  /** The view of a new process. In a container every one of them is pid 1. */
  process(): Host & { isRunning(owner: Owner): boolean; kill(): void } {
    this.#count += 1
    const self: Owner = { pid: 1, started: String(this.#count) }
    this.#running.add(String(this.#count))
    return {
      self,
      isRunning: owner => owner.started !== undefined && this.#running.has(owner.started),
      kill: () => this.#running.delete(String(self.started)),
    }
  }
}
