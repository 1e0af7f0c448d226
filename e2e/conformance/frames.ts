import { type FrameShape, frame, OPCODE } from '@who-is-online/testing/raw-client'

/** The shortest request that has a reply. The reply is shown as `online_count`. */
export const COUNT = '{"type":"get_online_count"}'

/** {@link COUNT}, padded with spaces to this many bytes. */
export function countOf(bytes: number): string {
  return COUNT.padEnd(bytes, ' ')
}

/** A payload as a line of `expect` shows it: text if printable, otherwise hexadecimal; long ones are cut. */
export function shown(payload: Uint8Array | string): string {
  const bytes = Buffer.from(payload as string)
  if (bytes.length > 24) return `${bytes.length} bytes ${bytes.subarray(0, 8).toString('hex')}…`
  return bytes.every(byte => byte >= 32 && byte < 127) ? bytes.toString('latin1') : bytes.toString('hex')
}

/** The bytes of a hexadecimal string; spaces are ignored. */
export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}

/** A text frame, complete unless `more` says otherwise. */
export const text = (payload: Uint8Array | string, more: Partial<FrameShape> = {}) =>
  frame({ opcode: OPCODE.text, payload, ...more })
/** A continuation frame; the last of its message unless `fin` is false. */
export const more = (payload: Uint8Array | string, fin = true) =>
  frame({ opcode: OPCODE.continuation, payload, fin })
/** The first fragment of a text message. */
export const first = (payload: Uint8Array | string) => text(payload, { fin: false })
/** A ping frame. */
export const ping = (payload: Uint8Array | string = '', more: Partial<FrameShape> = {}) =>
  frame({ opcode: OPCODE.ping, payload, ...more })
/** A pong frame. */
export const pong = (payload: Uint8Array | string = '', more: Partial<FrameShape> = {}) =>
  frame({ opcode: OPCODE.pong, payload, ...more })
/** Frames in one TCP segment. */
export const together = (...frames: Uint8Array[]) => [Buffer.concat(frames)]
/** Each byte in its own TCP segment. */
export const bytewise = (bytes: Uint8Array) => Array.from(bytes, byte => Uint8Array.of(byte))
/** A list of `count` items. */
export const repeat = <Item>(count: number, item: (index: number) => Item) =>
  Array.from({ length: count }, (_, index) => item(index))

/** Frames of one fragmented text message, one frame per part. */
export function fragments(parts: readonly (Uint8Array | string)[]): Buffer[] {
  return parts.map((payload, index) =>
    frame({
      opcode: index === 0 ? OPCODE.text : OPCODE.continuation,
      payload,
      fin: index === parts.length - 1,
    }),
  )
}

/** What the server answers to a protocol violation. */
export const violation = ['close 1002', 'end']
