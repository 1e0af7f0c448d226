import { type Served, serve } from './served.ts'
import { SLICE_MS } from './slices.ts'

/** Something with much to send, piece by piece. */
export interface Turn extends Served {
  /** Sends one piece. Returns whether there is more to send at once. */
  turn(): boolean
}

/** Takes turns among those with much to send: hundreds of connections may ask for all users in the same moment. */
export class Turns {
  readonly #waiting = new Set<Turn>()
  #isScheduled = false

  /** Gives `one` its turn soon, and again as long as it has more to send. It waits once at a time. */
  take(one: Turn): void {
    this.#waiting.add(one)
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(this.#slice)
  }

  readonly #turn = (one: Turn): void => {
    if (one.turn()) this.#waiting.add(one)
  }

  readonly #slice = (): void => {
    this.#isScheduled = false
    const until = performance.now() + SLICE_MS
    // One with more to send goes to the end of the set, which this loop reaches again.
    for (const one of this.#waiting) {
      this.#waiting.delete(one)
      serve(one, this.#turn)
      if (performance.now() >= until) break
    }
    const [next] = this.#waiting
    if (next) this.take(next)
  }
}
