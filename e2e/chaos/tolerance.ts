import { sleep } from '@who-is-online/testing/client'

/** Measures how late this process and the answers of the server are, so that checks can allow for it. */
export class Tolerance {
  /** The longest delay of this process in the last seconds, in ms. */
  lateMs = 0
  /** The last response time of the server, in ms. */
  lastAnswerMs = 0
  #recent: number[] = []

  /** The delay that this machine may cause now, in ms. */
  get ms(): number {
    return 250 + 2 * this.lateMs + Math.min(2_000, this.lastAnswerMs)
  }

  /** Waits for a tenth of a second and measures the delay. */
  async measure(): Promise<void> {
    const begun = performance.now()
    await sleep(100)
    this.#recent = [...this.#recent.slice(-30), performance.now() - begun - 100]
    this.lateMs = Math.max(0, ...this.#recent)
  }
}
