import { setTimeout as sleep } from 'node:timers/promises'
import type { Crowd } from './crowd.ts'
import { Latencies } from './latency.ts'
import type { AskedOrder, AskOrder, BareCount } from './orders.ts'

/** After the last question: time for its reply. */
const LAST_REPLY_MS = 5_000

/** Drivers that ask while something else goes on, and time the replies: they show how long those who are in wait. */
export class Asking {
  readonly #crowd: Crowd
  #latencies = new Latencies()
  #timer: NodeJS.Timeout | undefined
  #began = 0
  #due = 0
  #asked = 0
  #replied = 0
  /** What each had heard when it began. */
  #had: number[] = []

  constructor(crowd: Crowd) {
    this.#crowd = crowd
  }

  /** From now on drivers take turns; one that waits for its reply is passed over. */
  begin({ perSecond }: AskOrder): BareCount {
    const free = [...this.#crowd.drivers]
    this.#latencies = new Latencies()
    this.#began = performance.now()
    this.#due = 0
    this.#asked = 0
    this.#replied = 0
    this.#had = this.#crowd.drivers.map(({ client }) => client.frames)
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

  /** Asks no more, and says how it was. */
  async end({ heard }: AskedOrder): Promise<BareCount> {
    clearInterval(this.#timer)
    for (let ms = 0; this.#replied < this.#asked && ms < LAST_REPLY_MS; ms += 10) await sleep(10)
    const latencyMs = this.#latencies.summary()
    const invalid = this.#crowd.link.tally.takeProblems()
    const wrong = this.#crowd.drivers.filter(
      ({ client }, index) => client.frames - (this.#had[index] ?? 0) !== heard,
    )
    if (wrong.length > 0)
      invalid.push(`${wrong.length} of those who asked heard of more or fewer than ${heard} arrivals`)
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
