import type { ErrorMessage, ServerErrorCode } from './protocol.ts'

/**
 * What went wrong. Beside the codes of the server (see docs/protocol-v2.md), of which `too_many` (users are followed) and
 * `bad_token` (`getToken` gave none) are said here too:
 *
 * - `timeout`: no answer in time. The request may have been done.
 * - `closed`: the client was closed.
 * - `refused`: the server does not want this client back as it is; `closeCode` says why (4400 bad identity, 4401 bad
 *   token, 4403 not allowed, 4409 replaced). Mend it and call `connect()`.
 * - `bad_user_id`: not a user id (1–128 bytes of UTF-8 without control characters).
 * - `bad_options`: a client can't be made of these options.
 * - `no_websocket`: there is no `WebSocket` here and none was given.
 */
export type PresenceErrorCode =
  | ServerErrorCode
  | 'timeout'
  | 'closed'
  | 'refused'
  | 'bad_user_id'
  | 'bad_options'
  | 'no_websocket'

/** Every error that this client throws, rejects with or reports. Tell them apart by `code`. */
export class PresenceError extends Error {
  override readonly name = 'PresenceError'
  declare readonly code: PresenceErrorCode
  /** Ask again after this many milliseconds, where the server said so. */
  declare readonly retryAfterMs: number | undefined
  /** With `refused`: the code that the connection was closed with. */
  declare readonly closeCode: number | undefined

  constructor(code: PresenceErrorCode, message: string = code, retryAfterMs?: number, closeCode?: number) {
    super(message)
    this.code = code
    this.retryAfterMs = retryAfterMs
    this.closeCode = closeCode
  }
}

/** What the server said no with, as an error. */
export function refusal({ code, message, retryAfterMs }: ErrorMessage): PresenceError {
  return new PresenceError(code, message, retryAfterMs)
}
