import { STATUS_CODES } from 'node:http'
import type { ApiErrorCode } from '@who-is-online/protocol/api-errors'

/** The media type of {@link problemJson}. */
export const PROBLEM_TYPE = 'application/problem+json'

/** What an error of the HTTP API has in addition: its code, and the field that is wrong. */
export interface ProblemExtras {
  readonly code?: ApiErrorCode | undefined
  readonly field?: string | undefined
}

/** The body of an error response (RFC 9457, problem details). `detail` says what was wrong and what to do. */
export function problemJson(status: number, detail: string, { code, field }: ProblemExtras = {}): string {
  return JSON.stringify({ title: STATUS_CODES[status] ?? '', status, detail, code, field })
}
