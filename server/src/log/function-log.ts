import type { Log, LogFields } from '../log.ts'
import { Repetition } from './repetition.ts'

/** Takes one log line. What it throws is ignored. */
export type LogLine = (level: 'error' | 'info' | 'debug', text: string, fields: LogFields) => void

/** A log that passes its lines to a function of the application. */
export class FunctionLog implements Log {
  readonly #line: LogLine
  readonly #repetition: Repetition

  /** @param steady a clock for durations, in ms, that never jumps */
  constructor(line: LogLine, steady: () => number) {
    this.#line = line
    this.#repetition = new Repetition(steady)
  }

  error(text: string, fields: LogFields = {}): void {
    this.#write('error', text, fields)
  }

  info(text: string, fields: LogFields = {}): void {
    this.#write('info', text, fields)
  }

  debug(text: string, fields: LogFields = {}): void {
    this.#write('debug', text, fields)
  }

  limited(kind: string, text: string, fields: LogFields = {}): void {
    if (this.#repetition.isDue(kind)) this.info(text, fields)
  }

  once(text: string): void {
    if (this.#repetition.isFirst(text)) this.info(text)
  }

  #write(level: 'error' | 'info' | 'debug', text: string, fields: LogFields): void {
    try {
      this.#line(level, text, fields)
    } catch {
      // A log never throws; see the port.
    }
  }
}

/** Writes errors and infos to the console. */
export const consoleLine: LogLine = (level, text, fields) => {
  if (level === 'debug') return
  const line = `who-is-online: ${text}`
  if (Object.keys(fields).length > 0) console[level](line, fields)
  else console[level](line)
}
