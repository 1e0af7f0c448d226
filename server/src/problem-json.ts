import { STATUS_CODES } from 'node:http'

/** The media type of {@link problemJson}. */
export const PROBLEM_TYPE = 'application/problem+json'

/** The body of an error response (RFC 9457, problem details). `detail` says what was wrong and what to do. */
export function problemJson(status: number, detail: string): string {
  return JSON.stringify({ title: STATUS_CODES[status] ?? '', status, detail })
}
