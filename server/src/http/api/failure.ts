import { API_ERRORS, type ApiErrorCode } from '@who-is-online/protocol/api-errors'
import type { Response } from 'express'
import { problem } from '../problem.ts'

/** Why a request of the API is refused. */
export class ApiFailure extends Error {
  override readonly name = 'ApiFailure'
  readonly code: ApiErrorCode
  readonly field: string | undefined
  /** In how many seconds the client may try again. */
  readonly retryAfterS: number | undefined

  /** @param detail says what was wrong and what to do */
  constructor(code: ApiErrorCode, detail: string, more: { field?: string; retryAfterS?: number } = {}) {
    super(detail)
    this.code = code
    this.field = more.field
    this.retryAfterS = more.retryAfterS
  }

  /** Sends the error as problem details. */
  send(response: Response): void {
    const { code, field, message, retryAfterS } = this
    if (retryAfterS !== undefined) response.set('Retry-After', String(retryAfterS))
    if (code === 'bad_key') response.set('WWW-Authenticate', 'Bearer realm="who-is-online"')
    problem(response, API_ERRORS[code].status, message, { code, field })
  }
}

/** The answer to a command that the server does not take any more. */
export function stopping(): ApiFailure {
  return new ApiFailure('unavailable', 'the server is stopping', { retryAfterS: 1 })
}
