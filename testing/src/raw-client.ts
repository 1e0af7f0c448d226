import { createHash } from 'node:crypto'
import { connect, type Socket } from 'node:net'

// A WebSocket client without a WebSocket library. It sends exactly the bytes that a test wants, valid or not,
// and reports exactly the bytes that come back. It never corrects, retries or answers anything by itself.

/** The opcodes of RFC 6455, section 5.2. 3–7 and 11–15 are reserved. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** A frame to send; it may violate RFC 6455. */
export interface FrameShape {
  readonly opcode: number
  /** A string is sent as UTF-8. */
  readonly payload?: Uint8Array | string
  /** Whether it is the last frame of its message. Default: true. */
  readonly fin?: boolean
  /** The three reserved bits as a number: 4 is RSV1, 2 is RSV2, 1 is RSV3. */
  readonly rsv?: number
  /** Four bytes, or `none`. Clients must mask. Default: a fixed mask. */
  readonly mask?: Uint8Array | 'none'
  /** The form of the length field. Default: the shortest that fits. */
  readonly lengthBits?: 7 | 16 | 64
  /** The value of the length field. Default: the length of the payload. */
  readonly length?: bigint
}

/** The mask of the examples in RFC 6455. */
const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d])

/** Encodes a frame. */
export function frame(shape: FrameShape): Buffer {
  const { opcode, payload = '', fin = true, rsv = 0, mask = MASK } = shape
  const data = Buffer.from(payload as string)
  const length = shape.length ?? BigInt(data.length)
  const bits = shape.lengthBits ?? (length < 126n ? 7 : length < 65_536n ? 16 : 64)
  const masked = mask === 'none' ? 0 : 0x80
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode
  if (bits === 7) return Buffer.concat([Buffer.from([first, masked | Number(length)]), body(data, mask)])
  const header = Buffer.alloc(bits === 16 ? 4 : 10)
  header[0] = first
  header[1] = masked | (bits === 16 ? 126 : 127)
  if (bits === 16) header.writeUInt16BE(Number(length), 2)
  else header.writeBigUInt64BE(length, 2)
  return Buffer.concat([header, body(data, mask)])
}

function body(data: Buffer, mask: Uint8Array | 'none'): Buffer {
  if (mask === 'none') return data
  const masked = Buffer.concat([mask, data])
  for (let at = 4; at < masked.length; at++) masked[at] = (masked[at] as number) ^ (masked[at % 4] as number)
  return masked
}

/** Encodes a text message in one frame. */
export function textFrame(payload: Uint8Array | string): Buffer {
  return frame({ opcode: OPCODE.text, payload })
}

/** Encodes a close frame. The code may be invalid, and the reason may be any bytes. */
export function closeFrame(code?: number, reason: Uint8Array | string = ''): Buffer {
  if (code === undefined) return frame({ opcode: OPCODE.close })
  const payload = Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason as string)])
  return frame({ opcode: OPCODE.close, payload })
}

/** A received frame. */
export interface ReceivedFrame {
  readonly opcode: number
  readonly fin: boolean
  readonly rsv: number
  readonly masked: boolean
  /** Whether the length has its shortest form, as RFC 6455 requires. */
  readonly minimal: boolean
  readonly payload: Buffer
}

/** Splits a stream of bytes into frames, without validating them. */
export class FrameParser {
  #bytes = Buffer.alloc(0)

  /** Adds bytes, and returns the frames that are now complete. */
  push(bytes: Uint8Array): ReceivedFrame[] {
    this.#bytes = this.#bytes.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#bytes, bytes])
    const frames: ReceivedFrame[] = []
    for (let next = this.#take(); next; next = this.#take()) frames.push(next)
    return frames
  }

  #take(): ReceivedFrame | undefined {
    const bytes = this.#bytes
    if (bytes.length < 2) return undefined
    const [first = 0, second = 0] = bytes
    const short = second & 0x7f
    const masked = second >= 0x80
    const lengthEnd = short < 126 ? 2 : short === 126 ? 4 : 10
    const begin = lengthEnd + (masked ? 4 : 0)
    if (bytes.length < begin) return undefined
    const length =
      short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
    if (bytes.length < begin + length) return undefined
    this.#bytes = bytes.subarray(begin + length)
    return {
      opcode: first & 0x0f,
      fin: first >= 0x80,
      rsv: (first >> 4) & 7,
      masked,
      minimal: short < 126 || length >= (short === 126 ? 126 : 65_536),
      payload: bytes.subarray(begin, begin + length),
    }
  }
}

/** The key of the example in RFC 6455, section 1.3. */
export const SAMPLE_KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

/** The `Sec-WebSocket-Accept` for a key (RFC 6455, section 4.2.2). */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

/** An HTTP request; each part may be invalid. */
export interface RequestShape {
  readonly method?: string
  readonly target?: string
  readonly version?: string
  /**
   * Headers that replace those of a valid handshake, or are added. `undefined` removes one; a list repeats
   * it.
   */
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>
}

