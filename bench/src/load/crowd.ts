import { setTimeout as sleep } from 'node:timers/promises'
import { Client, type Link } from './client.ts'
import { Driver } from './driver.ts'
import type { BareCount, ConnectOrder } from './orders.ts'

/** After the last expected frame: time for frames too many to show themselves. */
const EXTRA_FRAMES_MS = 100

/** Clients whose payloads are read for latency; few, since reading costs the load generator. */
const SAMPLED = 40

/** All clients of the load generator. */
export class Crowd {
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
   * Some listeners, from the first to the last to connect: a broadcast reaches them at different moments. Empty
   * if the payload can't be read.
   */
  get sampled(): Client[] {
    if (this.link.dialect.extension) return []
    const step = Math.max(1, Math.floor(this.listeners.length / SAMPLED))
    return this.listeners.filter((_, index) => index % step === 0)
  }

  /** Lets clients in and waits until everybody who was there has heard of everybody who came. */
  async connect({ listeners, drivers, atOnce, told, asTabs = false }: ConnectOrder): Promise<BareCount> {
    const { tally } = this.link
    const began = performance.now()
    const before = { frames: tally.frames, bytes: tally.bytes }
    const residents = this.clients.map(client => ({ client, had: client.frames }))
    const names = [
      ...numbered('u', this.listeners.length, listeners).map(name => (asTabs ? 'd0' : name)),
      ...numbered('d', this.drivers.length, drivers),
    ]
    for (let at = 0; at < names.length; at += atOnce) {
      const group = names.slice(at, at + atOnce).map(name => new Client(name, this.link))
      await Promise.all(group.map(client => client.joined))
      for (const [index, client] of group.entries()) {
        if (at + index < listeners) this.listeners.push(client)
        else this.drivers.push(new Driver(client))
      }
    }
    // Each arrival is heard by all who were in, and the n-th of them by the n − 1 before it.
    const come = names.length
    const expected = told ? residents.length * come + (come * (come - 1)) / 2 : 0
    const complete = await tally.reach(before.frames + expected)
    const seconds = (performance.now() - began) / 1000
    await sleep(EXTRA_FRAMES_MS)
    const invalid = tally.takeProblems()
    if (!complete) invalid.push('arrivals stopped coming')
    const heard = new Map(this.clients.map(client => [client, client.frames]))
    for (const { client, had } of residents) heard.set(client, client.frames - had)
    if (!isEveryPlaceTaken([...heard.values()], residents.length, told))
      invalid.push('clients heard of more or fewer arrivals than came after them')
    return {
      counted: tally.frames - before.frames,
      expected,
      bytes: tally.bytes - before.bytes,
      seconds,
      invalid,
    }
  }

  /**
   * Runs `work`, which says how many frames every client must get for it, and waits for them. The seconds are those
   * of the work and the wait.
   */
  async expect(work: () => Promise<{ each: number }>): Promise<BareCount> {
    const { tally, dialect } = this.link
    const began = performance.now()
    const before = { frames: tally.frames, bytes: tally.bytes, deflated: tally.deflated }
    const clients = this.clients.map(client => ({ client, had: client.frames }))
    const { each } = await work()
    const expected = each * clients.length
    const complete = await tally.reach(before.frames + expected)
    const seconds = (performance.now() - began) / 1000
    await sleep(EXTRA_FRAMES_MS)
    const invalid = tally.takeProblems()
    if (!complete) invalid.push('messages stopped coming')
    const wrong = clients.filter(({ client, had }) => client.frames - had !== each).length
    if (dialect.extension && tally.deflated === before.deflated) invalid.push('nothing was deflated')
    if (wrong > 0)
      invalid.push(`${wrong} of ${clients.length} clients got another number of messages than ${each}`)
    return {
      counted: tally.frames - before.frames,
      expected,
      bytes: tally.bytes - before.bytes,
      seconds,
      invalid,
    }
  }
}

function numbered(letter: string, from: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${letter}${from + index}`)
}

/**
 * Arrivals have an order. So of n new clients, one gets 0 arrivals, one gets 1, and so on up to n − 1, and
 * each client that was connected before gets all n. In a silent run all get 0.
 */
function isEveryPlaceTaken(heard: readonly number[], residents: number, told: boolean): boolean {
  const come = heard.length - residents
  return heard
    .toSorted((a, b) => a - b)
    .every((frames, place) => frames === (told ? Math.min(place, come) : 0))
}
