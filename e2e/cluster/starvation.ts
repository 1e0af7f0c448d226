import { get } from 'node:http'
import { redisCommand } from './redis-command.ts'
import type { Target, Troubles } from './troubles.ts'

/** What is asked, and how. The question rejects at once if nobody is there. */
interface Probe {
  readonly target: Target
  readonly ask: () => Promise<unknown>
}

const PROBE_MS = 250
/** A process that answers later had no processor, in ms. Nodes give up an attempt to reach Redis after 1.5 s. */
const LATE_MS = 700

/**
 * Notices when the machine is too busy for a process, and lets that count as a trouble, because it is no fault of the
 * cluster. It asks for what needs no work, and measures this process too.
 */
export class Starvation {
  readonly #troubles: Troubles
  readonly #timers: ReturnType<typeof setInterval>[] = []
  /** How often a process had no processor for a while. */
  times = 0

  constructor(troubles: Troubles, probes: readonly Probe[]) {
    this.#troubles = troubles
    for (const { target, ask } of probes) {
      let isAsking = false
      const probe = async () => {
        if (isAsking) return
        isAsking = true
        await this.#watch(target, ask)
        isAsking = false
      }
      this.#timers.push(setInterval(() => void probe(), PROBE_MS))
    }
    let before = performance.now()
    const timer = setInterval(() => {
      const now = performance.now()
      if (now - before > PROBE_MS + LATE_MS) {
        this.times++
        // Everything that this process was told meanwhile was told late.
        troubles.begin('redis', 'slow', before)(now)
      }
      before = now
    }, PROBE_MS)
    this.#timers.push(timer)
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer)
  }

  async #watch(target: Target, ask: () => Promise<unknown>): Promise<void> {
    const begun = performance.now()
    let over: ((at: number) => void) | undefined
    const timer = setTimeout(() => {
      this.times++
      over = this.#troubles.begin(target, target === 'redis' ? 'slow' : 'frozen', begun)
    }, LATE_MS)
    await ask().catch(() => {})
    clearTimeout(timer)
    over?.(performance.now())
  }
}

/** The question for a node. */
export function askNode(origin: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    get(`${origin}/healthz`, response => response.resume().once('end', resolve)).once('error', reject)
  })
}

/** The question for a Redis. */
export function askRedis(port: number): Promise<unknown> {
  return redisCommand(port, 'PING')
}
