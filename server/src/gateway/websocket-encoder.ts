import type { Encoder } from '../fanout/encoder.ts'
import { deflatable } from './deflate.ts'
import { frameLength, textFrame, textFrames } from './frames.ts'

/** Messages as text frames of a WebSocket (RFC 6455); what many are sent may be deflated, once for all (RFC 7692). */
export const webSocketEncoder: Encoder = {
  encode: textFrame,
  encodeAll: textFrames,
  lengthOf: frameLength,
  share: deflatable,
}
