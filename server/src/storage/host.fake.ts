import type { Host, Owner } from './host.ts'

/** A host whose processes a test starts and kills. */
export class SimulatedHost {
  readonly #running = new Set<string>()
  #count = 0

  /** Starts a process and returns the host as it sees it. As in containers, every process is pid 1. */
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
