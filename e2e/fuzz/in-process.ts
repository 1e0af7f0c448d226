import { IncomingMessage, type Server } from 'node:http'
import { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { SAMPLE_KEY } from '@who-is-online/testing/raw-client'

/** The server's side of a connection without TCP: bytes go in with `arrive`, and what the server writes is kept. */
export class MemorySocket extends Duplex {
  readonly #written: Buffer[] = []
  readonly remoteAddress = '127.0.0.1'

  constructor() {
    super({ allowHalfOpen: true })
    // The server ends connections; that must not become an uncaught error here.
    this.on('error', () => {})
  }

  /** The bytes arrive from the client, or its end with `null`. */
  arrive(bytes: Buffer | null): void {
    if (!this.destroyed && !this.readableEnded) this.push(bytes)
  }

  /** What the server has written since the last call. */
  sent(): Buffer {
    return Buffer.concat(this.#written.splice(0))
  }

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.#written.push(bytes)
    done()
  }

  // The methods of a TCP socket that the server calls.
  setNoDelay(): this {
    return this
  }
  setTimeout(): this {
    return this
  }
  setKeepAlive(): this {
    return this
  }
  destroySoon(): void {
    if (this.writableFinished) this.destroy()
    else this.end(() => this.destroy())
  }
}

/** Upgrades a connection without TCP. `head` are bytes that came together with the handshake. */
export function upgrade(
  http: Server,
  { target, version, head }: { target: string; version: 'v1' | 'v2'; head: Buffer },
): MemorySocket {
  const socket = new MemorySocket()
  const request = new IncomingMessage(new Socket())
  const headers: Record<string, string> = {
    host: '127.0.0.1',
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-key': SAMPLE_KEY,
    'sec-websocket-version': '13',
    ...(version === 'v2' && { 'sec-websocket-protocol': 'who-is-online.v2' }),
  }
  Object.assign(request, { method: 'GET', url: target, httpVersion: '1.1', socket })
  Object.assign(request.headers, headers)
  request.rawHeaders.push(...Object.entries(headers).flat())
  http.emit('upgrade', request, socket, head)
  return socket
}
