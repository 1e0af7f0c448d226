import type { Encoder } from '../fanout/encoder.ts'
import { deflatable } from './deflate.ts'
import { frameLength, textFrame, textFrames } from './frames.ts'

/** Encodes messages as WebSocket text frames (RFC 6455). Shared messages may be deflated, once for all (RFC 7692). */
export const webSocketEncoder: Encoder = {
  encode: textFrame,
  encodeAll: textFrames,
  lengthOf: frameLength,
  share: deflatable,
}
