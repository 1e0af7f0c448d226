/** Named values of a log line. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

/**
 * What an operator should know. Fields may hold text from clients: it is escaped and cut.
 * No call throws, waits, or depends on whether the line can be written.
 */
export interface Log {
  error(text: string, fields?: LogFields): void
  info(text: string, fields?: LogFields): void
  /** For developers; costs nothing where it is not shown. */
  debug(text: string, fields?: LogFields): void
  /** Logs at most one info line a second for each kind: for what clients can cause at will. */
  limited(kind: string, text: string, fields?: LogFields): void
  /** Logs an info line with this text once in the life of the process. */
  once(text: string): void
}
