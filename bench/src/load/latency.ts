import type { Client } from './client.ts'
import type { Driver } from './driver.ts'
import type { Latency } from './orders.ts'

/** Where the number of a driver's `userId` stands: `{"type":"user_status_change","userId":"d12"…`. */
const NUMBER_AT = '{"type":"user_status_change","userId":"d'.length

const QUOTE = 0x22
const ZERO = 0x30

/** Bounds the memory of an order; the first million is as good as any. */
const MAX_SAMPLES = 1_000_000

/**
 * Times changes at some clients, from leaving the driver to being read here, so the wait in a server's input queue
 * counts. Changes of one driver stay in order: a client's n-th change of a driver is the driver's n-th.
 */
export class Stopwatch {
  readonly #latencies = new Latencies()
  readonly #clients: Client[]

  constructor(clients: Client[], drivers: Driver[]) {
    this.#clients = clients
    for (const driver of drivers) driver.issuedAt = []
    for (const client of clients) {
      const heard = new Uint32Array(drivers.length)
      client.readPayloads()
      client.onChange = (chunk, start) => {
        const number = readNumber(chunk, start + NUMBER_AT)
        const nth = heard[number] ?? 0
        heard[number] = nth + 1
        const issuedAt = drivers[number]?.issuedAt[nth]
        if (issuedAt !== undefined) this.#latencies.since(issuedAt)
      }
    }
  }

  /** Stops listening; `undefined` when nothing was timed. */
  stop(): Latency | undefined {
    for (const client of this.#clients) client.onChange = undefined
    return this.#latencies.summary()
  }
}

/** How long things took. */
export class Latencies {
  readonly #samples: number[] = []

  /** Something that began then, in ms of `performance.now()`, is over now. */
  since(begun: number): void {
    if (this.#samples.length < MAX_SAMPLES) this.#samples.push(performance.now() - begun)
  }

  /** `undefined` when nothing was timed. */
  summary(): Latency | undefined {
    const sorted = Float64Array.from(this.#samples).sort()
    const p50 = sorted[Math.floor(sorted.length * 0.5)]
    const p99 = sorted[Math.floor(sorted.length * 0.99)]
    return p50 === undefined || p99 === undefined ? undefined : { p50, p99 }
  }
}

function readNumber(chunk: Buffer, start: number): number {
  let number = 0
  for (let at = start; at < chunk.length && chunk[at] !== QUOTE; at++)
    number = number * 10 + (chunk[at] ?? 0) - ZERO
  return number
}
