import { connect, type Socket } from 'node:net'
import type { FrameCount } from './frame-count.ts'
import { clientFrame, FrameReader, type FrameSink, opcode } from './frames.ts'
import type { WireFormat } from './wire-format.ts'

/** The offset of the first letter of the type in every message. */
const KIND_AT = 9

const kind = { welcome: 0x77 /* w */, statusUpdated: 0x73 /* s */, error: 0x65 /* e */ }

/** The read buffer of all sockets: a read is processed completely before the next one. */
const READ_BUFFER = Buffer.allocUnsafe(256 * 1024)

const END_OF_HEAD = '\r\n\r\n'

/** The server of a client, and the counter of its frames. */
export interface Link {
  port: number
  wireFormat: WireFormat
  received: FrameCount
  /** The tokens of users; empty if the server believes the user id in the URL. */
  tokens: ReadonlyMap<string, string>
}

/**
 * A WebSocket client on a plain socket. After the handshake it parses frame headers and answers pings. It
 * reads payloads only until its `welcome`, and after `readPayloads`.
 */
export class Client implements FrameSink {
  readonly userId: string
  /** The port of its server. */
  readonly port: number
  /** The number of messages since `welcome`, without replies to `set_status`. */
  frames = 0
  /** Resolves on `welcome`. Rejects if the server refuses or the socket closes before it. */
  readonly joined: Promise<void>
  readUpTo = Number.POSITIVE_INFINITY
  /** Called with the JSON of a counted message: `chunk` from `start` to `end`. */
  onChange: ((chunk: Buffer, start: number, end: number) => void) | undefined
  /** Called for each `status_updated`. */
  onReply: (() => void) | undefined
  /** Called after a read that contained messages. */
  onRead: (() => void) | undefined

  readonly #link: Link
  readonly #socket: Socket
  readonly #reader = new FrameReader(this)
  #head = ''
  #upgraded = false
  #lost = false
  #settle: { resolve: () => void; reject: (error: Error) => void } | undefined

  constructor(userId: string, link: Link) {
    this.userId = userId
    this.port = link.port
    this.#link = link
    this.joined = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    this.#socket = connect({
      port: link.port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: READ_BUFFER,
        callback: length => {
          this.#read(length)
          return true
        },
      },
    })
    this.#socket.on('connect', () => this.#socket.write(this.#upgradeRequest()))
    this.#socket.on('error', error => this.#lose(error.message))
    this.#socket.on('close', () => this.#lose('the server closed the socket'))
  }

  /** Sends prepared client frames. */
  write(frames: Buffer): void {
    this.#socket.write(frames)
  }

  /** Encodes a v1 message as a client frame in the wire format of this client. */
  prepare(message: string): Buffer {
    return text(this.#link.wireFormat.wrap(message))
  }

  frame(code: number, chunk: Buffer, start: number, end: number): void {
    if (code === opcode.ping) this.write(clientFrame(opcode.pong, chunk.subarray(start, end)))
    else if (code === opcode.close)
      this.#lose(`close ${end - start < 2 ? 1005 : chunk.readUInt16BE(start)} by the server`)
    else if (code === opcode.text) this.#text(chunk, start, end)
  }

  #text(chunk: Buffer, start: number, end: number): void {
    const { wireFormat } = this.#link
    const control = wireFormat.control(chunk[start] ?? 0, chunk[start + 1] ?? 0)
    if (control) {
      if (control.reply) this.write(text(control.reply))
      return
    }
    const json = start + wireFormat.prefix
    const type = chunk[json + KIND_AT]
    if (this.#settle) this.#welcome(type, chunk.toString('latin1', json, end))
    else if (type === kind.statusUpdated) this.onReply?.()
    else if (type === kind.error) this.#link.received.addProblem(chunk.toString('latin1', json, end))
    else {
      this.frames++
      this.onChange?.(chunk, json, end)
    }
  }

  #welcome(type: number | undefined, message: string): void {
    if (type !== kind.welcome) return this.#lose(`instead of welcome: ${message}`)
    this.readUpTo = this.#link.wireFormat.controlUpTo
    this.#settle?.resolve()
    this.#settle = undefined
  }

  /** Starts reading payloads, so that `onChange` and `onReply` are called. */
  readPayloads(): void {
    this.readUpTo = Number.POSITIVE_INFINITY
  }

  #read(length: number): void {
    const before = this.frames
    if (this.#upgraded) this.#count(READ_BUFFER, length)
    else this.#handshake(READ_BUFFER.subarray(0, length))
    this.#link.received.bytes += length
    if (this.frames === before) return
    this.#link.received.add(this.frames - before)
    this.onRead?.()
  }

  #handshake(chunk: Buffer): void {
    const head = this.#head + chunk.toString('latin1')
    const end = head.indexOf(END_OF_HEAD)
    if (end === -1) {
      this.#head = head
      return
    }
    if (!head.startsWith('HTTP/1.1 101'))
      return this.#lose(`refused with ${head.slice(0, head.indexOf('\r\n'))}`)
    if (this.#link.wireFormat.extension && !/^sec-websocket-extensions:/im.test(head))
      return this.#lose('the server does not compress')
    const rest = chunk.subarray(end + END_OF_HEAD.length - this.#head.length)
    this.#upgraded = true
    this.#count(rest, rest.length)
  }

  #count(chunk: Buffer, length: number): void {
    const unread = this.#reader.read(chunk, length) // messages that are read are counted in `frame`
    this.frames += unread
    this.#link.received.deflated += this.#reader.takeDeflated()
  }

  #upgradeRequest(): string {
    const { path, subprotocol, extension } = this.#link.wireFormat
    const token = this.#link.tokens.get(this.userId)
    // As the client library sends it: a browser can't set other headers of a WebSocket.
    const offers = [...(token ? [`bearer.${token}`] : []), ...(subprotocol ? [subprotocol] : [])]
    return [
      `GET ${path(this.userId)} HTTP/1.1`,
      'Host: 127.0.0.1',
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version: 13',
      ...(offers.length > 0 ? [`Sec-WebSocket-Protocol: ${offers.join(', ')}`] : []),
      ...(extension ? [`Sec-WebSocket-Extensions: ${extension}`] : []),
      '',
      '',
    ].join('\r\n')
  }

  /**
   * Before `welcome`, a loss rejects `joined`; later it makes the count invalid. Only the first reason is
   * reported.
   */
  #lose(reason: string): void {
    if (this.#lost) return
    this.#lost = true
    this.#socket.destroy()
    if (this.#settle) this.#settle.reject(new Error(reason))
    else this.#link.received.addProblem(reason)
    this.#settle = undefined
  }
}

function text(content: string): Buffer {
  return clientFrame(opcode.text, Buffer.from(content))
}
