import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import winston from 'winston'

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

/** What is worth telling an operator. Fields may hold a stranger's text: it is escaped and cut. */
export interface Log {
  error(text: string, fields?: LogFields): void
  info(text: string, fields?: LogFields): void
  /** For developers; costs nothing where it is not shown. */
  debug(text: string, fields?: LogFields): void
  /** At most one info line a second for each kind, for what strangers can cause at will. */
  limited(kind: string, text: string, fields?: LogFields): void
  /** One info line with this text in the life of the process. */
  once(text: string): void
}

export interface LogOptions {
  readonly level: 'error' | 'info' | 'debug'
  /** Lines of JSON for machines, or of text for people. */
  readonly json: boolean
  readonly dir: string
  readonly now: () => number
}

/** Longest value of a field: an id fits, a document doesn't. Our own `error`, the stack of a bug, has more room. */
const MAX_FIELD_LENGTH = 256
const MAX_ERROR_LENGTH = 8_192

const FILE_BYTES = 10 * 1024 * 1024
const FILES = 5
const LIMITED_EVERY_MS = 1_000

/** Control and format characters, and the line separators that only some programs know. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu

/** A log on Winston: to the console, and to files in `dir`. A directory that can't be written costs only the files. */
export class WinstonLog implements Log {
  readonly #logger: winston.Logger
  readonly #now: () => number
  readonly #debugs: boolean
  readonly #limitedAt = new Map<string, number>()
  readonly #said = new Set<string>()
  #filesFailed = false

  constructor({ level, json, dir, now }: LogOptions) {
    this.#now = now
    // A disabled debug() of Winston's costs 4 µs; a boolean costs nothing.
    this.#debugs = level === 'debug'
    const line = winston.format.printf(json ? asJson : asText)
    this.#logger = winston.createLogger({
      level,
      levels: { error: 0, info: 1, debug: 2 },
      format: winston.format.combine(winston.format.timestamp(), line),
      transports: [new winston.transports.Console({ stderrLevels: ['error'] })],
    })
    this.#addFiles(dir)
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
    const now = this.#now()
    if (now - (this.#limitedAt.get(kind) ?? Number.NEGATIVE_INFINITY) < LIMITED_EVERY_MS) return
    this.#limitedAt.set(kind, now)
    this.info(text, fields)
  }

  once(text: string): void {
    if (this.#said.has(text)) return
    this.#said.add(text)
    this.info(text)
  }

  /** Resolves when every line is written, or after a second. */
  close(): Promise<void> {
    return new Promise(resolve => {
      const patience = setTimeout(resolve, 1_000)
      this.#logger.once('finish', () => {
        clearTimeout(patience)
        resolve()
      })
      this.#logger.end()
    })
  }

  #addFiles(dir: string): void {
    try {
      mkdirSync(dir, { recursive: true })
      for (const [filename, level] of [
        ['who-is-online.log', undefined],
        ['error.log', 'error'],
      ] as const) {
        const file = new winston.transports.File({
          filename: join(dir, filename),
          maxsize: FILE_BYTES,
          maxFiles: FILES,
          tailable: true,
          ...(level && { level }),
        })
        file.on('error', (error: Error) => this.#filesFail(error))
        this.#logger.add(file)
      }
    } catch (error) {
      this.#filesFail(error as Error)
    }
  }

  #filesFail(error: Error): void {
    if (this.#filesFailed) return
    this.#filesFailed = true
    this.error('log files can’t be written; the console goes on', { reason: error.message })
  }
}

function asJson({ level, message, timestamp, fields }: winston.Logform.TransformableInfo): string {
  return JSON.stringify({ timestamp, level, message: String(message), ...escaped(fields) })
}

function asText({ level, message, timestamp, fields }: winston.Logform.TransformableInfo): string {
  const time = String(timestamp).slice(11, 23)
  const details = Object.entries(escaped(fields)).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`)
  return `${time} ${level.padEnd(5)} ${message}${details.join('')}`
}

function escaped(fields: unknown): LogFields {
  const safe: Record<string, string | number | boolean | undefined> = {}
  for (const [name, value] of Object.entries((fields ?? {}) as LogFields)) {
    if (value === undefined) continue
    safe[name] =
      typeof value === 'string'
        ? printable(value, name === 'error' ? MAX_ERROR_LENGTH : MAX_FIELD_LENGTH)
        : value
  }
  return safe
}

function printable(text: string, length: number): string {
  const cut = text.length > length ? `${text.slice(0, length)}…` : text
  return cut.replace(UNPRINTABLE, character => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}
