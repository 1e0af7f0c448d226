import { OPCODE, type ReceivedFrame } from '@who-is-online/testing/raw-client'

/** What is wrong with a frame from the server; `undefined` if nothing. */
export function faultOf({ opcode, fin, rsv, masked, minimal, payload }: ReceivedFrame): string | undefined {
  if (!fin || rsv !== 0 || masked || !minimal) return `a frame that a server must not send, opcode ${opcode}`
  if (opcode === OPCODE.ping || opcode === OPCODE.pong) {
    return payload.length > 125 ? 'a control frame of more than 125 bytes' : undefined
  }
  if (opcode === OPCODE.close) {
    const code = payload.length === 0 ? 1005 : payload.length === 1 ? 0 : payload.readUInt16BE(0)
    return code < 1000 || code > 4999 ? `a close with ${code}` : undefined
  }
  if (opcode !== OPCODE.text) return `opcode ${opcode}`
  try {
    JSON.parse(new TextDecoder('utf8', { fatal: true }).decode(payload))
    return undefined
  } catch {
    return `a text that is not JSON: ${payload.subarray(0, 60)}`
  }
}
