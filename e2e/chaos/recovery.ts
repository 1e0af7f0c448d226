import { sleep } from '@who-is-online/testing/client'
import type { Checks } from './checks.ts'
import type { Volume } from './fault.ts'
import type { Host } from './server-host.ts'
import type { Tolerance } from './tolerance.ts'

/** The state must be saved within this time after the disk works again, in ms of a running process. */
const SAVES_MS = 5_000
/** A log file must be written again within this time (SPEC [G4]), in ms. */
const LOGS_AGAIN_MS = 10_000

export interface RecoveryOptions {
  readonly host: Host
  readonly checks: Checks
  readonly tolerance: Tolerance
  readonly isEnded: () => boolean
}

/** Checks that the files of a volume are written again after its faults. */
export class Recovery {
  /** When the last fault of the data ended, by `awake()`. */
  dataFaultAt = Number.NEGATIVE_INFINITY
  readonly #options: RecoveryOptions
  readonly #faultsOf: Record<Volume, number> = { data: 0, log: 0 }

  constructor(options: RecoveryOptions) {
    this.#options = options
  }

  /** A fault of a volume begins, so earlier checks end. */
  begin(volume: Volume): void {
    this.#faultsOf[volume]++
  }

  /** A fault of a volume has ended: starts a check that the files are written again. */
  expect(volume: Volume): void {
    this.#faultsOf[volume]++
    if (volume === 'data') this.dataFaultAt = this.#options.host.awake()
    void (volume === 'data' ? this.#expectSaved() : this.#expectLogs())
  }

  async #expectSaved(): Promise<void> {
    const { host } = this.#options
    await this.#expect('data', SAVES_MS, async () => {
      const answer = await host.ask('/readyz', 2_000).catch(() => undefined)
      return host.volumes.hasState() && answer?.body.includes('"storage":"ok"') === true
    })
  }

  async #expectLogs(): Promise<void> {
    const { volumes } = this.#options.host
    const before = volumes.logFile()
    await this.#expect('log', LOGS_AGAIN_MS, async () => {
      const now = volumes.logFile()
      return now !== undefined && now.bytes > (now.inode === before?.inode ? before.bytes : 0)
    })
  }

  /** Waits for a condition, unless the process ends or the volume has another fault. */
  async #expect(volume: Volume, withinMs: number, check: () => Promise<boolean>): Promise<void> {
    const { host, checks, tolerance, isEnded } = this.#options
    const [starts, faults, since] = [host.starts, this.#faultsOf[volume], host.awake()]
    const isSame = () => starts === host.starts && faults === this.#faultsOf[volume] && !isEnded()
    const rule = volume === 'data' ? 'saved again' : 'log'
    while (isSame()) {
      if (host.isRunning) {
        const observed = { isMet: await check(), elapsedMs: host.awake() - since }
        if (!observed.isMet && !isSame()) return
        if (checks.recovered(rule, observed, withinMs, tolerance.ms)) return
      }
      await sleep(100)
    }
  }
}
