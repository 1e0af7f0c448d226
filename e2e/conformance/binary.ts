import { frame } from '@who-is-online/testing/raw-client'
import type { Case } from './case.ts'
import { COUNT, hex, more, ping, text, together } from './frames.ts'

const notText = ['close 1003 text frames only', 'end']

/** RFC 6455, section 5.6: binary messages, which this server does not accept. */
export const binary: readonly Case[] = [
  { title: 'an empty binary message', send: [frame({ opcode: 2 })], expect: notText },
  { title: 'a binary message with JSON', send: [frame({ opcode: 2, payload: COUNT })], expect: notText },
  {
    title: 'a binary message with bad UTF-8',
    send: [frame({ opcode: 2, payload: hex('ff fe 00') })],
    expect: notText,
  },
  {
    title: 'a binary message of 64 KiB',
    send: [frame({ opcode: 2, payload: Buffer.alloc(65_536) })],
    expect: notText,
  },
  {
    title: 'a binary message of 64 KiB and a byte',
    send: [frame({ opcode: 2, payload: Buffer.alloc(65_537) })],
    expect: ['close 1009', 'end'],
  },
  {
    title: 'a fragmented binary message',
    send: [frame({ opcode: 2, payload: '{', fin: false }), more('}')],
    expect: notText,
  },
  {
    title: 'a ping inside a fragmented binary message',
    send: [frame({ opcode: 2, fin: false }), ping('x'), more('')],
    expect: ['pong x', ...notText],
  },
  {
    title: 'a text, then a binary message, in one segment',
    send: together(text(COUNT), frame({ opcode: 2 }), text(COUNT)),
    expect: ['online_count', ...notText],
  },
  {
    title: 'a binary message, and the client never answers the close',
    send: [frame({ opcode: 2 })],
    last: 'nothing',
    expect: notText,
  },
]
