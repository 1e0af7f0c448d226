import type { Encoder } from '../encoder.ts'

/** An encoder that ends each message with a line feed, and notes how it was used. */
export interface LineEncoder extends Encoder {
  /** The messages of each call of `encode` and `encodeAll`. */
  readonly calls: (readonly string[])[]
  /** What `share` was called with. */
  readonly shared: Buffer[]
}

/** Creates an encoder for tests of the fan-out, which must not depend on a transport. */
export function newLineEncoder(): LineEncoder {
  const calls: (readonly string[])[] = []
  const shared: Buffer[] = []
  const encodeAll = (texts: readonly string[]) => {
    calls.push(texts)
    return Buffer.from(texts.map(text => `${text}\n`).join(''))
  }
  return {
    calls,
    shared,
    encode: text => encodeAll([text]),
    encodeAll,
    lengthOf: text => Buffer.byteLength(text) + 1,
    share(bytes) {
      shared.push(bytes)
      return bytes
    },
  }
}

/** The messages in the bytes of a line encoder. */
export function linesIn(bytes: Buffer): string[] {
  return bytes.toString().split('\n').slice(0, -1)
}
