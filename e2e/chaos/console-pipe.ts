import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync, rmSync, writeSync } from 'node:fs'

/** Fills a pipe; no log line contains it. */
const FILLER = '\0'

const READ_EVERY_MS = 50
const KEPT_CHARACTERS = 20_000

/**
 * An output of a process: a named pipe whose reader can close it or stop reading. The pipes of `spawn` can't
 * be used: they are socket pairs, which no other process can fill.
 */
export class ConsolePipe {
  /** The write end, for the process. The caller closes it after the process has inherited it. */
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

  /** The last part of the text that was read, without the filler of a stall. */
  get text(): string {
    return this.#text
  }

  /** Closes the reader: writes fail with EPIPE. */
  close(): void {
    clearInterval(this.#timer)
    if (this.#readEnd !== undefined) closeSync(this.#readEnd)
    this.#readEnd = undefined
  }

  /** Stops reading and fills the pipe: writes fail with EAGAIN, or block. */
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

  /** Continues reading. */
  resume(): void {
    clearInterval(this.#timer)
    if (this.#readEnd === undefined) return
    this.#timer = setInterval(() => this.#read(), READ_EVERY_MS)
    this.#timer.unref()
  }

  /** Reads the rest after the process has ended. */
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
        return // there is nothing to read now
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
