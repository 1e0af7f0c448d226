/**
 * Why the server ends a connection. The codes rhyme with HTTP, and the range tells a client what to do:
 * 44xx, do not come back as you are; 45xx, come back after a delay. {@link CLOSE_ADVICE} has it in words.
 */
export const CLOSE = {
  /** By a client; also what a close without a code counts as. */
  normal: 1000,
  unsupported: 1003,
  /** What v1 is told when the server stops; v2 is told `shuttingDown`. */
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

export type CloseCode = (typeof CLOSE)[keyof typeof CLOSE]

/** Whether a client that was closed with this code should come back as it is, though not at once. */
export function mayReconnect(code: number): boolean {
  return code >= 4500 || code === CLOSE.restart || code === CLOSE.tooFast
}

interface Advice {
  readonly meaning: string
  /** What a client does about it. */
  readonly advice: string
}

/** For people: what each code means, and what a client should do. */
export const CLOSE_ADVICE: Readonly<Record<keyof typeof CLOSE, Advice>> = {
  normal: { meaning: 'you closed, in good order', advice: 'nothing: you are offline at once' },
  unsupported: { meaning: 'a binary frame; only text is spoken here', advice: 'mend the client' },
  restart: { meaning: 'the server stops or restarts, as v1 is told', advice: 'come back after a while' },
  badIdentity: {
    meaning: 'no usable `userId`, `username` or `sessionId`; an `error` with the reason came before',
    advice: 'mend the URL',
  },
  badToken: {
    meaning: 'the token is missing, wrong or has expired',
    advice: 'get a new token, then come back',
  },
  notAllowed: { meaning: 'this user may not be here', advice: 'stay away' },
  replaced: {
    meaning: 'the same session has connected again; this was its old connection',
    advice: 'stay away; a duplicated tab takes a `sessionId` of its own and comes back once',
  },
  tooFast: {
    meaning: 'too many messages for more than ten seconds',
    advice: 'come back after the `retryAfterMs` of the `disconnect`, and slower',
  },
  internal: { meaning: 'a bug of the server; its log has it', advice: 'come back after a while' },
  shuttingDown: {
    meaning: 'the server stops or restarts',
    advice: 'come back after the `retryAfterMs` of the `disconnect`',
  },
  silentOrSlow: {
    meaning: 'no answer to a ping, or too slow to read what is sent',
    advice: 'come back after a while, with `since`',
  },
}
