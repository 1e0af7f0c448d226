// Text frames as a server sends them: unmasked and unfragmented (RFC 6455, section 5.2). A run of them may be written to
// any number of sockets.

const TEXT = 0x81

/** Of a text that is deflated (RFC 7692, section 6). */
const DEFLATED_TEXT = 0xc1

/** Texts as whole frames in one buffer. */
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

/** One text as a whole frame. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const frame = Buffer.allocUnsafe(headerLength(length) + length)
  frame.write(text, writeHeader(frame, 0, TEXT, length))
  return frame
}

/** A frame of a JSON object as one that has `more` in place of its last brace; nothing is encoded anew. */
export function withMore(frame: Buffer, more: string): Buffer {
  const [{ payload } = { payload: frame }] = framesIn(frame)
  const length = payload.length - 1 + Buffer.byteLength(more)
  const longer = Buffer.allocUnsafe(headerLength(length) + length)
  const at = writeHeader(longer, 0, TEXT, length)
  payload.copy(longer, at, 0, payload.length - 1)
  longer.write(more, at + payload.length - 1)
  return longer
}

/** How many bytes a text is as a frame. */
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

/** One deflated text as a whole frame. */
export function deflatedFrame(payload: Buffer): Buffer {
  const header = Buffer.allocUnsafe(headerLength(payload.length))
  writeHeader(header, 0, DEFLATED_TEXT, payload.length)
  return Buffer.concat([header, payload])
}

/** Where the frames of a run begin and end, and their payloads. The run is one of ours, whole. */
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
