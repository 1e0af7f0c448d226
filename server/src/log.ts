/** Details of a log line, by name. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

/**
 * The port for log lines to the operator. Fields may contain text of clients: it is escaped and shortened. No
 * method throws, waits, or depends on whether the line can be written.
 */
export interface Log {
  /** Something failed or needs the attention of the operator. */
  error(text: string, fields?: LogFields): void
  /** Something that the operator may want to know. */
  info(text: string, fields?: LogFields): void
  /** For developers. Costs nothing if the level is not enabled. */
  debug(text: string, fields?: LogFields): void
  /** Logs at most one info line per second and kind. Use it for events that clients can cause at will. */
  limited(kind: string, text: string, fields?: LogFields): void
  /** Logs an info line with this text only once per process. */
  once(text: string): void
}
