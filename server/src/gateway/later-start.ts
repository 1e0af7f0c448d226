/**
 * The start of a connection that waits for a promise, for a limited time. The promise may resolve much later. It knows
 * only this object, so it keeps no connection in memory that has started or ended.
 */
export class LaterStart {
  readonly #until: number
  #begin: ((isInTime: boolean) => void) | undefined

  /**
   * @param pending never rejects
   * @param until how long it waits at most, in awake time
   * @param begin called once. `isInTime` is whether the promise has resolved
   */
  constructor(pending: Promise<void>, until: number, begin: (isInTime: boolean) => void) {
    this.#until = until
    this.#begin = begin
    void pending.then(() => this.begin(true))
  }

  /** Whether it has waited long enough. */
  isDue(awake: number): boolean {
    return this.#begin !== undefined && awake >= this.#until
  }

  /** Begins now, unless it has begun or was cancelled. */
  begin(isInTime: boolean): void {
    const begin = this.#begin
    this.#begin = undefined
    begin?.(isInTime)
  }

  cancel(): void {
    this.#begin = undefined
  }
}
