import type { LogFields } from '../log.ts'

export type Level = 'error' | 'info' | 'debug'

/** Makes a line, with its newline, of what is logged at `time` (wall clock, ms). */
export type FormatLine = (time: number, level: Level, text: string, fields: LogFields) => string

/** Longest value of a field: an id fits, a document does not. Our own `error`, the stack of a bug, has more room. */
const MAX_FIELD_LENGTH = 256
const MAX_ERROR_LENGTH = 8_192

/** Control and format characters, and the line separators that only some programs know. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu

/** One JSON object a line, for programs. */
export const jsonLine: FormatLine = (time, level, message, fields) =>
  `${JSON.stringify({ timestamp: isoTime(time), level, message, ...escaped(fields) })}\n`

/** Time, level, text and fields, for people. */
export const textLine: FormatLine = (time, level, text, fields) => {
  const details = Object.entries(escaped(fields)).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`)
  return `${isoTime(time).slice(11, 23)} ${level.padEnd(5)} ${text}${details.join('')}\n`
}

function isoTime(time: number): string {
  return new Date(time).toISOString()
}

function escaped(fields: LogFields): LogFields {
  const safe: Record<string, string | number | boolean | undefined> = {}
  for (const [name, value] of Object.entries(fields)) {
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
