/** Where lines go: a terminal, a pipe, a file. It is asked for one thing at a time. */
export interface Sink {
  /**
   * Writes text. Resolves when the output has taken all of it; rejects when a part may be missing.
   * A call may never settle: a pipe that nobody reads, a disk that hangs.
   */
  write(text: string): Promise<void>
  /** Makes the output ready for the next write. Rejects with the reason when it can't. */
  check?(): Promise<void>
}

/** The most characters that wait while a write is under way: some thousand lines. Beyond, lines are dropped. */
const MAX_WAITING = 256 * 1024

/** After so many ticks without an answer a write counts as hanging. */
const HANGING_TICKS = 5

/**
 * Writes lines to an output that may fail or hang at any time. It never throws and never waits, and its memory is
 * bounded: what can't be written is dropped and counted. While the output is in trouble it is tried once a tick.
 */
export class LineWriter {
  readonly #sink: Sink
  readonly #onTrouble: (reason: string) => void
  #waiting: string[] = []
  #waitingLength = 0
  #busy = false
  /** Ticks since the call under way began. */
  #ticks = 0
  /** The last call was rejected: lines are dropped until a trial succeeds. */
  #failing = false
  #inTrouble = false
  /** `dropped` at the last successful trial; undefined without one since the trouble began. */
  #triedAt: number | undefined
  #dropped = 0
  #idle: (() => void)[] = []

  /** `onTrouble` is told the reason when lines begin to be lost. It may write to other outputs. */
  constructor(sink: Sink, onTrouble: (reason: string) => void) {
    this.#sink = sink
    this.#onTrouble = onTrouble
  }

  /** Whether lines were lost lately, or nothing can be written now. */
  get inTrouble(): boolean {
    return this.#inTrouble
  }

  /** How many lines were lost since the start. */
  get dropped(): number {
    return this.#dropped
  }

  /** Writes a line, which ends with a newline, now or after those that wait; or drops it. */
  write(line: string): void {
    if (this.#failing || this.#waitingLength + line.length > MAX_WAITING) {
      this.#dropped++
      this.#troubled('what reads it is too slow')
      return
    }
    this.#waiting.push(line)
    this.#waitingLength += line.length
    if (!this.#busy) this.#next()
  }

  /**
   * Call once a second. Looks whether a call hangs, makes the output ready, and tries it while it is in trouble,
   * by writing `trial`. The trouble is over when a tick after a successful trial finds that nothing more was lost.
   */
  tick(trial: () => string): void {
    if (this.#busy) {
      this.#ticks++
      if (this.#ticks === HANGING_TICKS) this.#troubled('it does not answer')
    } else if (!this.#inTrouble) {
      const { check } = this.#sink
      if (check) void this.#run(() => check.call(this.#sink), 0)
    } else if (this.#triedAt === this.#dropped) {
      this.#inTrouble = false
      this.#triedAt = undefined
    } else {
      const dropped = this.#dropped
      void this.#run(async () => {
        await this.#sink.write(trial())
        this.#triedAt = dropped
      }, 0)
    }
  }

  /** Resolves when nothing waits to be written. May take for ever. */
  idle(): Promise<void> {
    return this.#busy ? new Promise(resolve => this.#idle.push(resolve)) : Promise.resolve()
  }

  #next(): void {
    if (this.#waiting.length === 0) {
      for (const resolve of this.#idle.splice(0)) resolve()
      return
    }
    const text = this.#waiting.join('')
    const lines = this.#waiting.length
    this.#waiting = []
    this.#waitingLength = 0
    void this.#run(() => this.#sink.write(text), lines)
  }

  /** Runs one call of the sink; `lines` are lost when it fails. */
  async #run(call: () => Promise<void>, lines: number): Promise<void> {
    this.#busy = true
    this.#ticks = 0
    try {
      await call()
      this.#failing = false
    } catch (error) {
      this.#failing = true
      this.#dropped += lines + this.#waiting.length
      this.#waiting = []
      this.#waitingLength = 0
      this.#troubled(error instanceof Error ? error.message : String(error))
    }
    this.#busy = false
    this.#next()
  }

  #troubled(reason: string): void {
    if (this.#inTrouble) return
    this.#inTrouble = true
    this.#onTrouble(reason)
  }
}
