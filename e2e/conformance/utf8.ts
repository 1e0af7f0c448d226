import type { Case } from './case.ts'
import { COUNT, countOf, fragments, hex, ping, repeat, text } from './frames.ts'

// RFC 6455, section 8.1. The payload is the username of an `identify`, which has no reply when it is valid.

/** An `identify` with these bytes as username. */
const named = (bytes: Uint8Array | string) =>
  Buffer.concat([
    Buffer.from('{"type":"identify","username":"'),
    Buffer.from(bytes as string),
    Buffer.from('"}'),
  ])

/** UTF-8 in text messages, valid and not. */
export const utf8: readonly Case[] = [
  ...Object.entries({
    'the first of 2 bytes, U+00A0': 'c2 a0',
    'the last of 2 bytes, U+07FF': 'df bf',
    'the first of 3 bytes, U+0800': 'e0 a0 80',
    'the last before the surrogates, U+D7FF': 'ed 9f bf',
    'the first after the surrogates, U+E000': 'ee 80 80',
    'U+FFFD': 'ef bf bd',
    'the non-characters U+FFFE and U+FFFF': 'ef bf be ef bf bf',
    'the first of 4 bytes, U+10000': 'f0 90 80 80',
    'the last of all, U+10FFFF': 'f4 8f bf bf',
    κόσμε: 'ce ba e1 bd b9 cf 83 ce bc ce b5',
    'a combining accent': '65 cc 81',
    'a family of five code points': 'f0 9f 91 a8 e2 80 8d f0 9f 91 a9 e2 80 8d f0 9f 91 a7',
    'a line separator, U+2028': 'e2 80 a8',
    'a right-to-left override, U+202E': 'e2 80 ae',
    'a byte order mark, U+FEFF': 'ef bb bf 61',
  }).map(([what, bytes]) => ({
    title: `good UTF-8: ${what}`,
    send: [text(named(hex(bytes)))],
    expect: ['open'],
  })),
  ...Object.entries({
    'a lone continuation byte, 80': '80',
    'a lone continuation byte, bf': 'bf',
    'a lone lead byte, c3': 'c3',
    'a lone lead byte, e2 82': 'e2 82',
    'a lone lead byte, f0 9f 91': 'f0 9f 91',
    'a lead byte and a letter': 'c3 41',
    'a lead byte too many': 'c3 c3 a4',
    'a continuation byte too many': 'c3 a4 a4',
    'an overlong NUL, c0 80': 'c0 80',
    'an overlong slash, c0 af': 'c0 af',
    'an overlong letter, c1 81': 'c1 81',
    'an overlong slash in 3 bytes': 'e0 80 af',
    'an overlong U+07FF in 3 bytes': 'e0 9f bf',
    'an overlong slash in 4 bytes': 'f0 80 80 af',
    'an overlong U+FFFF in 4 bytes': 'f0 8f bf bf',
    'the first high surrogate, U+D800': 'ed a0 80',
    'the last high surrogate, U+DBFF': 'ed af bf',
    'the first low surrogate, U+DC00': 'ed b0 80',
    'the last low surrogate, U+DFFF': 'ed bf bf',
    'a pair of surrogates (CESU-8)': 'ed a0 bd ed b1 a9',
    'one beyond the last, U+110000': 'f4 90 80 80',
    'U+13FFFF': 'f4 bf bf bf',
    'the lead byte f5': 'f5 80 80 80',
    'the lead byte f7': 'f7 bf bf bf',
    '5 bytes': 'f8 88 80 80 80',
    '6 bytes': 'fc 84 80 80 80 80',
    fe: 'fe',
    ff: 'ff',
    'UTF-16': 'fe ff 00 61',
    'Latin-1': '4d fc 6c 6c 65 72',
  }).map(([what, bytes]) => ({
    title: `bad UTF-8: ${what}`,
    send: [text(named(hex(bytes)))],
    expect: ['close 1007', 'end'],
  })),
  { title: 'bad UTF-8 as the whole text', send: [text(hex('ff'))], expect: ['close 1007', 'end'] },
  {
    title: 'bad UTF-8 after valid JSON',
    send: [text(Buffer.concat([Buffer.from(COUNT), hex('20 c3')]))],
    expect: ['close 1007', 'end'],
  },
  {
    title: 'bad UTF-8 in a long text',
    send: [text(Buffer.concat([Buffer.from(countOf(2_000)), hex('ed a0 80')]))],
    expect: ['close 1007', 'end'],
  },
  { title: 'a character split over two fragments', send: split('f0 9f 91 a9', 2), expect: ['open'] },
  { title: 'a character split over four fragments', send: splitEach('f0 9f 91 a9'), expect: ['open'] },
  {
    title: 'a character split over two fragments, a ping between',
    send: [...split('e2 80 a8', 1).slice(0, 1), ping('x'), ...split('e2 80 a8', 1).slice(1)],
    expect: ['pong x', 'open'],
  },
  {
    title: 'a surrogate split over two fragments',
    send: split('ed a0 80', 1),
    expect: ['close 1007', 'end'],
  },
  {
    title: 'an overlong form split over three fragments',
    send: splitEach('e0 80 af'),
    expect: ['close 1007', 'end'],
  },
  {
    title: 'a character that never ends, split over two fragments',
    send: split('f0 9f 91', 2),
    expect: ['close 1007', 'end'],
  },
  {
    title: 'two halves of characters that are good only together with something between',
    send: split('c3 41', 1),
    expect: ['close 1007', 'end'],
  },
]

/** An `identify` in two fragments, cut `at` this byte of the username. */
function split(bytes: string, at: number): Buffer[] {
  const whole = named(hex(bytes))
  const cut = '{"type":"identify","username":"'.length + at
  return fragments([whole.subarray(0, cut), whole.subarray(cut)])
}

/** An `identify` cut at each byte of the username. */
function splitEach(bytes: string): Buffer[] {
  const whole = named(hex(bytes))
  const begin = '{"type":"identify","username":"'.length
  const length = hex(bytes).length
  const cuts = [0, ...repeat(length, index => begin + index + 1), whole.length]
  return fragments(cuts.slice(1).map((cut, index) => whole.subarray(cuts[index], cut)))
}
