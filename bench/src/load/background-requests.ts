import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientPool } from './client-pool.ts'
import { Latencies } from './latency.ts'
import type { BareCount, BeginRequestsOrder, EndRequestsOrder } from './orders.ts'

/** How long to wait for the last reply, in ms. */
const LAST_REPLY_MS = 5_000

/** Sends requests while another order runs, and measures how long connected clients wait for replies. */
export class BackgroundRequests {
  readonly #pool: ClientPool
  #latencies = new Latencies()
  #timer: NodeJS.Timeout | undefined
  #began = 0
  #due = 0
  #asked = 0
  #replied = 0
  /** The frames that each driver had received at the start. */
  #had: number[] = []

  constructor(pool: ClientPool) {
    this.#pool = pool
  }

  /** Starts. Drivers take turns; one that waits for its reply is skipped. */
  begin({ perSecond }: BeginRequestsOrder): BareCount {
    const free = [...this.#pool.drivers]
    this.#latencies = new Latencies()
    this.#began = performance.now()
    this.#due = 0
    this.#asked = 0
    this.#replied = 0
    this.#had = this.#pool.drivers.map(({ client }) => client.frames)
    this.#timer = setInterval(() => {
      this.#due++
      const driver = free.shift()
      if (!driver) return
      const askedAt = performance.now()
      this.#asked++
      driver.client.onReply = () => {
        this.#replied++
        this.#latencies.since(askedAt)
        free.push(driver)
      }
      driver.ask()
    }, 1_000 / perSecond)
    return { counted: 0, expected: 0, bytes: 0, seconds: 0, invalid: [] }
  }

  /** Stops, and returns the result. */
  async end({ arrivals }: EndRequestsOrder): Promise<BareCount> {
    clearInterval(this.#timer)
    for (let ms = 0; this.#replied < this.#asked && ms < LAST_REPLY_MS; ms += 10) await sleep(10)
    const latencyMs = this.#latencies.summary()
    const invalid = this.#pool.link.received.takeProblems()
    const wrong = this.#pool.drivers.filter(
      ({ client }, index) => client.frames - (this.#had[index] ?? 0) !== arrivals,
    )
    if (wrong.length > 0)
      invalid.push(`${wrong.length} of the requesting clients did not receive ${arrivals} arrivals`)
    return {
      counted: this.#replied,
      expected: this.#asked,
      bytes: 0,
      seconds: (performance.now() - this.#began) / 1000,
      carried: this.#asked / this.#due,
      ...(latencyMs && { latencyMs }),
      invalid,
    }
  }
}
