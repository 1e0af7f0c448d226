import { closeFrame, frame } from '@who-is-online/testing/raw-client'
import type { Case } from './case.ts'
import { COUNT, hex, more, ping, pong, repeat, shown, text, together, violation } from './frames.ts'

const bytesOf = (length: number) => Buffer.from(repeat(length, index => index & 0xff))

/** RFC 6455, section 5.5: ping and pong frames, and what all control frames have in common. */
export const control: readonly Case[] = [
  ...[0, 1, 2, 7, 8, 31, 63, 64, 100, 124, 125].map(length => ({
    title: `a ping of ${length} bytes comes back completely`,
    send: [ping(bytesOf(length))],
    expect: [`pong ${shown(bytesOf(length))}`.trimEnd(), 'open'],
  })),
  {
    title: 'a ping of 125 times 0xff',
    send: [ping(Buffer.alloc(125, 0xff))],
    expect: [`pong ${shown(Buffer.alloc(125, 0xff))}`, 'open'],
  },
  ...[0, 1, 125].map(length => ({
    title: `a pong of ${length} bytes without a ping`,
    send: [pong(bytesOf(length))],
    expect: ['open'],
  })),
  ...[126, 127, 65_536].flatMap(length => [
    { title: `a ping of ${length} bytes`, send: [ping(bytesOf(length))], expect: violation },
    { title: `a pong of ${length} bytes`, send: [pong(bytesOf(length))], expect: violation },
  ]),
  {
    title: 'a ping with a short length in 16 bits',
    send: [ping('x', { lengthBits: 16 })],
    expect: violation,
  },
  {
    title: 'a ping with a short length in 64 bits',
    send: [ping('x', { lengthBits: 64 })],
    expect: violation,
  },
  { title: 'an unfinished ping', send: [ping('x', { fin: false })], expect: violation },
  { title: 'an unfinished pong', send: [pong('x', { fin: false })], expect: violation },
  {
    title: 'an unfinished close',
    send: [frame({ opcode: 8, payload: hex('03e8'), fin: false })],
    expect: violation,
  },
  { title: 'a ping in two fragments', send: [ping('x', { fin: false }), more('y')], expect: violation },
  {
    title: 'a ping continued after a good one',
    send: [ping('x'), more('y')],
    expect: ['pong x', ...violation],
  },
  {
    title: 'a ping with a mask of zeros',
    send: [ping('x', { mask: hex('00000000') })],
    expect: ['pong x', 'open'],
  },
  {
    title: '10 pings one by one',
    send: repeat(10, index => ping(`${index}`)),
    expect: [...repeat(10, index => `pong ${index}`), 'open'],
  },
  {
    title: '60 pings in one segment',
    send: together(...repeat(60, index => ping(`${index}`))),
    expect: [...repeat(60, index => `pong ${index}`), 'open'],
  },
  {
    // If pings come faster than pongs can be sent, the queue of pongs must not grow without limit.
    title: '200 pings in one segment: 200 pongs',
    send: together(...repeat(200, index => ping(`${index}`))),
    expect: [...repeat(200, index => `pong ${index}`), 'open'],
  },
  {
    title: 'pongs without pings, and a text',
    send: [pong(''), pong('x'), text(COUNT)],
    expect: ['online_count', 'open'],
  },
  {
    title: 'a ping with bytes that are not UTF-8',
    send: [ping(hex('ff fe c0 80'))],
    expect: ['pong fffec080', 'open'],
  },
  {
    title: 'a ping before a close is answered before it',
    send: together(ping('last'), closeFrame(1000)),
    expect: ['pong last', 'close 1000', 'end'],
  },
]
