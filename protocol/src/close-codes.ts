/**
 * Why the server ends a connection. The codes rhyme with HTTP, and the range tells a client what to do:
 * 44xx, do not come back as you are; 45xx, come back after a delay.
 */
export const CLOSE = {
  /** The client closed in an orderly way; also what a close without a code counts as. */
  normal: 1000,
  /** The server is stopping or restarting; come back. What v1 is told. */
  restart: 1012,
  /** Binary frames are not spoken here. */
  unsupported: 1003,
  /** The connection came without a usable user id. */
  badIdentity: 4400,
  /** The token is missing, wrong or has expired: come back with a new one. */
  badToken: 4401,
  /** This user may not be here. */
  notAllowed: 4403,
  /** The same session has connected again; this connection was its old one. */
  replaced: 4409,
  /** Too many messages for too long. */
  tooFast: 4429,
  /** A bug of ours; the log has it. */
  internal: 4500,
  /** The server is stopping or restarting; come back. What v2 is told. */
  shuttingDown: 4503,
  /** The client does not answer pings, or does not read what it is sent. */
  silentOrSlow: 4508,
} as const

export type CloseCode = (typeof CLOSE)[keyof typeof CLOSE]

/** Whether a client that was closed with this code should come back as it is. */
export function mayReconnect(code: number): boolean {
  return code >= 4500 || code === CLOSE.restart || code === CLOSE.tooFast
}
