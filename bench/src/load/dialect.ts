/** How a contender wraps the v1 messages on the wire. */
export interface Dialect {
  /** Where a client of this name connects. */
  path(userId: string): string
  /** The WebSocket subprotocol that a client offers, if any. */
  subprotocol?: string
  /** The WebSocket extension that a client offers, if any. What is deflated is counted and not read. */
  extension?: string
  /** A v1 message as the text of a frame. */
  wrap(message: string): string
  /** Bytes before the JSON of a v1 message in the text of a frame. */
  prefix: number
  /** Data frames up to this long may be the transport's own and have to be read. */
  chatterUpTo: number
  /**
   * What the transport itself sends besides messages; `undefined` if a text with these first two bytes is a
   * message.
   */
  chatter(first: number, second: number): Chatter | undefined
}

/** The transport's own text, and what has to be answered. */
interface Chatter {
  reply?: string
}

/** Plain WebSocket: a frame is a message. */
const v1: Dialect = {
  path: userId => `/ws?userId=${userId}`,
  wrap: message => message,
  prefix: 0,
  chatterUpTo: 0,
  chatter: () => undefined,
}

const v2: Dialect = { ...v1, subprotocol: 'who-is-online.v2' }

const deflated: Dialect = { ...v1, extension: 'permessage-deflate' }

const EVENT = '42["message",'

/** Engine.io 4 over WebSocket with socket.io's default namespace: open → connect, ping → pong, events. */
const socketIo: Dialect = {
  path: userId => `/socket.io/?EIO=4&transport=websocket&userId=${userId}`,
  wrap: message => `${EVENT}${message}]`,
  prefix: EVENT.length,
  chatterUpTo: 1,
  chatter(first, second) {
    if (first === byte('0')) return { reply: '40' }
    if (first === byte('2')) return { reply: '3' }
    return second === byte('2') ? undefined : {}
  },
}

export const dialects = { v1, v2, 'v1 deflated': deflated, 'socket.io': socketIo }

export type DialectName = keyof typeof dialects

function byte(character: string): number {
  return character.charCodeAt(0)
}
