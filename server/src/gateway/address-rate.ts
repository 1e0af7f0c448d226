import { type Pace, readyAt, type Spent, spend } from '../presence/pace.ts'

/** A rate limit for each address. An address is forgotten when its full burst is available again. */
export class AddressRate {
  readonly #pace: Pace
  readonly #spent = new Map<string, Spent>()

  constructor(pace: Pace) {
    this.#pace = pace
  }

  /** The number of addresses in memory. */
  get size(): number {
    return this.#spent.size
  }

  /** How long the address has to wait at `now` (`Clock.steady`), in ms; 0 if it may go on. */
  waitMs(address: string, now: number): number {
    return Math.max(0, readyAt(this.#pace, this.#spent.get(address) ?? 0) - now)
  }

  /** Counts one. */
  count(address: string, now: number): void {
    this.#deleteRecovered(now)
    const spent = spend(this.#pace, this.#spent.get(address) ?? 0, now)
    this.#spent.delete(address)
    this.#spent.set(address, spent)
  }

  #deleteRecovered(now: number): void {
    for (const [address, spent] of this.#spent) {
      if (spent > now) return
      this.#spent.delete(address)
    }
  }
}
