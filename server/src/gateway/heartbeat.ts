import { Deadlines } from '../presence/deadlines.ts'

export interface HeartbeatOptions {
  /** How long a connection may be quiet before it is pinged, in ms; each waits up to 10 % less or more. */
  readonly pingMs: number
  /** How long a pinged connection may stay quiet, in ms. */
  readonly pongTimeoutMs: number
  /** A number from 0 to 1, anew each time. */
  readonly random: () => number
}

/** Whoever has a pulse. Any frame counts as one; the gateway notes when the last came, in ms since the epoch. */
export interface Beating {
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
 * Finds connections whose other end is gone without a word. One heap for all of them. Time in which this
 * process stood still counts against nobody.
 */
export class Heartbeat<Client extends Beating> {
  readonly #options: HeartbeatOptions
  readonly #deadlines = new Deadlines<Watched<Client>>()
  readonly #watched = new Map<Client, Watched<Client>>()
  #pausedMs = 0

  constructor(options: HeartbeatOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#watched.size
  }

  /** Watches a connection. The first ping comes at a random time, so that a herd is not pinged as a herd. */
  add(client: Client, now: number): void {
    const watched = { client, quietMs: this.#options.pingMs * this.#options.random(), askedAt: 0 }
    this.#watched.set(client, watched)
    this.#deadlines.add(this.#awake(now) + watched.quietMs, watched)
  }

  remove(client: Client): void {
    const watched = this.#watched.get(client)
    if (watched) watched.client = undefined
    this.#watched.delete(client)
  }

  /** This process stood still for `ms`. */
  paused(ms: number): void {
    this.#pausedMs += ms
  }

  /** Who is to be pinged now, and who has been silent for too long; the latter are no longer watched. */
  advance(now: number): { readonly ping: readonly Client[]; readonly silent: readonly Client[] } {
    const ping: Client[] = []
    const silent: Client[] = []
    const awake = this.#awake(now)
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
      const pingAt = this.#awake(client.heardAt) + due.quietMs
      if (pingAt > awake) {
        this.#deadlines.add(pingAt, due)
      } else {
        due.askedAt = now
        this.#deadlines.add(awake + this.#options.pongTimeoutMs, due)
        ping.push(client)
      }
    }
    return { ping, silent }
  }

  #awake(at: number): number {
    return at - this.#pausedMs
  }
}
