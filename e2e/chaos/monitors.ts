import { sleep } from '@who-is-online/testing/client'
import { WebSocket } from 'ws'
import type { Checks } from './checks.ts'
import { usage } from './probes.ts'
import type { Host } from './server-host.ts'
import type { Tolerance } from './tolerance.ts'

const HANGS_MS = 20_000
const FALSIFY_EVERY_MS = 5_000

export interface MonitorOptions {
  readonly url: string
  readonly host: Host
  readonly checks: Checks
  readonly tolerance: Tolerance
  readonly isEnded: () => boolean
  /** Called when the server has not answered for a long time. */
  readonly onHang: (reason: string) => void
}

/** What is measured all the time while the server runs. */
export class Monitors {
  readonly #options: MonitorOptions

  constructor(options: MonitorOptions) {
    this.#options = options
  }

  /** Resolves at the end of the run. */
  async watch(): Promise<void> {
    await Promise.all([this.#watchTime(), this.#watchAnswers(), this.#watchUsage(), this.#makeNoise()])
  }

  /** Checks all deadlines ten times per second. */
  async #watchTime(): Promise<void> {
    const { host, checks, tolerance, isEnded } = this.#options
    let falsifiedAt = performance.now()
    while (!isEnded()) {
      await tolerance.measure()
      if (!host.isRunning) continue
      checks.tick(tolerance.ms)
      if (performance.now() - falsifiedAt < FALSIFY_EVERY_MS) continue
      falsifiedAt = performance.now()
      checks.falsify()
    }
  }

  async #watchAnswers(): Promise<void> {
    const { host, checks, tolerance, isEnded, onHang } = this.#options
    let failingSince: number | undefined
    while (!isEnded()) {
      await sleep(500)
      const { era } = host
      if (!host.isRunning) continue
      const answer = await host
        .ask('/healthz', 5_000)
        .then(({ ms }) => ({ ms }))
        .catch((error: Error) => ({ error: error.message }))
      // Ignore the result if the process was suspended or ended meanwhile.
      if (era !== host.era || isEnded()) {
        failingSince = undefined
        continue
      }
      if ('ms' in answer) {
        failingSince = undefined
        tolerance.lastAnswerMs = answer.ms
        checks.answered(answer.ms, 2 * tolerance.lateMs)
        continue
      }
      if (failingSince === undefined) checks.violate('I10', `/healthz did not answer: ${answer.error}`)
      failingSince ??= performance.now()
      if (performance.now() - failingSince < HANGS_MS) continue
      failingSince = undefined
      onHang(`no answer for ${HANGS_MS} ms`)
    }
  }

  async #watchUsage(): Promise<void> {
    const { host, checks, isEnded } = this.#options
    let last: { era: string; at: number; cpuSeconds: number } | undefined
    while (!isEnded()) {
      await sleep(1_000)
      const used = usage(host.pid)
      const { era } = host
      if (!used || !host.isRunning) {
        last = undefined
        continue
      }
      const now = { era, at: performance.now(), cpuSeconds: used.cpuSeconds }
      const problems = [
        checks.health.resident(used.bytes),
        last?.era === era
          ? checks.health.used((now.cpuSeconds - last.cpuSeconds) * 1_000, now.at - last.at)
          : undefined,
      ]
      for (const problem of problems) if (problem) checks.violate('I10', problem)
      last = now
    }
  }

  /** Opens connections with a foreign Origin, so that the server has something to log. */
  async #makeNoise(): Promise<void> {
    while (!this.#options.isEnded()) {
      await sleep(400)
      const socket = new WebSocket(`${this.#options.url}?userId=stranger`, {
        origin: 'https://foreign.example',
        handshakeTimeout: 5_000,
      })
      socket.on('error', () => {})
      socket.on('open', () => socket.terminate())
    }
  }
}
