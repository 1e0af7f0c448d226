import type { Fact } from '../presence/fact.ts'

/**
 * The port for the log of facts: what one node decides becomes visible on every node by being in the log, and
 * in the order of the log. It has one caller on each node, which calls `listen` before anything else.
 */
export interface FactLog {
  /** Names the caller, who is given the facts of all nodes, each once and in the order of the log. */
  listen(applied: (facts: readonly Fact[]) => void): void

  /**
   * Adds facts to the log, in this order. Never throws. Facts of one call become visible together. How soon that is
   * depends on the adapter; `single` gives them to the listener before `append` returns.
   *
   * @returns a promise that resolves when these facts, and all that were added before, are visible; it never rejects.
   * `undefined` if they are visible.
   */
  append(facts: readonly Fact[]): Promise<void> | undefined
}
