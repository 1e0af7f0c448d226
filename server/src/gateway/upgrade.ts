import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

// Node hands every request with an `Upgrade` header to the listeners of 'upgrade', whatever the header offers. A client that offers
// only other protocols, such as h2c, must get the response to its plain HTTP request (RFC 9110, section 7.8).

/** Tells whether the request offers to speak WebSocket: the header is a list of protocols, compared without case. */
export function offersWebSocket({ headers }: IncomingMessage): boolean {
  return (headers.upgrade ?? '').split(',').some(protocol => protocol.trim().toLowerCase() === 'websocket')
}

/**
 * Gives requests back to an HTTP server that took them for an upgrade.
 *
 * It writes the request again without its `Upgrade` header in front of whatever follows on the socket, and lets the server
 * read it: so bodies, keep-alive, pipelined requests and errors are the server's own, on every version of Node.
 * (`shouldUpgradeCallback` of Node 24.9 loses pipelined requests.) The server emits 'connection' a second time for the socket.
 */
export class PlainRequests {
  readonly #server: Server
  /** The last response that was begun on each socket. */
  readonly #responses = new WeakMap<Socket, ServerResponse>()

  constructor(server: Server) {
    this.#server = server
    server.on('request', (request, response) => this.#responses.set(request.socket, response))
  }

  /** @param head what the client sent after the headers, as the 'upgrade' event has it. */
  giveBack(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const before = this.#responses.get(socket)
    // Not `writableFinished`: on Node 20 that is so before the server has let go of the response, and the next one is never sent.
    if (!before || before.closed) return this.#read(request, socket, head)
    // Pipelined behind a request that is still being answered: responses keep the order of the requests.
    const destroy = (): void => void socket.destroy()
    socket.on('error', destroy)
    before.once('close', () => {
      socket.off('error', destroy)
      this.#read(request, socket, head)
    })
  }

  #read(request: IncomingMessage, socket: Socket, head: Buffer): void {
    if (socket.destroyed) return
    // Node has set it after an earlier response, and would not clear it for this request.
    socket.setTimeout(0)
    socket.unshift(Buffer.concat([headOf(request), head]))
    this.#server.emit('connection', socket)
  }
}

/** The request line and the headers as they came, without `Upgrade`. Node reads and writes headers as Latin-1. */
function headOf({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string
    if (name.toLowerCase() !== 'upgrade') lines.push(`${name}: ${rawHeaders[at + 1]}`)
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}
