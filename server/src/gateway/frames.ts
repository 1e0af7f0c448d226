// Text frames as a server sends them: unmasked and unfragmented (RFC 6455, section 5.2). The same run of frames can
// be written to any number of sockets.

/** The first byte of a text frame. */
const TEXT = 0x81

/** The first byte of a deflated text frame (RFC 7692, section 6). */
const DEFLATED_TEXT = 0xc1

/** The first byte of a pong frame. */
const PONG = 0x8a

/** Encodes texts as one run of frames. */
export function textFrames(texts: readonly string[]): Buffer {
  const lengths = texts.map(text => Buffer.byteLength(text))
  let bytes = 0
  for (const length of lengths) bytes += headerLength(length) + length
  const frames = Buffer.allocUnsafe(bytes)
  let at = 0
  for (let index = 0; index < texts.length; index++) {
    at = writeHeader(frames, at, TEXT, lengths[index] as number)
    at += frames.write(texts[index] as string, at)
  }
  return frames
}

/** Encodes a text as a frame. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const frame = Buffer.allocUnsafe(headerLength(length) + length)
  frame.write(text, writeHeader(frame, 0, TEXT, length))
  return frame
}

/** Makes the pong frame with the payload of a ping. */
export function pongFrame(payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(headerLength(payload.length) + payload.length)
  payload.copy(frame, writeHeader(frame, 0, PONG, payload.length))
  return frame
}

/** Replaces the last brace of the JSON object in a frame by `more`. The rest is copied, not encoded again. */
export function withMore(frame: Buffer, more: string): Buffer {
  const [{ payload } = { payload: frame }] = framesIn(frame)
  const length = payload.length - 1 + Buffer.byteLength(more)
  const longer = Buffer.allocUnsafe(headerLength(length) + length)
  const at = writeHeader(longer, 0, TEXT, length)
  payload.copy(longer, at, 0, payload.length - 1)
  longer.write(more, at + payload.length - 1)
  return longer
}

/** The length of the frame of a text, in bytes. */
export function frameLength(text: string): number {
  const length = Buffer.byteLength(text)
  return headerLength(length) + length
}

function headerLength(length: number): 2 | 4 | 10 {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10
}

function writeHeader(frames: Buffer, at: number, kind: number, length: number): number {
  frames[at] = kind
  switch (headerLength(length)) {
    case 2:
      frames[at + 1] = length
      return at + 2
    case 4:
      frames[at + 1] = 126
      return frames.writeUInt16BE(length, at + 2)
    case 10:
      frames[at + 1] = 127
      return frames.writeBigUInt64BE(BigInt(length), at + 2)
  }
}

/** Makes the frame of a deflated text. */
export function deflatedFrame(payload: Buffer): Buffer {
  const header = Buffer.allocUnsafe(headerLength(payload.length))
  writeHeader(header, 0, DEFLATED_TEXT, payload.length)
  return Buffer.concat([header, payload])
}

/** Splits a run into its frames and their payloads. It must be a whole run that this module made. */
export function* framesIn(run: Buffer): Generator<{ readonly frame: Buffer; readonly payload: Buffer }> {
  for (let at = 0; at < run.length; ) {
    const short = run[at + 1] as number
    const header = short < 126 ? 2 : short === 126 ? 4 : 10
    const length =
      header === 2 ? short : header === 4 ? run.readUInt16BE(at + 2) : Number(run.readBigUInt64BE(at + 2))
    const end = at + header + length
    yield { frame: run.subarray(at, end), payload: run.subarray(at + header, end) }
    at = end
  }
}
