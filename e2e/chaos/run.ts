import { sleep } from '@who-is-online/testing/client'
import { Checks } from './checks.ts'
import { FaultRunner } from './fault-runner.ts'
import { Inspection } from './inspection.ts'
import type { InvariantChecker, Rule, Violation } from './invariants.ts'
import { knownUsers, stateOf } from './known-users.ts'
import { Monitors } from './monitors.ts'
import { Population } from './population.ts'
import { Recovery } from './recovery.ts'
import { Restarts } from './restarts.ts'
import type { Schedule } from './schedule.ts'
import { ServerClock } from './server-clock.ts'
import { Host } from './server-host.ts'
import type { RunContext } from './simulated-users.ts'
import { Tolerance } from './tolerance.ts'

export interface RunOptions {
  readonly seed: number
  readonly ms: number
  readonly schedule: Schedule
  /** The server to run. */
  readonly program: string
  readonly port: number
  /** The path of libfaketime. */
  readonly faketime: string
  /** Rules whose observations are falsified, so that they must be reported as violated. */
  readonly falsify?: readonly Rule[]
}

export interface Outcome {
  readonly violations: readonly Violation[]
  /**
   * The number of violations by rule that the control checker found; its observations are falsified on
   * purpose.
   */
  readonly control: ReadonlyMap<Rule, number>
  /** How often each rule was checked. */
  readonly checks: ReadonlyMap<Rule, number>
  /** How long it took until observers saw that a user left, in ms. */
  readonly detections: InvariantChecker['detections']
  readonly answersMs: readonly number[]
  readonly mostBytes: number
  /** The number of starts, and how many of them because the server had ended or hung. */
  readonly starts: number
  readonly rescues: number
}

const KNOWN = 200

/** Long enough for the rate limit of visible changes and the last checks, in ms. */
const LAST_CHECKS_MS = 6_000

/** Runs a schedule against a server with 100 clients. Returns the violations. */
export async function run(options: RunOptions): Promise<Outcome> {
  const { program, port, faketime } = options
  let onUnexpectedExit = (_reason: string): void => {}
  const host = await Host.create({
    program,
    port,
    faketime,
    onUnexpectedExit: reason => onUnexpectedExit(reason),
  })
  const destroy = () => host.destroy()
  process.once('exit', destroy)
  try {
    const chaos = new Run(options, host)
    onUnexpectedExit = reason => chaos.rescue(`the server ended by itself: ${reason}`)
    return await chaos.go()
  } finally {
    await host.dispose()
    process.off('exit', destroy)
  }
}

class Run implements RunContext {
  readonly url: string
  readonly checkers: RunContext['checkers']
  readonly #options: RunOptions
  readonly #host: Host
  readonly #checks: Checks
  readonly #known = knownUsers(KNOWN, Date.now())
  readonly #population: Population
  readonly #inspection: Inspection
  readonly #restarts: Restarts
  readonly #faults: FaultRunner
  readonly #monitors: Monitors
  readonly #clock: ServerClock
  #isOver = false
  #isEnded = false

  constructor(options: RunOptions, host: Host) {
    this.#options = options
    this.#host = host
    this.url = `ws://127.0.0.1:${options.port}/ws`
    const { url } = this
    const known = this.#known
    const checks = new Checks(() => host.awake(), options.falsify)
    const clock = new ServerClock(
      seconds => host.setClock(seconds),
      () => {
        if (!this.isDown()) checks.resumed()
      },
    )
    this.#clock = clock
    this.#checks = checks
    this.checkers = checks.all
    const tolerance = new Tolerance()
    const isEnded = () => this.#isEnded
    const population = new Population(this, checks, options.seed)
    const inspection = new Inspection({ url, checks, population, known, clock })
    const recovery = new Recovery({ host, checks, tolerance, isEnded })
    const restarts = new Restarts({ host, clock, checks, tolerance, population, inspection, isEnded })
    this.#population = population
    this.#inspection = inspection
    this.#restarts = restarts
    this.#faults = new FaultRunner({ host, clock, checks, population, inspection, recovery, restarts })
    this.#monitors = new Monitors({
      url,
      host,
      checks,
      tolerance,
      isEnded,
      onHang: reason => restarts.rescue(reason),
    })
  }

  // RunContext

  awake(): number {
    return this.#host.awake()
  }

  isRunning(): boolean {
    return this.#host.isRunning
  }

  isDown(): boolean {
    return this.#host.pid === undefined
  }

  isOver(): boolean {
    return this.#isOver
  }

  now(): number {
    return this.#clock.now()
  }

  onCut(userId: string, code: number): void {
    this.#checks.violate('I2', `the server closed the connection of ${userId} with ${code}`)
  }

  rescue(reason: string): void {
    this.#restarts.rescue(reason)
  }

  async go(): Promise<Outcome> {
    const { ms, schedule } = this.#options
    try {
      this.#host.volumes.importState(stateOf(this.#known))
      await this.#restarts.start()
      const lives = this.#population.live()
      // Awaited at the end; a failure before that must not be an unhandled rejection.
      lives.catch(() => {})
      await this.#allOpen()
      const begun = performance.now()
      const watches = this.#monitors.watch()
      await Promise.all(Object.values(schedule).map(steps => this.#faults.runLane(steps, begun)))
      await sleep(Math.max(0, begun + ms - performance.now()))
      this.#isOver = true
      await this.#finish()
      this.#isEnded = true
      this.#population.destroy()
      await Promise.all([watches, lives])
    } finally {
      this.#isOver = true
      this.#isEnded = true
      this.#population.destroy()
    }
    return this.#outcome()
  }

  async #allOpen(): Promise<void> {
    const closed = await this.#population.allOpen()
    if (closed.length > 0) this.#checks.violate('I10', `not connected after one minute: ${closed.join(', ')}`)
  }

  async #finish(): Promise<void> {
    const host = this.#host
    const restarts = this.#restarts
    await restarts.settled()
    host.resume()
    for (const volume of ['data', 'log'] as const) host.volumes.empty(volume)
    this.#clock.set(0)
    await this.#allOpen()
    await sleep(LAST_CHECKS_MS)
    await this.#inspection.inspect('at the end')
    await restarts.exclusive(async () => {
      const killedAt = performance.now()
      await restarts.stop()
      await restarts.startAgain(killedAt, 0)
      await restarts.stop()
    })
  }

  #outcome(): Outcome {
    const { checker, control, health } = this.#checks
    const controlled = new Map<Rule, number>()
    for (const { rule } of control.violations) controlled.set(rule, (controlled.get(rule) ?? 0) + 1)
    return {
      violations: checker.violations,
      control: controlled,
      checks: checker.checks,
      detections: checker.detections,
      answersMs: health.answersMs,
      mostBytes: health.mostBytes,
      starts: this.#restarts.starts,
      rescues: this.#restarts.rescues,
    }
  }
}
