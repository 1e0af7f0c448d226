import type { LogFields, StoreLog } from '../store-log.ts'

/** A log that keeps its lines for a test. */
export class ReadableLog implements StoreLog {
  readonly infos: string[] = []
  readonly errors: string[] = []

  info(text: string, fields?: LogFields): void {
    this.infos.push(withFields(text, fields))
  }

  error(text: string, fields?: LogFields): void {
    this.errors.push(withFields(text, fields))
  }
}

function withFields(text: string, fields: LogFields | undefined): string {
  return fields ? `${text} ${JSON.stringify(fields)}` : text
}
