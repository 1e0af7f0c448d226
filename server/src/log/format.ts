import type { LogFields } from '../log.ts'

/** The level of a log line. */
export type Level = 'error' | 'info' | 'debug'

/** Formats a log line, including its newline. `time` is the wall clock in ms since the epoch. */
export type FormatLine = (time: number, level: Level, text: string, fields: LogFields) => string

/**
 * Maximum length of a field value. The field `error` contains stack traces of this server, so it may be
 * longer.
 */
const MAX_FIELD_LENGTH = 256
const MAX_ERROR_LENGTH = 8_192

/** Control and format characters, and the Unicode line separators. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu

/** One JSON object per line, for programs. */
export const jsonLine: FormatLine = (time, level, message, fields) =>
  `${JSON.stringify({ timestamp: isoTime(time), level, message, ...escaped(fields) })}\n`

/** Time, level, text and fields, for people. */
export const textLine: FormatLine = (time, level, text, fields) => {
  const details = Object.entries(escaped(fields)).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`)
  return `${isoTime(time).slice(11, 23)} ${level.padEnd(5)} ${text}${details.join('')}\n`
}

function isoTime(time: number): string {
  // A wrong clock must not end the process that wants to tell it.
  const date = new Date(time)
  return (Number.isNaN(date.getTime()) ? new Date(0) : date).toISOString()
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
