import { sleep } from '@who-is-online/testing/client'
import type { Checks } from './checks.ts'
import { crashed } from './choices.ts'
import type { Inspection } from './inspection.ts'
import type { Population } from './population.ts'
import type { ServerClock } from './server-clock.ts'
import type { Host } from './server-host.ts'
import type { Tolerance } from './tolerance.ts'

const STOPS_MS = 10_000
const ATTEMPTS = 3

export interface RestartOptions {
  readonly host: Host
  readonly clock: ServerClock
  readonly checks: Checks
  readonly tolerance: Tolerance
  readonly population: Population
  readonly inspection: Inspection
  readonly isEnded: () => boolean
}

/** Ends and starts the process, and checks that it stops, starts and knows what it knew before. */
export class Restarts {
  /** The number of starts, and how many of them because the server had ended or hung. */
  starts = 0
  rescues = 0
  /** When the server started, by `awake()`. */
  startedAt = 0
  readonly #options: RestartOptions
  /** The last action on the process; actions run one at a time. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: RestartOptions) {
    this.#options = options
  }

  /** Runs an action on the process after the previous ones. */
  exclusive(action: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(action)
    this.#turn = turn.catch(() => {})
    return turn
  }

  /** Waits for all actions so far. */
  async settled(): Promise<void> {
    await this.#turn
  }

  /** Stops the process with SIGTERM. */
  async stop(): Promise<void> {
    const { host, checks, tolerance } = this.#options
    const begun = performance.now()
    const result = await host.terminate(STOPS_MS + tolerance.ms)
    checks.checked('I10')
    if (result === undefined) checks.violate('I10', `SIGTERM did not end the server within ${STOPS_MS} ms`)
    else if (result !== 0)
      checks.violate(
        'I10',
        `after SIGTERM the server ended with ${result} after ${Math.round(performance.now() - begun)} ms`,
      )
  }

  /** Starts the process again after an outage, and inspects what it knows. */
  async startAgain(killedAt: number, outageMs: number, when = 'after a restart'): Promise<void> {
    const { clock, population, inspection } = this.#options
    await sleep(outageMs)
    for (const user of population.steady) {
      user.isBack = false
      crashed(user.choices, killedAt)
    }
    for (const visitor of population.visitors) visitor.crashed(killedAt)
    await this.start()
    clock.started(performance.now() - killedAt)
    await inspection.inspect(when, killedAt)
  }

  /** Starts the server. A failed start is a violation, and is repeated. */
  async start(): Promise<void> {
    const { host, clock, checks } = this.#options
    clock.starts()
    for (let attempt = 1; ; attempt++) {
      try {
        await host.start()
        this.starts++
        this.startedAt = host.awake()
        checks.started()
        return
      } catch (error) {
        checks.violate('I10', `a start failed: ${(error as Error).message}`)
        if (attempt === ATTEMPTS) throw error
        await sleep(1_000)
      }
    }
  }

  /** Starts the server again after it ended or hung, which is a violation. */
  rescue(reason: string): void {
    const { host, checks, isEnded } = this.#options
    checks.violate('I10', reason)
    if (isEnded()) return
    this.rescues++
    const killedAt = performance.now()
    void this.exclusive(async () => {
      // Another fault may have restarted the server meanwhile.
      if (host.isRunning && !reason.startsWith('no answer')) return
      await host.kill()
      await this.startAgain(killedAt, 0)
    })
  }
}
