import { sleep } from '@who-is-online/testing/client'
import type { Checks } from './checks.ts'
import { NOTICED_SUSPENSION_MS } from './invariants.ts'
import type { Recovery } from './recovery.ts'
import type { Restarts } from './restarts.ts'
import { ALL_BACK_MS, type Fault, SAVED_AGAIN_MS, type Step, type Volume } from './schedule.ts'
import type { Host } from './server-host.ts'

export interface FaultRunnerOptions {
  readonly host: Host
  readonly checks: Checks
  readonly recovery: Recovery
  readonly restarts: Restarts
}

/** Carries out the faults of a schedule. */
export class FaultRunner {
  /** How often the clock was set. */
  clockChanges = 0
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

  setClock(offset: Parameters<Host['setClock']>[0]): void {
    this.clockChanges++
    this.#options.host.setClock(offset)
  }

  async #do(fault: Fault): Promise<void> {
    const { host, checks, recovery, restarts } = this.#options
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
        this.setClock(fault.offset)
        await sleep(fault.forMs)
        return this.setClock(0)
    }
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
