import { createHash } from 'node:crypto'
import { connect, type Socket } from 'node:net'

// A WebSocket client without a WebSocket library: it says exactly the bytes it is told to, right or wrong,
// and reports exactly the bytes that come back. Nothing here corrects, retries or answers by itself.

/** The opcodes of RFC 6455, section 5.2; 3–7 and 11–15 are reserved. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** A frame as somebody wants it, whether RFC 6455 has such frames or not. */
export interface FrameShape {
  readonly opcode: number
  /** A string is sent as UTF-8. */
  readonly payload?: Uint8Array | string
  /** The last one of its message; true unless said otherwise. */
  readonly fin?: boolean
  /** The three reserved bits as a number: 4 is RSV1, 2 is RSV2, 1 is RSV3. */
  readonly rsv?: number
  /** Four bytes, or none. A client must mask, so unless told otherwise a fixed mask is used. */
  readonly mask?: Uint8Array | 'none'
  /** In which of the three forms the length is written; the shortest that fits unless told otherwise. */
  readonly lengthBits?: 7 | 16 | 64
  /** The length that is written, if not that of the payload. */
  readonly length?: bigint
}

/** What the examples of RFC 6455 mask with. */
const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d])

/** The bytes of a frame. */
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

/** A whole text message in one frame. */
export function textFrame(payload: Uint8Array | string): Buffer {
  return frame({ opcode: OPCODE.text, payload })
}

/** A close frame; the code may be one that must not be sent, and the reason may be any bytes. */
export function closeFrame(code?: number, reason: Uint8Array | string = ''): Buffer {
  if (code === undefined) return frame({ opcode: OPCODE.close })
  const payload = Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason as string)])
  return frame({ opcode: OPCODE.close, payload })
}

/** A frame as it came. */
export interface ReceivedFrame {
  readonly opcode: number
  readonly fin: boolean
  readonly rsv: number
  readonly masked: boolean
  /** Whether its length is written in the shortest form, as RFC 6455 demands of whoever sends it. */
  readonly minimal: boolean
  readonly payload: Buffer
}

/** Takes frames out of a stream of bytes. Judges nothing. */
export class FrameParser {
  #bytes = Buffer.alloc(0)

  /** The frames that are whole with these bytes. */
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

/** What a server must answer to a key (RFC 6455, section 4.2.2). */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

/** A request as it is written, line by line; each part can be wrong. */
export interface RequestShape {
  readonly method?: string
  readonly target?: string
  readonly version?: string
  /** Replaces headers of the well-formed handshake by name, or adds some; undefined leaves one out, a list repeats it. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>
}

/** The bytes of a handshake, well-formed but for what `shape` says. Text is written as Latin-1: a byte a character. */
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

export interface RawResponse {
  readonly status: number
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** How the TCP connection ended: in order, or broken off. */
export type End = 'end' | 'reset'

/** How long a client waits for what must come, in ms. */
const PATIENCE_MS = 8_000

/** One TCP connection. Reads a response first and, once that has said 101, frames. */
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
   * Connects to a port of this machine. Says nothing yet. With `halfOpen` it keeps its side of the TCP
   * connection when the server has ended the other one, as a client does that is no longer there.
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

  write(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  /** Writes pieces so that each is a TCP segment, and for the other end a read, of its own. */
  async writeApart(pieces: Iterable<Uint8Array>): Promise<void> {
    for (const piece of pieces) {
      this.write(piece)
      await new Promise(resolve => setTimeout(resolve, 1))
    }
  }

  /**
   * The next HTTP response; the end of the connection if there is none; undefined if nothing comes in time.
   * The response to a HEAD request has no body, whatever length it names.
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

  /** The next frame; how the connection ended if no more come; undefined if nothing happens in time. */
  frame(patienceMs = PATIENCE_MS): Promise<ReceivedFrame | End | undefined> {
    return this.#until(() => this.#frames.shift(), patienceMs)
  }

  /** How the connection ended, or undefined if it does not in time. */
  ended(patienceMs = PATIENCE_MS): Promise<End | undefined> {
    return this.#until(() => this.#end, patienceMs)
  }

  /** Says that nothing more will be said, and goes on reading. */
  finish(): void {
    this.#socket.end()
  }

  /** Breaks the connection. */
  reset(): void {
    this.#socket.resetAndDestroy()
  }

  /** Ends the connection without a word. */
  destroy(): void {
    this.#socket.destroy()
  }

  /** What `look` finds as soon as it finds something, else how the connection ended. */
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
        const patience = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(patience)
          resolve()
        }
      })
    }
  }
}
