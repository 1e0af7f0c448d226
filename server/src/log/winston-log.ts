import { join } from 'node:path'
import { Writable } from 'node:stream'
import winston from 'winston'
import type { Log, LogFields } from '../log.ts'
import { SerialQueue } from '../serial-queue.ts'
import { consoleSink } from './console-sink.ts'
import { type FormatLine, jsonLine, type Level, textLine } from './format.ts'
import { Output } from './output.ts'
import { Repetition } from './repetition.ts'
import { RotatingFile } from './rotating-file.ts'

/** Options of {@link WinstonLog}. */
export interface LogOptions {
  readonly level: Level
  /** Whether lines are JSON for programs, or text for people. */
  readonly json: boolean
  /** The directory of the log files. It is created if it does not exist. */
  readonly dir: string
  /** `process.stdout`, for info and debug lines. */
  readonly stdout: Writable
  /** `process.stderr`, for error lines. */
  readonly stderr: Writable
  /** The wall clock in ms since the epoch, for the time of a line. */
  readonly now: () => number
  /** A clock for durations, in ms, that never jumps. */
  readonly steady: () => number
}

const FILE_BYTES = 10 * 1024 * 1024
const FILES = 5
/** How often outputs are checked. A removed log file exists again within about a second. */
const TICK_MS = 1_000
/** How long the last lines may take. The process must end even if they can't be written. */
const CLOSE_MS = 1_000

/** The key under which Winston stores the formatted line. */
const MESSAGE = Symbol.for('message')

/**
 * A log on Winston whose outputs may fail: the console, and files in `dir`. Winston filters and formats
 * lines. Each output writes what it can and drops the rest, so Winston never waits. When an output fails or
 * works again, the other output logs it once.
 */
export class WinstonLog implements Log {
  readonly #logger: winston.Logger
  readonly #format: FormatLine
  readonly #now: () => number
  readonly #isDebug: boolean
  readonly #repetition: Repetition
  readonly #console: Output
  readonly #files: Output
  readonly #logFiles: readonly RotatingFile[]
  readonly #ticker: NodeJS.Timeout

  constructor({ level, json, dir, stdout, stderr, now, steady }: LogOptions) {
    this.#now = now
    this.#repetition = new Repetition(steady)
    this.#format = json ? jsonLine : textLine
    // A disabled debug() call of Winston takes 4 µs; checking a boolean takes almost nothing.
    this.#isDebug = level === 'debug'

    const queue = new SerialQueue()
    const file = (name: string) =>
      new RotatingFile({ path: join(dir, name), maxBytes: FILE_BYTES, files: FILES, queue })
    const [all, errors] = [file('who-is-online.log'), file('error.log')]
    this.#logFiles = [all, errors]
    const onTrouble = (output: Output, reason: string) => this.#logTrouble(output, reason)
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
    this.#ticker = setInterval(() => this.#tick(), TICK_MS).unref()
  }

  error(text: string, fields: LogFields = {}): void {
    this.#logger.log('error', text, { fields })
  }

  info(text: string, fields: LogFields = {}): void {
    this.#logger.log('info', text, { fields })
  }

  debug(text: string, fields: LogFields = {}): void {
    if (this.#isDebug) this.#logger.log('debug', text, { fields })
  }

  limited(kind: string, text: string, fields: LogFields = {}): void {
    if (this.#repetition.isDue(kind)) this.info(text, fields)
  }

  once(text: string): void {
    if (this.#repetition.isFirst(text)) this.info(text)
  }

  /** The number of lines since the start that an output did not accept. */
  get dropped(): { readonly console: number; readonly file: number } {
    return { console: this.#console.dropped, file: this.#files.dropped }
  }

  /**
   * Closes the log files and opens their paths again. Call it after a tool such as logrotate has renamed
   * them.
   */
  reopen(): void {
    for (const file of this.#logFiles) void file.close()
    this.info('log files reopened')
    this.#tick()
  }

  /**
   * Resolves when all lines are written, at the latest after 1 s. Later lines are still written if possible.
   */
  async close(): Promise<void> {
    clearInterval(this.#ticker)
    // Winston may pass a line on in a later turn of the event loop.
    await new Promise(resolve => setImmediate(resolve))
    await new Promise<void>(resolve => {
      const timeout = setTimeout(resolve, CLOSE_MS)
      void Promise.all([this.#console.idle(), this.#files.idle()])
        .then(() => Promise.all(this.#logFiles.map(file => file.close())))
        .then(() => {
          clearTimeout(timeout)
          resolve()
        })
    })
  }

  /** The stream that Winston writes to. It accepts each line at once, so no lines queue up in Winston. */
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
    output.tick(back, () => other.writeIfWorking(false, back()))
  }

  #logTrouble(output: Output, reason: string): void {
    const dropped = output.droppedInTrouble
    const text = `${output.name} can not be written: lines are dropped`
    const line = this.#format(this.#now(), 'error', text, { reason, dropped })
    this.#console.writeIfWorking(true, line) // if the console is in trouble, this uses its other stream
    if (output !== this.#files) this.#files.writeIfWorking(true, line)
  }
}
