/**
 * Turns messages, which are JSON texts, into the bytes of one transport. The same texts give the same bytes for every
 * connection of that transport, so that what many are sent is encoded once.
 */
export interface Encoder {
  /** The bytes of one message. */
  encode(text: string): Buffer
  /** The bytes of several messages, in order, in one buffer. */
  encodeAll(texts: readonly string[]): Buffer
  /** How many bytes one message takes in the buffer of `encodeAll`. */
  lengthOf(text: string): number
  /** Notes that these bytes go to many connections, so that they may be compressed once for all. Returns them. */
  share(bytes: Buffer): Buffer
}
