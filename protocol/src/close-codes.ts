/**
 * The close codes of the server. They correspond to HTTP status codes, and the range tells a client what to
 * do: after 44xx it must not reconnect unchanged, after 45xx it reconnects after a delay. {@link
 * CLOSE_ADVICE} describes each.
 */
export const CLOSE = {
  /** The client closed. A close frame without a code counts as this. */
  normal: 1000,
  unsupported: 1003,
  /** The server stops, for v1 clients. v2 clients get `shuttingDown`. */
  restart: 1012,
  badIdentity: 4400,
  badToken: 4401,
  notAllowed: 4403,
  replaced: 4409,
  tooFast: 4429,
  internal: 4500,
  shuttingDown: 4503,
  silentOrSlow: 4508,
} as const

/** One of the close codes in {@link CLOSE}. */
export type CloseCode = (typeof CLOSE)[keyof typeof CLOSE]

/** Whether a client that was closed with this code should reconnect unchanged, after a delay. */
export function mayReconnect(code: number): boolean {
  return code >= 4500 || code === CLOSE.restart || code === CLOSE.tooFast
}

interface Advice {
  readonly meaning: string
  /** What the client should do. */
  readonly advice: string
}

/** What each close code means, and what a client should do. Shown in the docs. */
export const CLOSE_ADVICE: Readonly<Record<keyof typeof CLOSE, Advice>> = {
  normal: { meaning: 'the client closed the connection', advice: 'nothing; the user is offline at once' },
  unsupported: {
    meaning: 'the client sent a binary frame; only text frames are supported',
    advice: 'fix the client',
  },
  restart: { meaning: 'the server stops or restarts (v1)', advice: 'reconnect after a delay' },
  badIdentity: {
    meaning:
      'invalid `userId`, `username`, `sessionId` or status in the URL; an `error` with the reason came before',
    advice: 'fix the URL',
  },
  badToken: {
    meaning: 'the token is missing, invalid or expired',
    advice: 'get a new token, then reconnect',
  },
  notAllowed: {
    meaning: 'the application has ended the session, or this user may not connect',
    advice: 'do not reconnect until the user signs in again',
  },
  replaced: {
    meaning: 'the same session connected again and replaced this connection',
    advice: 'do not reconnect; a duplicated tab creates a new `sessionId` and reconnects once',
  },
  tooFast: {
    meaning: 'the client exceeded the message rate for more than ten seconds',
    advice: 'reconnect after `retryAfterMs` of the `disconnect`, and send fewer messages',
  },
  internal: { meaning: 'a bug in the server; see its log', advice: 'reconnect after a delay' },
  shuttingDown: {
    meaning: 'the server stops or restarts (v2)',
    advice: 'reconnect after `retryAfterMs` of the `disconnect`',
  },
  silentOrSlow: {
    meaning: 'the client did not answer a ping, or read too slowly',
    advice: 'reconnect after a delay, and subscribe with `since`',
  },
}
