import type { Client } from './client.ts'
import type { Driver } from './driver.ts'
import type { Latency } from './orders.ts'

/** The offset of the number in the `userId` of a driver: `{"type":"user_status_change","userId":"d12"…`. */
const NUMBER_AT = '{"type":"user_status_change","userId":"d'.length

const QUOTE = 0x22
const ZERO = 0x30

/** Limits the memory of an order. */
const MAX_SAMPLES = 1_000_000

/**
 * Measures the latency of changes at some clients, from sending to reading, so it includes the time in the
 * input queue of the server. Changes of one driver arrive in order: the n-th change that a client receives is
 * the n-th change of the driver.
 */
export class Stopwatch {
  readonly #latencies = new Latencies()
  readonly #clients: Client[]

  constructor(clients: Client[], drivers: Driver[]) {
    this.#clients = clients
    for (const driver of drivers) driver.issuedAt = []
    for (const client of clients) {
      const counts = new Uint32Array(drivers.length)
      client.readPayloads()
      client.onChange = (chunk, start) => {
        const number = driverOf(chunk, start)
        const nth = counts[number] ?? 0
        counts[number] = nth + 1
        const issuedAt = drivers[number]?.issuedAt[nth]
        if (issuedAt !== undefined) this.#latencies.since(issuedAt)
      }
    }
  }

  /** Stops measuring. Returns `undefined` if there are no samples. */
  stop(): Latency | undefined {
    for (const client of this.#clients) client.onChange = undefined
    return this.#latencies.summary()
  }
}

/** Collects latencies. */
export class Latencies {
  readonly #samples: number[] = []

  /** Adds the latency of something that began at `begun` (ms of `performance.now()`) and ends now. */
  since(begun: number): void {
    if (this.#samples.length < MAX_SAMPLES) this.#samples.push(performance.now() - begun)
  }

  /** The percentiles; `undefined` if there are no samples. */
  summary(): Latency | undefined {
    const sorted = Float64Array.from(this.#samples).sort()
    const p50 = sorted[Math.floor(sorted.length * 0.5)]
    const p99 = sorted[Math.floor(sorted.length * 0.99)]
    return p50 === undefined || p99 === undefined ? undefined : { p50, p99 }
  }
}

/** The number of the driver who has made a change. */
export function driverOf(chunk: Buffer, start: number): number {
  let number = 0
  for (let at = start + NUMBER_AT; at < chunk.length && chunk[at] !== QUOTE; at++)
    number = number * 10 + (chunk[at] ?? 0) - ZERO
  return number
}
