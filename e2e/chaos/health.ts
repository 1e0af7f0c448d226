/** The maximum response time of `/healthz` while the process runs, in ms. */
const ANSWER_MS = 2_000

/** An almost idle process must not use a whole core for longer than this, in ms. */
const BUSY_MS = 10_000
const WHOLE_CORE = 0.95

/** Maximum resident memory. A server with a few hundred users needs a fraction of it. */
const RESIDENT_BYTES = 400 * 1024 * 1024

/**
 * Detects problems of a process from outside: slow responses, a busy CPU, high memory. Methods return a
 * problem or `undefined`.
 */
export class Health {
  /** The response times, in ms. */
  readonly answersMs: number[] = []
  mostBytes = 0
  #busyMs = 0
  #isBusyReported = false
  #isLarge = false

  /** Records a response time. `lateMs` is the delay of this process itself. */
  answered(ms: number, lateMs: number): string | undefined {
    this.answersMs.push(ms)
    return ms - lateMs > ANSWER_MS ? `/healthz took ${Math.round(ms)} ms` : undefined
  }

  /** Records the CPU time of a process during `wallMs`, both in ms. */
  used(cpuMs: number, wallMs: number): string | undefined {
    if (cpuMs / wallMs < WHOLE_CORE) {
      this.#busyMs = 0
      this.#isBusyReported = false
      return undefined
    }
    this.#busyMs += wallMs
    if (this.#busyMs <= BUSY_MS || this.#isBusyReported) return undefined
    this.#isBusyReported = true
    return `the process used a whole core for ${Math.round(this.#busyMs / 1_000)} s`
  }

  /** Records the resident memory in bytes. */
  resident(bytes: number): string | undefined {
    this.mostBytes = Math.max(this.mostBytes, bytes)
    if (bytes <= RESIDENT_BYTES) {
      this.#isLarge = false
      return undefined
    }
    if (this.#isLarge) return undefined
    this.#isLarge = true
    return `${Math.round(bytes / 1024 / 1024)} MiB are resident`
  }
}
