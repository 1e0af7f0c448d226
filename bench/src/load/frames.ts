/** The opcodes of RFC 6455 that the load generator handles. */
export const opcode = { text: 0x1, close: 0x8, ping: 0x9, pong: 0xa } as const

/** Set in the first byte of a compressed frame (RFC 7692). */
const DEFLATED = 0x40

/** The highest opcode of a data frame. Higher ones are control frames. */
const LAST_DATA_OPCODE = 0x7

/** Any mask except zero: servers skip unmasking for a zero mask, which would make them look faster. */
const MASK = Buffer.from([0x5a, 0x13, 0xc7, 0x2e])

/** Receives the frames of a `FrameReader`. */
export interface FrameSink {
  /**
   * Data frames with at most this many bytes of payload are passed to `frame`. Longer and compressed ones are
   * only counted.
   */
  readUpTo: number
  /** A complete frame. Its payload is `chunk` from `start` to `end`, valid only during the call. */
  frame(code: number, chunk: Buffer, start: number, end: number): void
}

/**
 * Counts the frames of one socket. It parses only headers, so that the load generator needs less CPU time
 * than the server. Control frames, and data frames that the sink wants to read, are assembled.
 */
export class FrameReader {
  readonly #sink: FrameSink
  /** The remaining payload bytes of a frame that was counted already. */
  #skip = 0
  #deflated = 0
  /** The start of an incomplete frame. */
  #carry: Buffer | undefined

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /** The number of compressed frames since the last call. */
  takeDeflated(): number {
    const deflated = this.#deflated
    this.#deflated = 0
    return deflated
  }

  /**
   * Reads the first `length` bytes of `chunk`. Returns the number of data frames that were counted without
   * being read.
   */
  read(chunk: Buffer, length: number): number {
    if (this.#skip >= length) {
      this.#skip -= length
      return 0
    }
    let at = this.#skip
    this.#skip = 0
    let bytes = chunk
    let end = length
    if (this.#carry) {
      bytes = Buffer.concat([this.#carry, chunk.subarray(0, length)])
      end = bytes.length
      this.#carry = undefined
    }
    let counted = 0
    while (end - at >= 2) {
      const header = headerBytes(bytes, at)
      if (end - at < header) break
      const payload = payloadBytes(bytes, at, header)
      const next = at + header + payload
      const first = bytes[at] ?? 0
      const code = first & 0x0f
      if (first & DEFLATED) this.#deflated++
      if (code > LAST_DATA_OPCODE || (payload <= this.#sink.readUpTo && !(first & DEFLATED))) {
        if (next > end) break
        this.#sink.frame(code, bytes, at + header, next)
      } else {
        counted++
      }
      at = next
    }
    if (at > end) this.#skip = at - end
    // A copy, because the next read reuses the chunk.
    else if (at < end) this.#carry = Buffer.from(bytes.subarray(at, end))
    return counted
  }
}

/** The header length of the unmasked frame at `at`: 2, 4 or 10 bytes. */
function headerBytes(bytes: Buffer, at: number): number {
  const short = (bytes[at + 1] ?? 0) & 0x7f
  if (short < 126) return 2
  return short === 126 ? 4 : 10
}

function payloadBytes(bytes: Buffer, at: number, header: number): number {
  if (header === 2) return (bytes[at + 1] ?? 0) & 0x7f
  return header === 4 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2))
}

/** Encodes a masked client frame with at most 65,535 bytes of payload. */
export function clientFrame(code: number, payload: Buffer): Buffer {
  const header = payload.length < 126 ? 2 : 4
  const frame = Buffer.allocUnsafe(header + MASK.length + payload.length)
  frame[0] = 0x80 | code
  if (header === 2) frame[1] = 0x80 | payload.length
  else {
    frame[1] = 0x80 | 126
    frame.writeUInt16BE(payload.length, 2)
  }
  MASK.copy(frame, header)
  for (let i = 0; i < payload.length; i++) {
    frame[header + MASK.length + i] = (payload[i] ?? 0) ^ (MASK[i % MASK.length] ?? 0)
  }
  return frame
}
