import { type RawData, WebSocket } from 'ws'
import type { Connection } from './connection.ts'
import { onCloseFrame } from './outbox.ts'

/** The close code of a connection that ended without a close frame (RFC 6455, section 7.1.5). */
const ABNORMAL = 1006

/** A WebSocket with its connection. All connections share the listeners, which find the connection here. */
export class ServedSocket extends WebSocket {
  connection: Connection | undefined
}

/**
 * Makes a listener for the events of all sockets, so that all of them are guarded: a bug closes only the connection of
 * the socket. Without that, `ws` passes it on to the socket of Node, and the process ends.
 */
function listener<Values extends readonly unknown[]>(
  handle: (connection: Connection, ...values: Values) => void,
): (this: WebSocket, ...values: Values) => void {
  return function (...values) {
    const { connection } = this as ServedSocket
    if (!connection) return
    // The same as `serve`, without a closure per message.
    try {
      handle(connection, ...values)
    } catch (error) {
      connection.fail(error)
    }
  }
}

const onMessage = listener((connection, data: RawData, isBinary: boolean) => {
  if (isBinary) connection.receivedBinary()
  else connection.receive(data.toString())
})

const onPing = listener((connection, payload: Buffer) => connection.pinged(payload))

const onPong = listener(connection => connection.ponged())

const onClose = listener((connection, code: number) => connection.closed(code))

const onConclude = listener((connection, code: number, answer: () => void) => connection.closed(code, answer))

/**
 * A violation of RFC 6455, which `ws` has answered, or a broken socket. The connection counts as ended now, not when
 * the TCP connection has ended.
 */
const onViolation = listener(connection => connection.closed(ABNORMAL))

/** Passes all events of a socket to its connection. Events before it has one are ignored. */
export function listen(webSocket: WebSocket): void {
  webSocket.on('message', onMessage)
  webSocket.on('ping', onPing)
  webSocket.on('pong', onPong)
  webSocket.on('close', onClose)
  webSocket.on('error', onViolation)
  onCloseFrame(webSocket, onConclude)
}
