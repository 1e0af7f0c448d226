import { setTimeout as sleep } from 'node:timers/promises'
import { Client, type Link } from './client.ts'
import { Driver } from './driver.ts'
import type { BareCount, ConnectOrder, MakeTokensOrder } from './orders.ts'
import { tokensFor } from './tokens.ts'

/** How long to wait for unexpected frames after the last expected one, in ms. */
const EXTRA_FRAMES_MS = 100

/** After this time without an arrival, in ms, no more are expected. A busy cluster gathers them for 50 ms. */
const QUIET_MS = 500

/** The number of clients whose payloads are read for latency. It is small, because reading costs CPU time. */
const SAMPLED = 40

/** All clients of the load generator. */
export class ClientPool {
  readonly link: Link
  readonly listeners: Client[] = []
  readonly drivers: Driver[] = []

  constructor(link: Link) {
    this.link = link
  }

  get clients(): Client[] {
    return [...this.listeners, ...this.drivers.map(driver => driver.client)]
  }

  /**
   * A sample of the listeners that share the server of the drivers, early and late: a broadcast reaches them
   * at different times. Empty if payloads can't be read.
   */
  get sampled(): Client[] {
    return this.#sample(this.listeners.filter(({ port }) => port === this.link.port))
  }

  /** The same of the listeners on other nodes. */
  get sampledElsewhere(): Client[] {
    return this.#sample(this.listeners.filter(({ port }) => port !== this.link.port))
  }

  #sample(listeners: readonly Client[]): Client[] {
    if (this.link.wireFormat.extension) return []
    const step = Math.max(1, Math.floor(listeners.length / SAMPLED))
    return listeners.filter((_, index) => index % step === 0)
  }

  /** Makes the tokens of the next listeners. */
  makeTokens({ listeners, key }: MakeTokensOrder): BareCount {
    const start = this.#start()
    this.link.tokens = tokensFor(numbered('u', this.listeners.length, listeners), key)
    return { counted: 0, expected: 0, bytes: 0, seconds: (performance.now() - start.at) / 1_000, invalid: [] }
  }

  /** Connects clients, and waits until all earlier clients have received all arrivals. */
  async connect({
    listeners,
    drivers,
    atOnce,
    broadcastsArrivals,
    asTabs = false,
    port = this.link.port,
  }: ConnectOrder): Promise<BareCount> {
    const start = this.#start()
    const residents = this.clients.map(client => ({ client, had: client.frames }))
    const names = [
      ...numbered('u', this.listeners.length, listeners).map(name => (asTabs ? 'd0' : name)),
      ...numbered('d', this.drivers.length, drivers),
    ]
    for (let at = 0; at < names.length; at += atOnce) {
      const group = names.slice(at, at + atOnce).map(name => new Client(name, { ...this.link, port }))
      await Promise.all(group.map(client => client.joined))
      for (const [index, client] of group.entries()) {
        if (at + index < listeners) this.listeners.push(client)
        else this.drivers.push(new Driver(client))
      }
    }
    if (broadcastsArrivals === 'in groups') return this.#afterArrivals(start)
    // All earlier clients receive each arrival, and the n-th new client is received by the n − 1 before it.
    const come = names.length
    const expected = broadcastsArrivals ? residents.length * come + (come * (come - 1)) / 2 : 0
    const count = await this.#countSince(start, expected, 'arrivals')
    const heard = new Map(this.clients.map(client => [client, client.frames]))
    for (const { client, had } of residents) heard.set(client, client.frames - had)
    if (!isEveryCountRight([...heard.values()], residents.length, broadcastsArrivals))
      count.invalid.push('clients received more or fewer arrivals than came after them')
    return count
  }

  /**
   * Runs `work`, which returns how many frames every client must receive, and waits for them. `seconds`
   * covers the work and the wait.
   */
  async expect(work: () => Promise<{ each: number }>): Promise<BareCount> {
    const { received, wireFormat } = this.link
    const start = this.#start()
    const clients = this.clients.map(client => ({ client, had: client.frames }))
    const { each } = await work()
    const expected = each * clients.length
    const count = await this.#countSince(start, expected, 'messages')
    const wrong = clients.filter(({ client, had }) => client.frames - had !== each).length
    if (wireFormat.extension && received.deflated === start.deflated)
      count.invalid.push('no frame was compressed')
    if (wrong > 0)
      count.invalid.push(`${wrong} of ${clients.length} clients did not receive ${each} messages`)
    return count
  }

  /** Waits until no more arrivals come. */
  async #afterArrivals(start: Start): Promise<BareCount> {
    const { received } = this.link
    let seen: number
    do {
      seen = received.frames
      await sleep(QUIET_MS)
    } while (received.frames > seen)
    return this.#countSince(start, seen - start.frames, 'arrivals')
  }

  #start(): Start {
    const { frames, bytes, deflated } = this.link.received
    return { at: performance.now(), frames, bytes, deflated }
  }

  /** Waits for as many frames as expected since the start, and a little longer for unexpected ones. */
  async #countSince(start: Start, expected: number, what: string): Promise<BareCount> {
    const { received } = this.link
    const complete = await received.reach(start.frames + expected)
    const seconds = (performance.now() - start.at) / 1000
    await sleep(EXTRA_FRAMES_MS)
    const invalid = received.takeProblems()
    if (!complete) invalid.push(`${what} stopped coming`)
    return {
      counted: received.frames - start.frames,
      expected,
      bytes: received.bytes - start.bytes,
      seconds,
      invalid,
    }
  }
}

/** What was received when a measurement began. */
interface Start {
  /** In ms, as `performance.now()` gives it. */
  readonly at: number
  readonly frames: number
  readonly bytes: number
  readonly deflated: number
}

function numbered(letter: string, from: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${letter}${from + index}`)
}

/**
 * Arrivals have an order: of n new clients, one received 0 arrivals, one 1, … and one n − 1. Each earlier
 * client received n. If arrivals are not broadcast, all received 0.
 */
function isEveryCountRight(
  heard: readonly number[],
  residents: number,
  broadcastsArrivals: boolean,
): boolean {
  const come = heard.length - residents
  return heard
    .toSorted((a, b) => a - b)
    .every((frames, place) => frames === (broadcastsArrivals ? Math.min(place, come) : 0))
}
