import type { ErrorMessage, ServerErrorCode } from './protocol.ts'

/**
 * What went wrong. The server's codes are described in docs/protocol-v2.md. The client itself uses two of
 * them: `too_many` (more subscriptions than a connection may have) and `bad_token` (`getToken` failed). It
 * adds:
 *
 * - `timeout`: no reply in time. The server may have carried out the request. A status that was set without a
 *   connection is sent with the next one.
 * - `closed`: the client was closed. Make a new one.
 * - `refused`: the server refuses this client. `closeCode` says why: 4400 invalid URL parameters, 4401 bad
 *   token, 4403 not allowed, 4409 the session was taken over. Fix the cause, then call `connect()`.
 * - `unreachable`: the first three attempts to connect have failed. The client goes on trying.
 * - `bad_user_id`: not a user id, which is a string of 1 to 128 UTF-8 bytes without control characters, or a safe
 *   integer.
 * - `bad_options`: `createClient` got no `url`.
 * - `no_websocket`: the platform has no `WebSocket`. Pass one as the option `WebSocket`.
 */
export type PresenceErrorCode =
  | ServerErrorCode
  | 'timeout'
  | 'closed'
  | 'refused'
  | 'unreachable'
  | 'bad_user_id'
  | 'bad_options'
  | 'no_websocket'

/**
 * The error that this client throws, rejects with and passes to `onError`. Programs tell errors apart by
 * `code`; `message` is a sentence for people.
 */
export class PresenceError extends Error {
  override readonly name = 'PresenceError'
  declare readonly code: PresenceErrorCode
  /** How many milliseconds to wait before trying again, if the server said so. */
  declare readonly retryAfterMs: number | undefined
  /** The WebSocket close code, if `code` is `refused`. */
  declare readonly closeCode: number | undefined

  constructor(code: PresenceErrorCode, message: string = code, retryAfterMs?: number, closeCode?: number) {
    super(message)
    this.code = code
    this.retryAfterMs = retryAfterMs
    this.closeCode = closeCode
  }
}

/** An error for a value of the application that is not what it must be. */
export function invalid(
  name: string,
  expected: string,
  code: PresenceErrorCode = 'bad_message',
): PresenceError {
  return new PresenceError(code, `"${name}" must be ${expected}`)
}

/** The server's `error` message as an error. */
export function errorFrom({ code, message, retryAfterMs }: ErrorMessage): PresenceError {
  return new PresenceError(code, message, retryAfterMs)
}
