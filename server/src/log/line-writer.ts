/** An output for lines: a terminal, a pipe or a file. Calls never overlap. */
export interface Sink {
  /**
   * Writes text. Resolves when the output has accepted all of it; rejects when a part may be missing. A call
   * may never settle, for example if nobody reads a pipe or a disk hangs.
   */
  write(text: string): Promise<void>
  /** Prepares the output for the next write. Rejects with the reason if it can't. */
  check?(): Promise<void>
}

/**
 * Maximum number of characters that wait during a write, about a thousand lines. Further lines are dropped.
 */
const MAX_WAITING_CHARS = 256 * 1024

/** A write that has not settled after this many ticks counts as hanging. */
const HANGING_TICKS = 5

/**
 * Writes lines to an output that may fail or hang at any time. It never throws and never waits, and its
 * memory is limited: lines that can't be written are dropped and counted. An output in trouble is tried again
 * once per tick.
 */
export class LineWriter {
  readonly #sink: Sink
  readonly #onTrouble: (reason: string) => void
  #waiting: string[] = []
  #waitingLength = 0
  #busy = false
  /** Ticks since the current call began. */
  #ticks = 0
  /** The last call failed: lines are dropped until a trial succeeds. */
  #failing = false
  #inTrouble = false
  /** `dropped` at the last successful trial; `undefined` if there was none since the trouble began. */
  #droppedAtTrial: number | undefined
  #dropped = 0
  #idle: (() => void)[] = []

  /** `onTrouble` is called with the reason when lines start to be lost. It may write to other outputs. */
  constructor(sink: Sink, onTrouble: (reason: string) => void) {
    this.#sink = sink
    this.#onTrouble = onTrouble
  }

  /** Whether lines were lost recently, or nothing can be written now. */
  get inTrouble(): boolean {
    return this.#inTrouble
  }

  /** The number of lines lost since the start. */
  get dropped(): number {
    return this.#dropped
  }

  /** Writes a line, which must end with a newline, after the lines that wait; or drops it. */
  write(line: string): void {
    if (this.#failing || this.#waitingLength + line.length > MAX_WAITING_CHARS) {
      this.#dropped++
      this.#enterTrouble('the reader is too slow')
      return
    }
    this.#waiting.push(line)
    this.#waitingLength += line.length
    if (!this.#busy) this.#next()
  }

  /**
   * Call this once per second. It detects a call that hangs, and prepares the output. If the output is in
   * trouble, it writes `trial`. The trouble is over if no further line was lost until the tick after a
   * successful trial.
   */
  tick(trial: () => string): void {
    if (this.#busy) {
      this.#ticks++
      if (this.#ticks === HANGING_TICKS) this.#enterTrouble('it does not respond')
    } else if (!this.#inTrouble) {
      const { check } = this.#sink
      if (check) void this.#run(() => check.call(this.#sink), 0)
    } else if (this.#droppedAtTrial === this.#dropped) {
      this.#inTrouble = false
      this.#droppedAtTrial = undefined
    } else {
      const dropped = this.#dropped
      void this.#run(async () => {
        await this.#sink.write(trial())
        this.#droppedAtTrial = dropped
      }, 0)
    }
  }

  /** Resolves when no line waits. It may never resolve. */
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

  /** Runs one call of the sink. If it fails, `lines` lines are lost. */
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
      this.#enterTrouble(error instanceof Error ? error.message : String(error))
    }
    this.#busy = false
    this.#next()
  }

  #enterTrouble(reason: string): void {
    if (this.#inTrouble) return
    this.#inTrouble = true
    this.#onTrouble(reason)
  }
}
