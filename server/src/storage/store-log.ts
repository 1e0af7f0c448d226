/** The log of the storage. Lines have a fixed text; details go into `fields`. */
export interface StoreLog {
  info(text: string, fields?: LogFields): void
  error(text: string, fields?: LogFields): void
}

/** Details of a log line, by name. */
export type LogFields = Readonly<Record<string, string | number | boolean>>
