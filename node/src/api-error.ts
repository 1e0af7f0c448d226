import type { ServerErrorCode } from './api.ts'

/**
 * What went wrong: a code of the server (docs/http-api.md), or one of this package:
 *
 * - `bad_options`: `createApiClient` got a wrong option, or a call a value that can't be sent; `field` names it.
 * - `unreachable`: there is no connection to the server, or it broke. The server may have carried out the call.
 * - `timeout`: no answer in time. The server may have carried out the call.
 * - `bad_answer`: the answer is not one of this API. Look at `url`, and at proxies in between.
 * - `http_error`: an error without a code, such as one of a proxy; see `status`.
 */
export type ApiErrorCode =
  | ServerErrorCode
  | 'bad_options'
  | 'unreachable'
  | 'timeout'
  | 'bad_answer'
  | 'http_error'

/** More about an {@link ApiError}. */
export interface ApiErrorDetails {
  readonly status?: number
  readonly field?: string | undefined
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

/**
 * The error that this package throws and rejects with. Programs tell errors apart by `code`; `detail` is a sentence
 * for people, and the same as `message`.
 */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: ApiErrorCode
  /** The HTTP status of the answer; 0 if there was none. */
  readonly status: number
  /** The parameter or field that is wrong, such as `userIds[3]`. */
  readonly field: string | undefined
  /** How many milliseconds to wait before trying again, if the server said so. */
  readonly retryAfterMs: number | undefined

  constructor(code: ApiErrorCode, detail: string, details: ApiErrorDetails = {}) {
    const { status = 0, field, retryAfterMs, cause } = details
    super(detail, cause === undefined ? {} : { cause })
    this.code = code
    this.status = status
    this.field = field
    this.retryAfterMs = retryAfterMs
  }

  /** What was wrong, and what to do. */
  get detail(): string {
    return this.message
  }
}

/** The statuses after which the same request can succeed later. A proxy sends 502 and 504, and some send 408. */
const TEMPORARY = [408, 429, 500, 502, 503, 504]

/** Whether the same request can succeed later. */
export function isTemporary(error: unknown): error is ApiError {
  if (!(error instanceof ApiError)) return false
  return error.code === 'unreachable' || error.code === 'timeout' || TEMPORARY.includes(error.status)
}

/** An error for a value of the application that is not what it must be. */
export function invalid(field: string, expected: string): ApiError {
  return new ApiError('bad_options', `"${field}" must be ${expected}`, { field })
}
