/**
 * Calls that wait for promises. A promise may resolve minutes later, as while Redis does not answer. It knows only the
 * call, so it keeps nothing in memory that has ended.
 */
export class LaterCalls {
  #calls = new Set<{ done: ((value: never) => void) | undefined }>()

  /**
   * Calls `done` when a promise resolves, unless the calls are dropped before.
   *
   * @param failed called if the promise rejects, or `done` throws
   */
  when<Value>(pending: Promise<Value>, done: (value: Value) => void, failed: (error: unknown) => void): void {
    const calls = this.#calls
    const call = { done: done as ((value: Value) => void) | undefined }
    calls.add(call)
    pending
      .then(value => {
        calls.delete(call)
        call.done?.(value)
      })
      .catch(failed)
  }

  /** Forgets all calls that wait. */
  drop(): void {
    for (const call of this.#calls) call.done = undefined
    this.#calls.clear()
  }
}
