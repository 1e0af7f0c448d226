import { closeFrame, frame } from '@who-is-online/testing/raw-client'
import type { Case } from './case.ts'
import {
  bytewise,
  COUNT,
  countOf,
  first,
  fragments,
  more,
  ping,
  pong,
  repeat,
  text,
  together,
  violation,
} from './frames.ts'

const COUNT_PARTS = ['{"type":', '"get_online', '_count"}']

/** RFC 6455, section 5.4: messages in fragments. */
export const fragmentation: readonly Case[] = [
  {
    title: 'a text in 2 fragments',
    send: fragments([COUNT.slice(0, 9), COUNT.slice(9)]),
    expect: ['online_count', 'open'],
  },
  {
    title: 'a text in 3 fragments in one segment',
    send: together(...fragments(COUNT_PARTS)),
    expect: ['online_count', 'open'],
  },
  {
    title: 'a text in 3 fragments byte by byte',
    send: bytewise(Buffer.concat(fragments(COUNT_PARTS))),
    expect: ['online_count', 'open'],
  },
  {
    title: '16 fragments',
    send: fragments(repeat(16, index => (index < 15 ? ' ' : COUNT))),
    expect: ['online_count', 'open'],
  },
  {
    title: '17 fragments',
    send: fragments(repeat(17, index => (index < 16 ? ' ' : COUNT))),
    expect: ['close 1008', 'end'],
  },
  { title: '17 empty fragments', send: fragments(repeat(17, () => '')), expect: ['close 1008', 'end'] },
  {
    title: '1,000 fragments in one segment',
    send: together(...fragments(repeat(1_000, () => ' '))),
    expect: ['close 1008', 'end'],
  },
  {
    title: '16 fragments twice: each message has its own count',
    send: [
      ...fragments(repeat(16, index => (index < 15 ? ' ' : COUNT))),
      ...fragments(repeat(16, index => (index < 15 ? ' ' : COUNT))),
    ],
    expect: ['online_count', 'online_count', 'open'],
  },
  {
    title: 'empty fragments around a text',
    send: fragments(['', COUNT, '']),
    expect: ['online_count', 'open'],
  },
  { title: 'empty fragments only', send: fragments(['', '', '']), expect: ['error bad_json', 'open'] },
  {
    title: 'fragments of 64 KiB together',
    send: fragments([countOf(40_000), ' '.repeat(25_536)]),
    expect: ['online_count', 'open'],
  },
  {
    title: 'fragments of 64 KiB and a byte together',
    send: fragments([countOf(40_000), ' '.repeat(25_537)]),
    expect: ['close 1009', 'end'],
  },
  {
    title: 'a fragment of 64 KiB, then one of a byte',
    send: [first(countOf(65_536)), more(' ')],
    expect: ['close 1009', 'end'],
  },
  {
    title: 'a fragment of 64 KiB, then an empty one',
    send: [first(countOf(65_536)), more('')],
    expect: ['online_count', 'open'],
  },
  {
    title: 'the limit applies to each message',
    send: [...fragments([countOf(60_000), ' ']), ...fragments([countOf(60_000), ' '])],
    expect: ['online_count', 'online_count', 'open'],
  },
  {
    title: 'a ping between fragments',
    send: [first(COUNT.slice(0, 9)), ping('between'), more(COUNT.slice(9))],
    expect: ['pong between', 'online_count', 'open'],
  },
  {
    title: 'a ping between fragments in one segment',
    send: together(first(COUNT.slice(0, 9)), ping('between'), more(COUNT.slice(9))),
    expect: ['pong between', 'online_count', 'open'],
  },
  {
    title: 'pings and pongs between all fragments',
    send: [
      first(''),
      ping('1'),
      more('', false),
      pong('?'),
      more(COUNT.slice(0, 4), false),
      ping('2'),
      more(COUNT.slice(4)),
    ],
    expect: ['pong 1', 'pong 2', 'online_count', 'open'],
  },
  {
    title: '20 pings between fragments do not count as fragments',
    send: [first(''), ...repeat(20, index => ping(`${index}`)), more(COUNT)],
    expect: [...repeat(20, index => `pong ${index}`), 'online_count', 'open'],
  },
  { title: 'a continuation of nothing', send: [more(COUNT)], expect: violation },
  { title: 'an unfinished continuation of nothing', send: [more(COUNT, false)], expect: violation },
  { title: 'an empty continuation of nothing', send: [more('')], expect: violation },
  {
    title: 'a continuation after a finished text',
    send: [text(COUNT), more('')],
    expect: ['online_count', ...violation],
  },
  {
    title: 'a continuation after a finished fragmented text',
    send: [...fragments(COUNT_PARTS), more('')],
    expect: ['online_count', ...violation],
  },
  { title: 'a new text inside a fragmented one', send: [first('{'), text(COUNT)], expect: violation },
  {
    title: 'a new first fragment inside a fragmented text',
    send: [first('{'), first(COUNT)],
    expect: violation,
  },
  {
    title: 'a binary frame inside a fragmented text',
    send: [first('{'), frame({ opcode: 2 })],
    expect: violation,
  },
  {
    title: 'a text inside a fragmented binary message',
    send: [frame({ opcode: 2, fin: false }), text(COUNT)],
    expect: violation,
  },
  {
    title: 'a reserved opcode inside a fragmented text',
    send: [first('{'), frame({ opcode: 3 })],
    expect: violation,
  },
  {
    title: 'a close inside a fragmented text',
    send: [first('{'), closeFrame(1000, 'bye')],
    expect: ['close 1000 bye', 'end'],
  },
  { title: 'an unfinished text, then the end of TCP', send: [first('{')], last: 'finish', expect: ['end'] },
]
