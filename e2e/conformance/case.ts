import type { RequestShape } from '@who-is-online/testing/raw-client'

// A case is what one client sends, valid or not, and what the server must answer. Each case has its own TCP
// connection to the same server. After its bytes, a case sends a final request (see `last`). `expect` lists
// everything that comes back, in order, one line each:
//
//   101 · 101 who-is-online.v1      the upgrade, with the negotiated subprotocol and extensions
//   HTTP 426 upgrade=websocket      another status, with the headers named in `shows`
//   welcome ID · online_count · …   a message, with the fields that identify it
//   error CODE FIELD                an error, with the field that its text names first
//   pong PAYLOAD · close CODE TEXT  control frames
//   open                            the final request was answered, so the connection still works
//   kept                            the TCP connection stays open for another HTTP request
//   end · reset                     the server closed TCP normally, or reset it
//   nothing                         nothing came before the timeout
//
// Messages about other users are left out. A frame that a server must not send is shown as MALFORMED.

/** One conformance case; the comment above explains the lines of `expect`. */
export interface Case {
  readonly title: string
  /** The handshake. Default: a well-formed handshake of the user `raw`. */
  readonly request?: RequestShape
  /** Bytes to send instead of a handshake. */
  readonly raw?: readonly Uint8Array[]
  /** Bytes to send after the handshake, each piece in its own TCP segment. */
  readonly send?: readonly Uint8Array[]
  readonly expect: readonly string[]
  /** Names of the response headers that `expect` shows for a refused handshake. */
  readonly shows?: readonly string[]
  /**
   * What the client does last. `ask` (default): send the final request. `finish`: end its side of TCP.
   * `nothing`: stay silent, and do not answer a close frame either.
   */
  readonly last?: 'ask' | 'finish' | 'nothing'
}

/** Cases on one topic. */
export interface Group {
  readonly name: string
  /**
   * Whether each case starts after a successful handshake; `101` and `welcome raw` are then implied in
   * `expect`.
   */
  readonly opened: boolean
  readonly cases: readonly Case[]
}
