import type { Client } from './client.ts'
import { letterOf } from './diff.ts'

/**
 * Changes that may wait for their reply at the same time: a server that takes longer than 200 ms for those of a
 * thousand a second is asked for fewer. With its hundred drivers at half the rate, a firehose is as patient.
 */
const MAX_UNANSWERED = 200

/** Clients that take turns to change their status, from one of a few to the next, round and round. */
export class Movers {
  readonly #clients: readonly Client[]
  readonly #letters: readonly number[]
  readonly #frames: readonly Buffer[]
  readonly #truth: Uint8Array
  /** Those nobody waits for, longest first. */
  readonly #free: number[] = []
  /** When each client last changed to each of the statuses. */
  readonly #movedAt: Float64Array

  /** `truth` has everybody's status, by its letter, and is kept so. */
  constructor(clients: readonly Client[], statuses: readonly string[], truth: Uint8Array) {
    this.#clients = clients
    this.#letters = statuses.map(letterOf)
    this.#frames = statuses.map(
      status => clients[0]?.prepare(`{"type":"set_status","status":"${status}"}`) ?? Buffer.alloc(0),
    )
    this.#truth = truth
    this.#movedAt = new Float64Array(clients.length * statuses.length)
    for (const [user, client] of clients.entries()) {
      this.#free.push(user)
      client.onReply = () => this.#free.push(user)
    }
  }

  get unanswered(): number {
    return this.#clients.length - this.#free.length
  }

  /** Has the next one change; `false` when too many wait for their replies. */
  move(): boolean {
    if (this.unanswered >= MAX_UNANSWERED) return false
    const user = this.#free.shift()
    if (user === undefined) return false
    const next = (this.#letters.indexOf(this.#truth[user] ?? 0) + 1) % this.#letters.length
    this.#truth[user] = this.#letters[next] ?? 0
    this.#movedAt[user * this.#letters.length + next] = performance.now()
    this.#clients[user]?.write(this.#frames[next] ?? Buffer.alloc(0))
    return true
  }

  /** When a user last changed to the status with this letter, in ms of `performance.now()`; 0 when never. */
  movedAt(user: number, letter: number): number {
    return this.#movedAt[user * this.#letters.length + this.#letters.indexOf(letter)] ?? 0
  }
}
