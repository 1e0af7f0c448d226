import { newWaiting, type Waiting } from './waiting.ts'

/**
 * How many kicks, ends and erasures of one node wait together at most until it has read them back. While Redis does not
 * answer, each one takes memory: about 500 bytes.
 */
export const MAX_SAID = 10_000

/** How long somebody waits at most, in ms. Nobody is told after that: while Redis is away, there would be ever more. */
const WAIT_MS = 10_000

/** The last entry that this node had composed when somebody began to wait. */
interface Composed {
  readonly batch: number
  /** In ms since the epoch, by the clock of Redis. */
  readonly at: number
}

interface Wait {
  readonly after: Composed
  readonly since: number
  readonly waiting: Waiting
}

/**
 * Callers who wait until this node has read back what it says for them. An entry that was composed before the call does
 * not count, even if it says the same: what has happened on other nodes in between may come after it in the log.
 */
export class Said {
  readonly #waits = new Map<string, Wait[]>()
  #composed: Composed = { batch: 0, at: 0 }

  /** Whether one more can wait. */
  get hasRoom(): boolean {
    return this.#waits.size < MAX_SAID
  }

  /** Resolves when an entry was read back that is composed from now on, and says this. */
  whenRead(what: readonly string[], time: number): Promise<void> {
    const key = JSON.stringify(what)
    const waits = (this.#waits.get(key) ?? []).filter(({ since }) => time < since + WAIT_MS)
    const last = waits.at(-1)
    if (last?.after === this.#composed) return last.waiting.promise
    const wait = { after: this.#composed, since: time, waiting: newWaiting() }
    this.#waits.set(key, [...waits, wait])
    return wait.waiting.promise
  }

  /** An entry is composed, or composed again: then with the same number, and later. */
  composed(batch: number, at: number): void {
    this.#composed = { batch, at }
  }

  /** This was in an own entry, which was read back. */
  readBack(all: Iterable<readonly string[]>, { batch, at }: Composed): void {
    for (const what of all) {
      const key = JSON.stringify(what)
      const later = (this.#waits.get(key) ?? []).filter(({ after, waiting }) => {
        const isLater = batch > after.batch || at > after.at
        if (isLater) waiting.resolve()
        return !isLater
      })
      if (later.length > 0) this.#waits.set(key, later)
      else this.#waits.delete(key)
    }
  }

  /** This node has not read what it has said: nobody is told. */
  giveUp(): void {
    this.#waits.clear()
  }
}
