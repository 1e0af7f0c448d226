import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync, rmSync, writeSync } from 'node:fs'

/** What a full pipe is full of: nothing that a log writes. */
const FILLER = '\0'

const READ_EVERY_MS = 50
const KEPT_CHARACTERS = 20_000

/**
 * One output of a process: a named pipe whose reader can go away or stop reading. A pipe of `spawn` would not do: it
 * is a socket pair, which nobody else can fill.
 */
export class ConsolePipe {
  /** The end for the process; closed by the caller once the process has it. */
  readonly writeEnd: number
  readonly #path: string
  #readEnd: number | undefined
  #timer: NodeJS.Timeout | undefined
  #text = ''

  constructor(path: string) {
    this.#path = path
    rmSync(path, { force: true })
    execFileSync('mkfifo', [path])
    this.#readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    this.writeEnd = openSync(path, constants.O_WRONLY)
    this.resume()
  }

  /** The last of what was read, without what a stall put in. */
  get text(): string {
    return this.#text
  }

  /** The reader goes away: who writes gets EPIPE. */
  close(): void {
    clearInterval(this.#timer)
    if (this.#readEnd !== undefined) closeSync(this.#readEnd)
    this.#readEnd = undefined
  }

  /** The reader stops reading, and the pipe is full at once: who writes gets EAGAIN, or waits. */
  stall(): void {
    clearInterval(this.#timer)
    if (this.#readEnd === undefined) return
    const end = openSync(this.#path, constants.O_WRONLY | constants.O_NONBLOCK)
    try {
      for (const size of [4_096, 1]) fill(end, FILLER.repeat(size))
    } finally {
      closeSync(end)
    }
  }

  /** Reads again. */
  resume(): void {
    clearInterval(this.#timer)
    if (this.#readEnd === undefined) return
    this.#timer = setInterval(() => this.#read(), READ_EVERY_MS)
    this.#timer.unref()
  }

  /** Reads what is left, when the process has ended. */
  drain(): void {
    this.#read()
    this.close()
    rmSync(this.#path, { force: true })
  }

  #read(): void {
    const buffer = Buffer.alloc(65_536)
    for (;;) {
      if (this.#readEnd === undefined) return
      try {
        const length = readSync(this.#readEnd, buffer)
        if (length === 0) return
        this.#text = (this.#text + buffer.toString('utf8', 0, length).replaceAll(FILLER, '')).slice(
          -KEPT_CHARACTERS,
        )
      } catch {
        return // nothing there now
      }
    }
  }
}

function fill(end: number, text: string): void {
  try {
    for (;;) writeSync(end, text)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
  }
}