/** Encodes a valid handshake with the changes of `shape`. Text is Latin-1: one byte per character. */
export function handshake(shape: RequestShape = {}): Buffer {
  const { method = 'GET', target = '/ws?userId=raw', version = 'HTTP/1.1' } = shape
  const headers = {
    Host: '127.0.0.1',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': SAMPLE_KEY,
    'Sec-WebSocket-Version': '13',
    ...shape.headers,
  }
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map(one => `${name}: ${one}\r\n`),
  )
  return Buffer.from(`${method} ${target} ${version}\r\n${lines.join('')}\r\n`, 'latin1')
}

/** An HTTP response. */
export interface RawResponse {
  readonly status: number
  /** Headers by name in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** How the server ended the TCP connection: closed or reset. */
export type End = 'end' | 'reset'

/** How long a client waits for data, in ms. */
const PATIENCE_MS = 8_000

/** A TCP connection. It reads HTTP responses, and frames after a response with status 101. */
export class RawClient {
  readonly #socket: Socket
  readonly #parser = new FrameParser()
  readonly #frames: ReceivedFrame[] = []
  #unread = Buffer.alloc(0)
  #upgraded = false
  #end: End | undefined
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay()
    socket.on('data', bytes => {
      if (this.#upgraded) this.#frames.push(...this.#parser.push(bytes))
      else this.#unread = Buffer.concat([this.#unread, bytes])
      this.#wake()
    })
    const ended = (end: End) => {
      this.#end ??= end
      this.#wake()
    }
    socket.on('end', () => ended('end'))
    socket.on('error', () => ended('reset'))
    socket.on('close', () => ended('end'))
  }

  /**
   * Connects to a port of this machine, and sends nothing. With `halfOpen`, the client keeps its side of TCP
   * open when the server ends its side, as a client that has vanished does.
   */
  static connect(port: number, { halfOpen = false } = {}): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: halfOpen })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new RawClient(socket))
      })
    })
  }

  /** Sends bytes. */
  write(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  /** Sends each piece in its own TCP segment, so that the server reads them separately. */
  async writeApart(pieces: Iterable<Uint8Array>): Promise<void> {
    for (const piece of pieces) {
      this.write(piece)
      await new Promise(resolve => setTimeout(resolve, 1))
    }
  }

  /**
   * Takes the next HTTP response. Returns how the connection ended if none comes, and `undefined` after a
   * timeout. Set `toHead` for the response to a HEAD request, which has no body in spite of its
   * Content-Length.
   */
  async response({ toHead = false } = {}): Promise<RawResponse | End | undefined> {
    const head = await this.#until(() => {
      const end = this.#unread.indexOf('\r\n\r\n')
      return end < 0 ? undefined : end
    })
    if (typeof head !== 'number') return head
    const [statusLine = '', ...lines] = this.#unread.toString('latin1', 0, head).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3})( |$)/.exec(statusLine)?.[1])
    const headers = new Map(
      lines.map(line => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 1).trim(),
      ]),
    )
    this.#unread = this.#unread.subarray(head + 4)
    if (status === 101) {
      this.#upgraded = true
      this.#frames.push(...this.#parser.push(this.#unread))
      return { status, headers, body: '' }
    }
    const length = toHead ? 0 : Number(headers.get('content-length') ?? 0)
    await this.#until(() => (this.#unread.length >= length ? true : undefined))
    const body = this.#unread.toString('utf8', 0, length)
    this.#unread = this.#unread.subarray(length)
    return { status, headers, body }
  }

  /**
   * Takes the next frame. Returns how the connection ended if none comes, and `undefined` after a timeout.
   */
  frame(patienceMs = PATIENCE_MS): Promise<ReceivedFrame | End | undefined> {
    return this.#until(() => this.#frames.shift(), patienceMs)
  }

  /** Waits for the end of the connection. Returns `undefined` after a timeout. */
  ended(patienceMs = PATIENCE_MS): Promise<End | undefined> {
    return this.#until(() => this.#end, patienceMs)
  }

  /** Stops reading. */
  pause(): void {
    this.#socket.pause()
  }

  /** Ends the sending side, and continues reading. */
  finish(): void {
    this.#socket.end()
  }

  /** Resets the connection. */
  reset(): void {
    this.#socket.resetAndDestroy()
  }

  /** Destroys the socket. */
  destroy(): void {
    this.#socket.destroy()
  }

  /**
   * Calls `look` until it returns a result. Returns how the connection ended if it has, and `undefined` after
   * a timeout.
   */
  async #until<Found>(
    look: () => Found | undefined,
    patienceMs = PATIENCE_MS,
  ): Promise<Found | End | undefined> {
    const until = performance.now() + patienceMs
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      if (this.#end !== undefined) return this.#end
      const left = until - performance.now()
      if (left <= 0) return undefined
      await new Promise<void>(resolve => {
        const timeout = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timeout)
          resolve()
        }
      })
    }
  }
}
