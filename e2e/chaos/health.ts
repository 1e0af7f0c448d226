/** `/healthz` answers within this time whenever the process runs, in ms. */
const ANSWER_MS = 2_000

/** With next to nothing to do no process uses its whole core for this long, in ms. */
const BUSY_MS = 10_000
const WHOLE_CORE = 0.95

/** A server of a few hundred users needs a fraction of this. */
const RESIDENT_BYTES = 400 * 1024 * 1024

/** Says what is wrong with a process, from what can be seen from outside. */
export class Health {
  /** How long each answer took, in ms. */
  readonly answersMs: number[] = []
  mostBytes = 0
  #busyMs = 0
  #isBusyReported = false
  #isLarge = false

  /** Takes how long an answer took. `lateMs` is how late this process was itself. */
  answered(ms: number, lateMs: number): string | undefined {
    this.answersMs.push(ms)
    return ms - lateMs > ANSWER_MS ? `/healthz took ${Math.round(ms)} ms` : undefined
  }

  /** Takes the CPU time of a process in a while, both in ms. */
  used(cpuMs: number, wallMs: number): string | undefined {
    if (cpuMs / wallMs < WHOLE_CORE) {
      this.#busyMs = 0
      this.#isBusyReported = false
      return undefined
    }
    this.#busyMs += wallMs
    if (this.#busyMs <= BUSY_MS || this.#isBusyReported) return undefined
    this.#isBusyReported = true
    return `the CPU was used up for ${Math.round(this.#busyMs / 1_000)} s`
  }

  /** Takes the resident bytes. */
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
