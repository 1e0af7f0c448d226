import { closeFrame, frame } from '@who-is-online/testing/raw-client'
import type { Case } from './case.ts'
import { COUNT, hex, ping, shown, text, together, violation } from './frames.ts'

/** RFC 6455, sections 5.5.1 and 7: close frames. */
export const closing: readonly Case[] = [
  { title: 'a close without a code', send: [closeFrame()], expect: ['close', 'end'] },
  ...[
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3001, 3999, 4000, 4001,
    4400, 4508, 4999,
  ].map(code => ({ title: `close ${code}`, send: [closeFrame(code)], expect: [`close ${code}`, 'end'] })),
  ...[0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 9999, 32_768, 65_535].map(
    code => ({
      title: `close ${code}, which must not be sent`,
      send: [closeFrame(code)],
      expect: violation,
    }),
  ),
  { title: 'a close of 1 byte', send: [frame({ opcode: 8, payload: hex('03') })], expect: violation },
  { title: 'a close with a reason', send: [closeFrame(1000, 'bye')], expect: ['close 1000 bye', 'end'] },
  {
    title: 'a close with a reason in UTF-8',
    send: [closeFrame(4000, 'ä👋')],
    expect: [`close 4000 ${shown('ä👋')}`, 'end'],
  },
  {
    title: 'a reason of 123 bytes',
    send: [closeFrame(1000, 'x'.repeat(123))],
    expect: [`close 1000 ${shown('x'.repeat(123))}`, 'end'],
  },
  { title: 'a reason of 124 bytes', send: [closeFrame(1000, 'x'.repeat(124))], expect: violation },
  { title: 'a reason of 1,000 bytes', send: [closeFrame(1000, 'x'.repeat(1_000))], expect: violation },
  ...Object.entries({
    'a lone lead byte': 'c3',
    'a lone continuation byte': '80',
    'an overlong slash': 'c0 af',
    'a surrogate': 'ed a0 80',
    'a code point beyond U+10FFFF': 'f4 90 80 80',
    'an incomplete sequence at its end': '62 79 65 e2 82',
  }).map(([what, bytes]) => ({
    title: `a reason with ${what}`,
    send: [closeFrame(1000, hex(bytes))],
    expect: ['close 1007', 'end'],
  })),
  {
    title: 'a bad code and a bad reason: the code comes first',
    send: [closeFrame(1005, hex('ff'))],
    expect: violation,
  },
  {
    title: 'two closes',
    send: together(closeFrame(1000, 'one'), closeFrame(1001, 'two')),
    expect: ['close 1000 one', 'end'],
  },
  {
    title: 'texts and pings after a close are not answered',
    send: together(closeFrame(1000), text(COUNT), ping('x'), text('{')),
    expect: ['close 1000', 'end'],
  },
  {
    title: 'violations after a close are not answered',
    send: together(closeFrame(1000), frame({ opcode: 3 }), Buffer.alloc(100, 0xff)),
    expect: ['close 1000', 'end'],
  },
  {
    title: '1 MiB after a close',
    send: [closeFrame(1000), Buffer.alloc(1024 * 1024, 0x81)],
    expect: ['close 1000', 'end'],
  },
  {
    title: 'a text right before a close, in one segment, is answered before it',
    send: together(text(COUNT), closeFrame(1000)),
    expect: ['online_count', 'close 1000', 'end'],
  },
  {
    title: 'half a close, then the end of TCP',
    send: [closeFrame(1000).subarray(0, 5)],
    last: 'finish',
    expect: ['end'],
  },
  {
    title: 'a close, then the end of TCP at once',
    send: [closeFrame(1000)],
    last: 'finish',
    expect: ['close 1000', 'end'],
  },
  {
    title: 'a violation, and the client never answers the close',
    send: [frame({ opcode: 3 })],
    last: 'nothing',
    expect: violation,
  },
]
