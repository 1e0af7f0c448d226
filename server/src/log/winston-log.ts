import { join } from 'node:path'
import { Writable } from 'node:stream'
import winston from 'winston'
import type { Log, LogFields } from '../log.ts'
import { SerialQueue } from '../storage/serial-queue.ts'
import { consoleSink } from './console-sink.ts'
import { type FormatLine, jsonLine, type Level, textLine } from './format.ts'
import { Output } from './output.ts'
import { RotatingFile } from './rotating-file.ts'

export interface LogOptions {
  readonly level: Level
  /** Lines of JSON for programs, or of text for people. */
  readonly json: boolean
  /** The directory of the log files; made when it is not there. */
  readonly dir: string
  /** `process.stdout`: info and debug lines. */
  readonly stdout: Writable
  /** `process.stderr`: error lines. */
  readonly stderr: Writable
  /** Wall clock, ms: the time of a line. */
  readonly now: () => number
  /** A clock that never jumps, ms. */
  readonly steady: () => number
}

const FILE_BYTES = 10 * 1024 * 1024
const FILES = 5
const LIMITED_EVERY_MS = 1_000
/** How often outputs are checked: log files are there again within about a second. */
const TICK_MS = 1_000
/** How long the last lines may take: the process must end even if nobody takes them. */
const CLOSE_MS = 1_000

/** Where Winston puts the formatted line. */
const MESSAGE = Symbol.for('message')

/**
 * Winston with outputs that may fail: the console, and files in `dir`. Winston filters and formats; each output takes
 * what it can and drops the rest, so that Winston never waits. When an output fails, the other ones say so, once; and
 * again when it is back.
 */
export class WinstonLog implements Log {
  readonly #logger: winston.Logger
  readonly #format: FormatLine
  readonly #now: () => number
  readonly #steady: () => number
  readonly #debugs: boolean
  readonly #limitedAt = new Map<string, number>()
  readonly #said = new Set<string>()
  readonly #console: Output
  readonly #files: Output
  readonly #logFiles: readonly RotatingFile[]
  readonly #ticking: NodeJS.Timeout

  constructor({ level, json, dir, stdout, stderr, now, steady }: LogOptions) {
    this.#now = now
    this.#steady = steady
    this.#format = json ? jsonLine : textLine
    // A disabled debug() of Winston costs 4 µs; a boolean costs nothing.
    this.#debugs = level === 'debug'

    const turns = new SerialQueue()
    const file = (name: string) =>
      new RotatingFile({ path: join(dir, name), maxBytes: FILE_BYTES, files: FILES, turns })
    const [all, errors] = [file('who-is-online.log'), file('error.log')]
    this.#logFiles = [all, errors]
    const onTrouble = (output: Output, reason: string) => this.#sayTrouble(output, reason)
    this.#console = new Output('console output', onTrouble)
    this.#console.add(consoleSink(stdout), isError => !isError)
    this.#console.add(consoleSink(stderr), isError => isError)
    this.#files = new Output('log files', onTrouble)
    this.#files.add(all, () => true)
    this.#files.add(errors, isError => isError)

    this.#logger = winston.createLogger({
      level,
      levels: { error: 0, info: 1, debug: 2 },
      format: winston.format.printf(({ level, message, fields }) =>
        this.#format(now(), level as Level, String(message), (fields ?? {}) as LogFields),
      ),
      transports: [new winston.transports.Stream({ stream: this.#intake() })],
    })
    this.#tick()
    this.#ticking = setInterval(() => this.#tick(), TICK_MS).unref()
  }

  error(text: string, fields: LogFields = {}): void {
    this.#logger.log('error', text, { fields })
  }

  info(text: string, fields: LogFields = {}): void {
    this.#logger.log('info', text, { fields })
  }

  debug(text: string, fields: LogFields = {}): void {
    if (this.#debugs) this.#logger.log('debug', text, { fields })
  }

  limited(kind: string, text: string, fields: LogFields = {}): void {
    const now = this.#steady()
    if (now - (this.#limitedAt.get(kind) ?? Number.NEGATIVE_INFINITY) < LIMITED_EVERY_MS) return
    this.#limitedAt.set(kind, now)
    this.info(text, fields)
  }

  once(text: string): void {
    if (this.#said.has(text)) return
    this.#said.add(text)
    this.info(text)
  }

  /** How many lines did not reach an output since the start. */
  get dropped(): { readonly console: number; readonly file: number } {
    return { console: this.#console.dropped, file: this.#files.dropped }
  }

  /** Closes the log files and opens those that are at their paths now, as after logrotate has renamed them. */
  reopen(): void {
    for (const file of this.#logFiles) void file.close()
    this.info('log files are opened again')
    this.#tick()
  }

  /** Resolves when every line is written, or after a second. Lines that come later are still written if they can be. */
  async close(): Promise<void> {
    clearInterval(this.#ticking)
    await new Promise(resolve => setImmediate(resolve)) // Winston may hand a line on in a later turn
    await new Promise<void>(resolve => {
      const patience = setTimeout(resolve, CLOSE_MS)
      void Promise.all([this.#console.idle(), this.#files.idle()])
        .then(() => Promise.all(this.#logFiles.map(file => file.close())))
        .then(() => {
          clearTimeout(patience)
          resolve()
        })
    })
  }

  /** What Winston writes to. It takes each line at once, so nothing piles up before it. */
  #intake(): Writable {
    return new Writable({
      objectMode: true,
      write: (info: winston.Logform.TransformableInfo & { [MESSAGE]?: string }, _encoding, done) => {
        this.#write(info.level === 'error', info[MESSAGE] ?? '')
        done()
      },
    })
  }

  #write(isError: boolean, line: string): void {
    this.#console.write(isError, line)
    this.#files.write(isError, line)
  }

  #tick(): void {
    this.#tickOutput(this.#console, this.#files)
    this.#tickOutput(this.#files, this.#console)
  }

  #tickOutput(output: Output, other: Output): void {
    const back = () => {
      const dropped = output.droppedInTrouble
      return this.#format(this.#now(), 'info', `${output.name} can be written again`, { dropped })
    }
    output.tick(back, () => other.writeIfWell(false, back()))
  }

  #sayTrouble(output: Output, reason: string): void {
    const dropped = output.droppedInTrouble
    const text = `${output.name} can not be written: lines are dropped`
    const line = this.#format(this.#now(), 'error', text, { reason, dropped })
    this.#console.writeIfWell(true, line) // with the other stream, if the console itself is in trouble
    if (output !== this.#files) this.#files.writeIfWell(true, line)
  }
}
