import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

// Node emits 'upgrade' for every request with an `Upgrade` header, whatever protocols the header offers. A client that
// offers only other protocols, such as h2c, must get the response to its plain HTTP request (RFC 9110, section 7.8).

/** Whether a request offers WebSocket. The header is a case-insensitive list of protocols. */
export function offersWebSocket({ headers }: IncomingMessage): boolean {
  return (headers.upgrade ?? '').split(',').some(protocol => protocol.trim().toLowerCase() === 'websocket')
}

/**
 * Returns requests to an HTTP server that emitted 'upgrade' for them.
 *
 * It puts the request, without its `Upgrade` header, back in front of the unread bytes of the socket, and lets the
 * server read it again. So the server handles bodies, keep-alive, pipelined requests and errors as usual, on every
 * version of Node. The server emits 'connection' a second time for the socket. `shouldUpgradeCallback` of Node 24.9
 * is no alternative: it loses pipelined requests.
 */
export class PlainRequests {
  readonly #server: Server
  /** The newest response on each socket. */
  readonly #responses = new WeakMap<Socket, ServerResponse>()

  constructor(server: Server) {
    this.#server = server
    server.on('request', (request, response) => this.#responses.set(request.socket, response))
  }

  /** Returns a request to the server. `request`, `socket` and `head` are the arguments of the event 'upgrade'. */
  giveBack(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const before = this.#responses.get(socket)
    // Not `writableFinished`: on Node 20, it is true before the server has released the response, and then the next
    // response is never sent.
    if (!before || before.closed) return this.#read(request, socket, head)
    // The request was pipelined behind one that is not answered yet. Responses must have the order of the requests.
    const destroy = (): void => void socket.destroy()
    socket.on('error', destroy)
    before.once('close', () => {
      socket.off('error', destroy)
      this.#read(request, socket, head)
    })
  }

  #read(request: IncomingMessage, socket: Socket, head: Buffer): void {
    if (socket.destroyed) return
    // Node has set a timeout after an earlier response, and does not clear it for this request.
    socket.setTimeout(0)
    socket.unshift(Buffer.concat([headOf(request), head]))
    this.#server.emit('connection', socket)
  }
}

/** The request line and the headers as received, without `Upgrade`. Node reads headers as Latin-1. */
function headOf({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string
    if (name.toLowerCase() !== 'upgrade') lines.push(`${name}: ${rawHeaders[at + 1]}`)
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}
