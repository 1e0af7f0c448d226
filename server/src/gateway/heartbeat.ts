import { Deadlines } from '../presence/deadlines.ts'

export interface HeartbeatOptions {
  /** After how long without a frame a connection is pinged, in ms. The time varies by up to 10 %. */
  readonly pingMs: number
  /** How long a connection may be silent after a ping, in ms. */
  readonly pongTimeoutMs: number
  /** Returns a new number from 0 to 1 at each call. */
  readonly random: () => number
}

/** A connection that can be pinged. Any frame is a sign of life. */
export interface Beating {
  /** When the last frame arrived, in awake time (`Clock.awake`). */
  heardAt: number
}

interface Watched<Client extends Beating> {
  /** `undefined` after its removal, so that a pending deadline does not keep the connection in memory. */
  client: Client | undefined
  /** How long the connection may be quiet before the next ping, in ms. */
  quietMs: number
  /** When the last ping was sent, in awake time; 0 after it was answered. */
  askedAt: number
}

/**
 * Finds connections whose client is gone without a close. One heap has the deadlines of all connections. All times
 * are awake time, so the time of a suspension does not count.
 */
export class Heartbeat<Client extends Beating> {
  readonly #options: HeartbeatOptions
  readonly #deadlines = new Deadlines<Watched<Client>>()
  readonly #watched = new Map<Client, Watched<Client>>()

  constructor(options: HeartbeatOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#watched.size
  }

  /**
   * Adds a connection. The time of its first ping is random, so that connections that arrive together are not
   * pinged together.
   */
  add(client: Client, awake: number): void {
    const watched = { client, quietMs: this.#options.pingMs * this.#options.random(), askedAt: 0 }
    this.#watched.set(client, watched)
    this.#deadlines.add(awake + watched.quietMs, watched)
  }

  remove(client: Client): void {
    const watched = this.#watched.get(client)
    if (watched) watched.client = undefined
    this.#watched.delete(client)
  }

  /** Returns the connections to ping now, and those that did not answer a ping in time, which are removed. */
  advance(awake: number): { readonly ping: readonly Client[]; readonly silent: readonly Client[] } {
    const ping: Client[] = []
    const silent: Client[] = []
    for (let due = this.#deadlines.take(awake); due; due = this.#deadlines.take(awake)) {
      const { client, askedAt } = due
      if (client === undefined) continue
      if (client.heardAt < askedAt) {
        this.remove(client)
        silent.push(client)
        continue
      }
      if (askedAt > 0) {
        due.askedAt = 0
        due.quietMs = this.#options.pingMs * (0.9 + 0.2 * this.#options.random())
      }
      const pingAt = client.heardAt + due.quietMs
      if (pingAt > awake) {
        this.#deadlines.add(pingAt, due)
      } else {
        due.askedAt = awake
        this.#deadlines.add(awake + this.#options.pongTimeoutMs, due)
        ping.push(client)
      }
    }
    return { ping, silent }
  }
}
