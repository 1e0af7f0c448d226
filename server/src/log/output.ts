import { LineWriter, type Sink } from './line-writer.ts'

/** Whether a sink accepts error lines, or other lines. */
type Accepts = (isError: boolean) => boolean

/**
 * A group of sinks that are one output for the operator: the two streams of the console, or the log files. It
 * is in trouble from the first line that a sink loses until all of them work again.
 */
export class Output {
  /** The name in log lines. */
  readonly name: string
  readonly #onTrouble: (output: Output, reason: string) => void
  readonly #members: { readonly writer: LineWriter; readonly accepts: Accepts }[] = []
  #inTrouble = false
  /** `dropped` at the end of the last trouble. */
  #droppedBefore = 0

  constructor(name: string, onTrouble: (output: Output, reason: string) => void) {
    this.name = name
    this.#onTrouble = onTrouble
  }

  /** Adds a sink for the lines that `accepts` selects. */
  add(sink: Sink, accepts: Accepts): void {
    const writer = new LineWriter(sink, reason => {
      if (this.#inTrouble) return
      this.#inTrouble = true
      this.#onTrouble(this, reason)
    })
    this.#members.push({ writer, accepts })
  }

  /** Writes a line to the sinks that accept it. */
  write(isError: boolean, line: string): void {
    for (const { writer, accepts } of this.#members) if (accepts(isError)) writer.write(line)
  }

  /** Writes only to sinks that are not in trouble. Use it for lines about the trouble of another sink. */
  writeIfWorking(isError: boolean, line: string): void {
    for (const { writer, accepts } of this.#members)
      if (accepts(isError) && !writer.inTrouble) writer.write(line)
  }

  /**
   * Call this once per second. `trial` is written to sinks in trouble; `onBack` is called when the trouble is
   * over.
   */
  tick(trial: () => string, onBack: () => void): void {
    for (const { writer } of this.#members) writer.tick(trial)
    if (!this.#inTrouble || this.#members.some(({ writer }) => writer.inTrouble)) return
    onBack()
    this.#inTrouble = false
    this.#droppedBefore = this.dropped
  }

  /** The number of lines that the sinks lost since the start. */
  get dropped(): number {
    return this.#members.reduce((sum, { writer }) => sum + writer.dropped, 0)
  }

  /** The number of lines that they lost since the trouble began. */
  get droppedInTrouble(): number {
    return this.dropped - this.#droppedBefore
  }

  /** Resolves when no line waits. It may never resolve. */
  async idle(): Promise<void> {
    await Promise.all(this.#members.map(({ writer }) => writer.idle()))
  }
}
