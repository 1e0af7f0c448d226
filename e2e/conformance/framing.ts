import { closeFrame, frame } from '@who-is-online/testing/raw-client'
import type { Case } from './case.ts'
import {
  bytewise,
  COUNT,
  countOf,
  first,
  hex,
  ping,
  pong,
  repeat,
  text,
  together,
  violation,
} from './frames.ts'

/** RFC 6455, section 5.2: opcodes, reserved bits, masks and lengths. */
export const framing: readonly Case[] = [
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap(opcode => [
    { title: `reserved opcode ${opcode}`, send: [frame({ opcode, payload: 'x' })], expect: violation },
    {
      title: `reserved opcode ${opcode}, empty, unfinished`,
      send: [frame({ opcode, fin: false })],
      expect: violation,
    },
  ]),
  ...[1, 2, 3, 4, 5, 6, 7].map(rsv => ({
    title: `reserved bits ${rsv.toString(2).padStart(3, '0')} in a text frame`,
    send: [text(COUNT, { rsv })],
    expect: violation,
  })),
  ...Object.entries({
    ping: ping('x', { rsv: 4 }),
    pong: pong('x', { rsv: 2 }),
    close: frame({ opcode: 8, rsv: 1 }),
  }).map(([kind, bytes]) => ({ title: `a reserved bit in a ${kind}`, send: [bytes], expect: violation })),
  {
    title: 'a reserved bit in a continuation',
    send: [first('{"type":'), frame({ opcode: 0, payload: '"get_online_count"}', rsv: 4 })],
    expect: violation,
  },
  ...[1, 2, 8, 9, 10].map(opcode => ({
    title: `an unmasked frame, opcode ${opcode}`,
    send: [frame({ opcode, payload: opcode === 8 ? hex('03e8') : COUNT, mask: 'none' })],
    expect: violation,
  })),
  { title: 'an unmasked empty frame', send: [text('', { mask: 'none' })], expect: violation },
  {
    title: 'an unmasked continuation',
    send: [first('{'), frame({ opcode: 0, mask: 'none' })],
    expect: violation,
  },
  {
    title: 'a good frame, then an unmasked one',
    send: [text(COUNT), text(COUNT, { mask: 'none' })],
    expect: ['online_count', ...violation],
  },
  ...['00000000', 'ffffffff', '00000001', '80000000', '7b7b7b7b'].map(mask => ({
    title: `mask ${mask}`,
    send: [text(COUNT, { mask: hex(mask) })],
    expect: ['online_count', 'open'],
  })),
  ...[16, 64].map(bits => ({
    title: `a short length in ${bits} bits`,
    send: [text(COUNT, { lengthBits: bits as 16 | 64 })],
    expect: ['online_count', 'open'],
  })),
  {
    title: 'a length of 0 in 64 bits',
    send: [text('', { lengthBits: 64 })],
    expect: ['error bad_json', 'open'],
  },
  {
    title: 'a length of 300 in 64 bits',
    send: [text(countOf(300), { lengthBits: 64 })],
    expect: ['online_count', 'open'],
  },
  { title: 'no bytes at all', send: [text('')], expect: ['error bad_json', 'open'] },
  { title: '1 byte', send: [text('1')], expect: ['error bad_message', 'open'] },
  ...[27, 124, 125, 126, 127, 128, 255, 256, 1_000, 16_384, 32_767, 32_768, 65_535, 65_536].map(bytes => ({
    title: `${bytes} bytes`,
    send: [text(countOf(bytes))],
    expect: ['online_count', 'open'],
  })),
  ...[65_537, 70_000, 131_072].map(bytes => ({
    title: `${bytes} bytes, more than 64 KiB`,
    send: [text(countOf(bytes))],
    expect: ['close 1009', 'end'],
  })),
  ...[
    65_537n,
    0x7fffffffn,
    0x80000000n,
    0xffffffffn,
    0x100000000n,
    0x1fffffffffffffn,
    0x20000000000000n,
    0x7fffffffffffffffn,
    0x8000000000000000n,
    0xffffffffffffffffn,
  ].map(length => ({
    title: `a length of 0x${length.toString(16)} and no payload`,
    send: [text('', { lengthBits: 64, length })],
    expect: ['close 1009', 'end'],
  })),
  { title: 'a frame byte by byte', send: bytewise(text(COUNT)), expect: ['online_count', 'open'] },
  {
    title: 'a frame with a 16-bit length byte by byte',
    send: bytewise(text(countOf(140))),
    expect: ['online_count', 'open'],
  },
  {
    title: 'a frame with a 64-bit length, header byte by byte',
    send: [...bytewise(text(countOf(65_536)).subarray(0, 14)), text(countOf(65_536)).subarray(14)],
    expect: ['online_count', 'open'],
  },
  { title: 'a ping byte by byte', send: bytewise(ping('slow')), expect: ['pong slow', 'open'] },
  {
    title: 'a close byte by byte',
    send: bytewise(closeFrame(1000, 'slow')),
    expect: ['close 1000 slow', 'end'],
  },
  {
    title: '64 KiB in pieces of 1,000 bytes',
    send: pieces(text(countOf(65_536)), 1_000),
    expect: ['online_count', 'open'],
  },
  {
    title: 'two frames, cut in the middle of each',
    send: pieces(Buffer.concat([text(COUNT), text(COUNT)]), 25),
    expect: ['online_count', 'online_count', 'open'],
  },
  {
    title: 'the mask cut in two',
    send: [text(COUNT).subarray(0, 4), text(COUNT).subarray(4)],
    expect: ['online_count', 'open'],
  },
  {
    title: '50 frames in one segment',
    send: together(...repeat(50, () => text(COUNT))),
    expect: [...repeat(50, () => 'online_count'), 'open'],
  },
  {
    title: '1,000 frames in one segment',
    send: together(...repeat(1_000, () => text(COUNT))),
    expect: [...repeat(1_000, () => 'online_count'), 'open'],
  },
  {
    // Control frames may overtake messages (section 5.4). Replies are sent after the whole read is processed.
    title: 'texts and pings mixed in one segment: pongs and replies are in order',
    send: together(ping('a'), text(COUNT), ping('b'), text('{'), ping('c')),
    expect: ['pong a', 'online_count', 'pong b', 'error bad_json', 'pong c', 'open'],
  },
  {
    title: 'a good frame and a reserved opcode in one segment',
    send: together(text(COUNT), frame({ opcode: 3 })),
    expect: ['online_count', ...violation],
  },
  {
    title: 'everything after a violation is ignored',
    send: together(frame({ opcode: 3 }), text(COUNT), ping('x'), closeFrame(1000)),
    expect: violation,
  },
  {
    title: 'HTTP after the upgrade',
    send: [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    expect: violation,
  },
  { title: 'zeros', send: [Buffer.alloc(64)], expect: violation },
  {
    title: 'half a header, then the end of TCP',
    send: [Uint8Array.of(0x81)],
    last: 'finish',
    expect: ['end'],
  },
  {
    title: 'half a payload, then the end of TCP',
    send: [text(COUNT).subarray(0, 20)],
    last: 'finish',
    expect: ['end'],
  },
  { title: 'the end of TCP without a close frame', last: 'finish', expect: ['end'] },
]

function pieces(bytes: Buffer, size: number): Buffer[] {
  return repeat(Math.ceil(bytes.length / size), index => bytes.subarray(index * size, (index + 1) * size))
}
