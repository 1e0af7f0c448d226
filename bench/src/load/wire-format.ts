/** How a contender transports v1 messages. */
export interface WireFormat {
  /** The request path of a client with this user id. */
  path(userId: string): string
  /** The subprotocol that a client offers; absent for none. */
  subprotocol?: string
  /** The extension that a client offers; absent for none. Compressed frames are counted but not read. */
  extension?: string
  /** Encodes a v1 message as the text of a frame. */
  wrap(message: string): string
  /** The number of bytes before the JSON of a v1 message in a frame. */
  prefix: number
  /** Data frames up to this length may be control messages of the transport and must be read. */
  controlUpTo: number
  /** The control message that starts with these two bytes; `undefined` if the text is a v1 message. */
  control(first: number, second: number): TransportControl | undefined
}

/** A control message of the transport, and the answer that it needs. */
interface TransportControl {
  reply?: string
}

/** Plain WebSocket: a frame is a message. */
const v1: WireFormat = {
  path: userId => `/ws?userId=${userId}`,
  wrap: message => message,
  prefix: 0,
  controlUpTo: 0,
  control: () => undefined,
}

/**
 * A client with a token has no user id in its URL, so a server that does not check tokens refuses it. It offers the
 * version, because a server must select one of the offers.
 */
const withToken: WireFormat = { ...v1, path: () => '/ws', subprotocol: 'who-is-online.v1' }

const v2: WireFormat = { ...v1, subprotocol: 'who-is-online.v2' }

const deflate = { extension: 'permessage-deflate' }

const EVENT = '42["message",'

/** Engine.io 4 over WebSocket with socket.io's default namespace: open → connect, ping → pong, events. */
const socketIo: WireFormat = {
  path: userId => `/socket.io/?EIO=4&transport=websocket&userId=${userId}`,
  wrap: message => `${EVENT}${message}]`,
  prefix: EVENT.length,
  controlUpTo: 1,
  control(first, second) {
    if (first === byte('0')) return { reply: '40' }
    if (first === byte('2')) return { reply: '3' }
    return second === byte('2') ? undefined : {}
  },
}

export const wireFormats = {
  v1,
  'v1 with token': withToken,
  v2,
  'v1 deflated': { ...v1, ...deflate },
  'v2 deflated': { ...v2, ...deflate },
  'socket.io': socketIo,
}

export type WireFormatName = keyof typeof wireFormats

function byte(character: string): number {
  return character.charCodeAt(0)
}
