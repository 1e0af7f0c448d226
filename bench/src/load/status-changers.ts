import type { Client } from './client.ts'
import { letterOf } from './diff.ts'

/**
 * Maximum number of changes that wait for their reply. At a thousand changes per second, a server that needs
 * longer than 200 ms gets fewer changes. The firehose has the same limit, with a hundred drivers at half the
 * rate.
 */
const MAX_UNANSWERED = 200

/** Clients that change their status in turns, through a list of statuses again and again. */
export class StatusChangers {
  readonly #clients: readonly Client[]
  readonly #letters: readonly number[]
  readonly #frames: readonly Buffer[]
  readonly #truth: Uint8Array
  /** The clients without a pending change, longest waiting first. */
  readonly #free: number[] = []
  /** When each client last changed to each status. */
  readonly #changedAt: Float64Array

  /** `truth` has the letter of the status of each user, and is kept up to date. */
  constructor(clients: readonly Client[], statuses: readonly string[], truth: Uint8Array) {
    this.#clients = clients
    this.#letters = statuses.map(letterOf)
    this.#frames = statuses.map(
      status => clients[0]?.prepare(`{"type":"set_status","status":"${status}"}`) ?? Buffer.alloc(0),
    )
    this.#truth = truth
    this.#changedAt = new Float64Array(clients.length * statuses.length)
    for (const [user, client] of clients.entries()) {
      this.#free.push(user)
      client.onReply = () => this.#free.push(user)
    }
  }

  get unanswered(): number {
    return this.#clients.length - this.#free.length
  }

  /** Changes the status of the next client. Returns false if too many changes wait for their reply. */
  change(): boolean {
    if (this.unanswered >= MAX_UNANSWERED) return false
    const user = this.#free.shift()
    if (user === undefined) return false
    const next = (this.#letters.indexOf(this.#truth[user] ?? 0) + 1) % this.#letters.length
    this.#truth[user] = this.#letters[next] ?? 0
    this.#changedAt[user * this.#letters.length + next] = performance.now()
    this.#clients[user]?.write(this.#frames[next] ?? Buffer.alloc(0))
    return true
  }

  /** When a user last changed to the status with this letter, in ms of `performance.now()`; 0 if never. */
  changedAt(user: number, letter: number): number {
    return this.#changedAt[user * this.#letters.length + this.#letters.indexOf(letter)] ?? 0
  }
}
