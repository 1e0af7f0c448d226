import { Deadlines } from '../presence/deadlines.ts'

export interface HeartbeatOptions {
  /** How long a connection may be quiet before it is pinged, in ms; each waits up to 10 % less or more. */
  readonly pingMs: number
  /** How long a pinged connection may stay quiet, in ms. */
  readonly pongTimeoutMs: number
  /** A number from 0 to 1, anew each time. */
  readonly random: () => number
}

/** A connection that can be asked for a sign of life. Any frame is one. */
export interface Beating {
  /** When the last frame came, in awake time (`Clock.awake`). */
  heardAt: number
}

interface Watched<Client extends Beating> {
  /** Undefined once it is gone: a deadline that is still to come must not keep a connection in memory. */
  client: Client | undefined
  /** How long it may be quiet this time, in ms. */
  quietMs: number
  /** When it was asked for a sign of life; 0 while nobody asked. */
  askedAt: number
}

/**
 * Finds connections whose other end is gone without a close. One heap of deadlines for all of them. All times are awake
 * time, so a suspension of this process counts against nobody.
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

  /** Subscriptions a connection. The first ping comes at a random time, so that those who arrive together are not pinged together. */
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

  /** The connections to ping now, and those that have been silent for too long; the latter are no longer watched. */
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
