/** RFC 6455 opcodes the load generator meets. */
export const opcode = { text: 0x1, close: 0x8, ping: 0x9, pong: 0xa } as const

/** Set in the first byte of a frame that is deflated (RFC 7692). */
const DEFLATED = 0x40

/** The highest opcode of a data frame; everything above is a control frame. */
const LAST_DATA_OPCODE = 0x7

/** Any key but zero: servers skip unmasking for a zero key, and that would flatter them. */
const MASK = Buffer.from([0x5a, 0x13, 0xc7, 0x2e])

/** What a `FrameReader` hands its frames to. */
export interface FrameSink {
  /** Data frames with a payload of up to this many bytes go to `frame`. Longer and compressed ones are only counted. */
  readUpTo: number
  /** One whole frame; its payload is `chunk` from `start` to `end`, valid during the call only. */
  frame(code: number, chunk: Buffer, start: number, end: number): void
}

/**
 * Counts the frames of one socket and looks at headers only, so that the load generator costs less than the
 * server it measures. Control frames, and data frames the sink wants to read, are put together whole.
 */
export class FrameReader {
  readonly #sink: FrameSink
  /** Payload bytes still to come of a frame that is counted already. */
  #skip = 0
  #deflated = 0
  /** The start of a frame whose rest has not come yet. */
  #carry: Buffer | undefined

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /** How many deflated frames began since the last call. */
  takeDeflated(): number {
    const deflated = this.#deflated
    this.#deflated = 0
    return deflated
  }

  /** Takes the first `length` bytes of `chunk`; returns how many data frames were counted without being read. */
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
    // A copy: the chunk belongs to the next read.
    else if (at < end) this.#carry = Buffer.from(bytes.subarray(at, end))
    return counted
  }
}

/** Bytes of the header of the unmasked frame at `at`: 2, 4 or 10. */
function headerBytes(bytes: Buffer, at: number): number {
  const short = (bytes[at + 1] ?? 0) & 0x7f
  if (short < 126) return 2
  return short === 126 ? 4 : 10
}

function payloadBytes(bytes: Buffer, at: number, header: number): number {
  if (header === 2) return (bytes[at + 1] ?? 0) & 0x7f
  return header === 4 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2))
}

/** A masked client frame, whole. Payloads up to 65,535 bytes. */
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
