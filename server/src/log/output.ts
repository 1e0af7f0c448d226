import { LineWriter, type Sink } from './line-writer.ts'

/** Takes an error line, or another one. */
type Takes = (isError: boolean) => boolean

/**
 * Sinks that are one thing to an operator: the console with its two streams, the log files. It is in trouble from the
 * first line that a sink loses until all of them take lines again.
 */
export class Output {
  /** As it is called in log lines. */
  readonly name: string
  readonly #onTrouble: (output: Output, reason: string) => void
  readonly #members: { readonly writer: LineWriter; readonly takes: Takes }[] = []
  #inTrouble = false
  /** `dropped` when the last trouble was over. */
  #droppedBefore = 0

  constructor(name: string, onTrouble: (output: Output, reason: string) => void) {
    this.name = name
    this.#onTrouble = onTrouble
  }

  add(sink: Sink, takes: Takes): void {
    const writer = new LineWriter(sink, reason => {
      if (this.#inTrouble) return
      this.#inTrouble = true
      this.#onTrouble(this, reason)
    })
    this.#members.push({ writer, takes })
  }

  write(isError: boolean, line: string): void {
    for (const { writer, takes } of this.#members) if (takes(isError)) writer.write(line)
  }

  /** Writes only to sinks that are not in trouble: for lines about the trouble of another one. */
  writeIfWell(isError: boolean, line: string): void {
    for (const { writer, takes } of this.#members) if (takes(isError) && !writer.inTrouble) writer.write(line)
  }

  /** Call once a second. `trial` is written to sinks in trouble; `onBack` is called when the trouble is over. */
  tick(trial: () => string, onBack: () => void): void {
    for (const { writer } of this.#members) writer.tick(trial)
    if (!this.#inTrouble || this.#members.some(({ writer }) => writer.inTrouble)) return
    onBack()
    this.#inTrouble = false
    this.#droppedBefore = this.dropped
  }

  /** How many lines the sinks lost since the start. */
  get dropped(): number {
    return this.#members.reduce((sum, { writer }) => sum + writer.dropped, 0)
  }

  /** How many of them since the trouble began. */
  get droppedInTrouble(): number {
    return this.dropped - this.#droppedBefore
  }

  /** Resolves when nothing waits to be written. May take for ever. */
  async idle(): Promise<void> {
    await Promise.all(this.#members.map(({ writer }) => writer.idle()))
  }
}
