import { sleep } from '@who-is-online/testing/client'
import type { Checks } from './checks.ts'
import { type Fault, SLEEP_AWAY_MS, type Volume } from './fault.ts'
import type { Inspection } from './inspection.ts'
import { NOTICED_SUSPENSION_MS } from './invariants.ts'
import type { Population } from './population.ts'
import type { Recovery } from './recovery.ts'
import type { Restarts } from './restarts.ts'
import { ALL_BACK_MS, SAVED_AGAIN_MS, type Step } from './schedule.ts'
import type { ServerClock } from './server-clock.ts'
import type { Host } from './server-host.ts'

/** After the clock is set right, the server notices within this time, in ms. */
const NOTICED_MS = 1_000

/** After a sleep, users who were lost are inspected at this time: after the grace, before they are back. */
const INSPECTED_MS = 7_000

export interface FaultRunnerOptions {
  readonly host: Host
  readonly clock: ServerClock
  readonly checks: Checks
  readonly population: Population
  readonly inspection: Inspection
  readonly recovery: Recovery
  readonly restarts: Restarts
}

/** Carries out the faults of a schedule. */
export class FaultRunner {
  readonly #options: FaultRunnerOptions

  constructor(options: FaultRunnerOptions) {
    this.#options = options
  }

  /** Carries out the faults of a lane. `begun` is the start of the run, in steady time. */
  async runLane(steps: readonly Step[], begun: number): Promise<void> {
    for (const { at, fault } of steps) {
      await sleep(Math.max(0, begun + at - performance.now()))
      await this.#do(fault)
    }
  }

  async #do(fault: Fault): Promise<void> {
    const { host, clock, checks, recovery, restarts } = this.#options
    switch (fault.do) {
      case 'kill':
        return restarts.exclusive(async () => {
          await this.#untilAwake(recovery.dataFaultAt + SAVED_AGAIN_MS)
          const killedAt = performance.now()
          await host.kill()
          await restarts.startAgain(killedAt, fault.outageMs)
        })
      case 'terminate':
        return restarts.exclusive(async () => {
          await this.#untilAwake(recovery.dataFaultAt + SAVED_AGAIN_MS)
          const killedAt = performance.now()
          await restarts.stop()
          await restarts.startAgain(killedAt, fault.outageMs)
        })
      case 'suspend':
        return restarts.exclusive(async () => {
          await this.#untilAwake(restarts.startedAt + ALL_BACK_MS)
          host.suspend()
          await sleep(fault.forMs)
          host.resume()
          if (fault.forMs > NOTICED_SUSPENSION_MS) checks.resumed()
        })
      case 'wrong-start':
        return restarts.exclusive(() => clock.exclusive(() => this.#startWrong(fault)))
      case 'wrong-kill':
        return restarts.exclusive(() => clock.exclusive(() => this.#killWrong(fault)))
      case 'sleep':
        return restarts.exclusive(() => clock.exclusive(() => this.#sleep(fault)))
      case 'fill':
        await this.#fill(fault.volume, fault.forMs)
        return recovery.expect(fault.volume)
      case 'remove':
        for (const volume of fault.directories) {
          host.volumes.remove(volume)
          recovery.expect(volume)
        }
        return
      case 'close':
        for (const output of fault.outputs) host.closeConsole(output)
        return
      case 'stall':
        for (const output of fault.outputs) host.stallConsole(output)
        await sleep(fault.forMs)
        for (const output of fault.outputs) host.resumeConsole(output)
        return
      case 'clock':
        await clock.exclusive(async () => {
          clock.set(fault.offset)
          await sleep(fault.forMs)
          clock.set(0)
        })
        return this.#inspectLater()
    }
  }

  async #startWrong(fault: Extract<Fault, { do: 'wrong-start' }>): Promise<void> {
    const { host, clock, inspection, recovery, restarts } = this.#options
    await this.#untilAwake(recovery.dataFaultAt + SAVED_AGAIN_MS)
    const killedAt = performance.now()
    if (fault.by === 'kill') await host.kill()
    else await restarts.stop()
    clock.set(fault.offset)
    await restarts.startAgain(killedAt, fault.outageMs)
    await sleep(fault.forMs)
    clock.set(0)
    await sleep(NOTICED_MS)
    await inspection.inspect('after a start with a wrong clock')
  }

  async #killWrong(fault: Extract<Fault, { do: 'wrong-kill' }>): Promise<void> {
    const { host, clock, recovery, restarts } = this.#options
    await this.#untilAwake(recovery.dataFaultAt + SAVED_AGAIN_MS)
    clock.set(fault.offset)
    await sleep(fault.forMs)
    const killedAt = performance.now()
    await host.kill()
    clock.set(0)
    await restarts.startAgain(killedAt, fault.outageMs, 'after a kill with a wrong clock')
  }

  async #sleep(fault: Extract<Fault, { do: 'sleep' }>): Promise<void> {
    const { clock, checks, inspection, population, restarts } = this.#options
    await this.#untilAwake(restarts.startedAt + ALL_BACK_MS)
    const cut = () => population.cut()
    const jump = () => {
      clock.sleep(fault.jumpSeconds)
      checks.slept()
    }
    const [first, second] = fault.cutAfterMs < 0 ? [cut, jump] : [jump, cut]
    first()
    await sleep(Math.abs(fault.cutAfterMs))
    second()
    await sleep(INSPECTED_MS)
    await inspection.inspect('after a sleep')
    await sleep(SLEEP_AWAY_MS[1] - INSPECTED_MS)
  }

  /** Inspects the users when the server has noticed that its clock is right, between two faults of the process. */
  async #inspectLater(): Promise<void> {
    const { host, inspection, restarts } = this.#options
    await sleep(NOTICED_MS)
    void restarts.exclusive(async () => {
      if (host.isRunning) await inspection.inspect('after a fault of the clock')
    })
  }

  /**
   * Waits until the process has run for this time. On a slow machine, the schedule is late and its gaps are
   * too short.
   */
  async #untilAwake(awakeMs: number): Promise<void> {
    const { host } = this.#options
    while (host.isRunning && host.awake() < awakeMs) await sleep(50)
  }

  async #fill(volume: Volume, forMs: number): Promise<void> {
    const { host, recovery } = this.#options
    recovery.begin(volume)
    for (const until = performance.now() + forMs; performance.now() < until; ) {
      host.volumes.fill(volume)
      await sleep(Math.min(250, Math.max(0, until - performance.now())))
    }
    host.volumes.empty(volume)
  }
}
