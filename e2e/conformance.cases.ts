import {
  closeFrame,
  type FrameShape,
  frame,
  handshake,
  OPCODE,
  type RequestShape,
  textFrame,
} from '@who-is-online/testing/raw-client'

// What clients do, right and wrong, and what must come of it. Every case has a TCP connection of its own to
// one server. When a case has written its bytes it asks a question; `expect` is everything that comes back, in
// order, one line each:
//
//   101 · 101 who-is-online.v1      the upgrade, with the subprotocol and the extensions that were agreed
//   HTTP 426 upgrade=websocket      another status, with the headers named in `shows`
//   welcome ID · online_count · …   a message, with what tells it from others of its type
//   error CODE FIELD                an error, with the field its text begins with
//   pong PAYLOAD · close CODE TEXT  control frames
//   open                            the question was answered: the connection lives, at the right place in the stream
//   end · reset                     TCP ended in order, or was broken off
//   nothing                         nothing came for a long time
//
// Messages about other users are left out. A frame that a server must not send shows as MALFORMED.

export interface Case {
  readonly title: string
  /** The handshake; a well-formed one for the user `raw` unless told otherwise. */
  readonly request?: RequestShape
  /** Bytes instead of a handshake. */
  readonly raw?: readonly Uint8Array[]
  /** What is written once the handshake is done, each piece as a segment of its own. */
  readonly send?: readonly Uint8Array[]
  readonly expect: readonly string[]
  /** Headers of a refusal that count. */
  readonly shows?: readonly string[]
  /** What comes last: the question, the end of what the client says, or nothing, not even an answer to a close. */
  readonly last?: 'ask' | 'finish' | 'nothing'
}

export interface Group {
  readonly name: string
  /** Cases that begin after `101` and `welcome raw`, which go without saying. */
  readonly opened: boolean
  readonly cases: readonly Case[]
}

/** The shortest request that is answered; its answer shows as `online_count`. */
export const COUNT = '{"type":"get_online_count"}'

/** The same at any length from its own on. */
function countOf(bytes: number): string {
  return COUNT.padEnd(bytes, ' ')
}

/** A payload as it shows in a line. */
export function shown(payload: Uint8Array | string): string {
  const bytes = Buffer.from(payload as string)
  if (bytes.length > 24) return `${bytes.length} bytes ${bytes.subarray(0, 8).toString('hex')}…`
  return bytes.every(byte => byte >= 32 && byte < 127) ? bytes.toString('latin1') : bytes.toString('hex')
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}

const text = (payload: Uint8Array | string, more: Partial<FrameShape> = {}) =>
  frame({ opcode: OPCODE.text, payload, ...more })
const more = (payload: Uint8Array | string, fin = true) =>
  frame({ opcode: OPCODE.continuation, payload, fin })
const first = (payload: Uint8Array | string) => text(payload, { fin: false })
const ping = (payload: Uint8Array | string = '', more: Partial<FrameShape> = {}) =>
  frame({ opcode: OPCODE.ping, payload, ...more })
const pong = (payload: Uint8Array | string = '', more: Partial<FrameShape> = {}) =>
  frame({ opcode: OPCODE.pong, payload, ...more })
const together = (...frames: Uint8Array[]) => [Buffer.concat(frames)]
const bytewise = (bytes: Uint8Array) => Array.from(bytes, byte => Uint8Array.of(byte))
const repeat = <Item>(count: number, item: (index: number) => Item) =>
  Array.from({ length: count }, (_, index) => item(index))

/** Cuts a payload into fragments of a text message. */
function fragments(parts: readonly (Uint8Array | string)[]): Buffer[] {
  return parts.map((payload, index) =>
    frame({
      opcode: index === 0 ? OPCODE.text : OPCODE.continuation,
      payload,
      fin: index === parts.length - 1,
    }),
  )
}

const violation = ['close 1002', 'end']

// Handshake

const accepted = (title: string, request: RequestShape, shown = '101', userId = 'raw'): Case => ({
  title,
  request,
  expect: [shown, `welcome ${userId}`, 'open'],
})

const refused = (title: string, request: RequestShape, status: number, shows: string[] = []): Case => ({
  title,
  request,
  shows: shows.map(show => show.split('=')[0] ?? ''),
  expect: [`HTTP ${status}${shows.map(show => ` ${show}`).join('')}`, 'end'],
})

/** An ordinary request, answered as one; the TCP connection is kept for the next. */
const answered = (title: string, request: RequestShape, status: number, shows: string[] = []): Case => ({
  ...refused(title, request, status, shows),
  expect: [`HTTP ${status}${shows.map(show => ` ${show}`).join('')}`, 'kept'],
})

const turnedAway = (title: string, target: string, field = 'userId'): Case => ({
  title,
  request: { target },
  expect: ['101', `error bad_message${field && ` "${field}"`}`, 'close 4400 bad identity', 'end'],
})

/** What the server does not do yet, and why. */

const header = (name: string, value: string | readonly string[] | undefined): RequestShape => ({
  headers: { [name]: value },
})

const requestLine: Case[] = [
  accepted('a well-formed handshake', {}),
  ...['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE'].map(method =>
    refused(`method ${method}`, { method }, 405),
  ),
  { title: 'method CONNECT', request: { method: 'CONNECT' }, expect: ['end'] },
  refused('method get in lower case', { method: 'get' }, 400),
  refused('a method that does not exist', { method: 'WEBSOCKET' }, 400),
  ...['HTTP/1.2', 'HTTPS/1.1', 'http/1.1', 'HTTP/11'].map(version =>
    refused(`version ${version}`, { version }, 400),
  ),
  ...['HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0'].map(version => refused(`version ${version}`, { version }, 400)),
  {
    title: 'an HTTP/2 preface',
    raw: [Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
    expect: ['HTTP 400', 'end'],
  },
  {
    title: 'a TLS hello',
    raw: [hex('16 03 01 00 05 01 00 00 01 00')],
    expect: ['HTTP 400', 'end'],
  },
  {
    title: 'line ends without CR',
    raw: [Buffer.from(handshake().toString().replaceAll('\r', ''))],
    expect: ['HTTP 400', 'end'],
  },
  {
    title: 'an empty line before the request',
    raw: [Buffer.concat([Buffer.from('\r\n'), handshake()])],
    expect: ['101', 'welcome raw', 'open'],
  },
  {
    title: 'a handshake byte by byte',
    raw: bytewise(handshake()),
    expect: ['101', 'welcome raw', 'open'],
  },
  {
    title: 'half a handshake, then nothing more',
    raw: [handshake().subarray(0, 40)],
    last: 'finish',
    expect: ['HTTP 400', 'end'],
  },
  { title: 'a connection without a word', raw: [], last: 'finish', expect: ['end'] },
  {
    title: 'a handshake with frames right behind it, in one segment',
    raw: together(handshake(), text(COUNT), text('{')),
    expect: ['101', 'welcome raw', 'online_count', 'error bad_json', 'open'],
  },
  {
    title: 'a handshake with half a frame right behind it',
    raw: together(handshake(), text(COUNT).subarray(0, 9)),
    send: [text(COUNT).subarray(9)],
    expect: ['101', 'welcome raw', 'online_count', 'open'],
  },
  {
    title: 'a handshake with an unmasked frame right behind it',
    raw: together(handshake(), text(COUNT, { mask: 'none' })),
    expect: ['101', 'welcome raw', ...violation],
  },
]

const headers: Case[] = [
  refused('no Host', header('Host', undefined), 400),
  refused('two Hosts', header('Host', ['127.0.0.1', 'example.com']), 400),
  answered('no Upgrade', header('Upgrade', undefined), 426, ['upgrade=websocket']),
  answered('no Connection', header('Connection', undefined), 426, ['upgrade=websocket']),
  refused('no Sec-WebSocket-Key', header('Sec-WebSocket-Key', undefined), 400),
  ...['WebSocket', 'WEBSOCKET', 'wEbSoCkEt'].map(value =>
    accepted(`Upgrade: ${value}`, header('Upgrade', value)),
  ),
  ...['websocket, h2c', 'h2c,WebSocket', ', websocket'].map(value =>
    accepted(`Upgrade: ${value}`, header('Upgrade', value)),
  ),
  accepted('two Upgrade headers', header('Upgrade', ['h2c', 'websocket'])),
  // What is no offer of WebSocket is ignored: this is a plain GET /ws.
  ...['h2c', 'TLS/1.0', 'h2c, TLS/1.0', 'websocket2', 'web socket', 'websocket/13'].map(value =>
    answered(`Upgrade: ${JSON.stringify(value)}`, header('Upgrade', value), 426, ['upgrade=websocket']),
  ),
  answered('Upgrade: ""', header('Upgrade', ''), 426, ['upgrade=websocket']),
  ...[
    'upgrade',
    'UPGRADE',
    'keep-alive, Upgrade',
    'Upgrade, keep-alive',
    'keep-alive,upgrade',
    'keep-alive , Upgrade , x',
  ].map(value => accepted(`Connection: ${value}`, header('Connection', value))),
  accepted('two Connection headers', header('Connection', ['keep-alive', 'Upgrade'])),
  answered('Connection: keep-alive', header('Connection', 'keep-alive'), 426, ['upgrade=websocket']),
  refused('Connection: close', header('Connection', 'close'), 426, ['upgrade=websocket']),
  answered('Connection: Upgraded', header('Connection', 'Upgraded'), 426, ['upgrade=websocket']),
  answered('Connection: "Upgrade"', header('Connection', '"Upgrade"'), 426, ['upgrade=websocket']),
  ...[
    ...['0', '7', '12', '14', '255', '256', '-13', '', 'abc', '13, 8', '8', '013', '13.0', '0xd', '+13'],
    undefined,
    ['13', '13'],
  ].map(value =>
    refused(`Sec-WebSocket-Version: ${JSON.stringify(value)}`, header('Sec-WebSocket-Version', value), 426, [
      'sec-websocket-version=13',
    ]),
  ),
  ...Object.entries({
    'the one of another client': Buffer.alloc(16, 7).toString('base64'),
    'all zeros': Buffer.alloc(16).toString('base64'),
    'with + and /': '+/+/+/+/+/+/+/+/+/+/+w==',
  }).map(([which, key]) => accepted(`a key, ${which}`, header('Sec-WebSocket-Key', key))),
  ...Object.entries({
    'that is empty': '',
    'of 15 bytes': Buffer.alloc(15, 1).toString('base64'),
    'of 17 bytes': Buffer.alloc(17, 1).toString('base64'),
    'of 0 bytes in padding': '==',
    'without its padding': 'dGhlIHNhbXBsZSBub25jZQ',
    'in the URL alphabet': '-_-_-_-_-_-_-_-_-_-_-w==',
    'with a space inside': 'dGhlIHNhbXBs ZSBub25jZQ==',
    'in quotes': '"dGhlIHNhbXBsZSBub25jZQ=="',
    'of 4 KiB': 'A'.repeat(4096),
  }).map(([which, key]) => refused(`a key ${which}`, header('Sec-WebSocket-Key', key), 400)),
  refused(
    'two keys',
    header('Sec-WebSocket-Key', ['dGhlIHNhbXBsZSBub25jZQ==', 'dGhlIHNhbXBsZSBub25jZQ==']),
    400,
  ),
  refused('a space before the colon of a header', header('X-Test ', '1'), 400),
  refused('a header without a name', header('', '1'), 400),
  refused('a NUL in a header', header('X-Test', 'a\0b'), 400),
  refused('a header continued on the next line', header('X-Test', 'a\r\n b'), 400),
  accepted('a header with bytes that are not ASCII', header('X-Test', 'ä\u00ff')),
  accepted('a header nobody knows', header('Sec-WebSocket-Accept', 'x')),
  accepted('12 KiB of headers', header('X-Test', 'x'.repeat(12 * 1024))),
  refused('a header of 16 KiB', header('X-Test', 'x'.repeat(16 * 1024)), 431),
  refused(
    '16 KiB of short headers',
    header(
      'X-Test',
      repeat(1_400, () => 'abcdefg'),
    ),
    431,
  ),
]

const negotiation: Case[] = [
  ...['who-is-online.v1', 'other, who-is-online.v1', 'who-is-online.v1,other'].map(value =>
    accepted(
      `Sec-WebSocket-Protocol: ${value}`,
      header('Sec-WebSocket-Protocol', value),
      '101 who-is-online.v1',
    ),
  ),
  accepted(
    'subprotocols in two headers',
    header('Sec-WebSocket-Protocol', ['other', 'who-is-online.v1']),
    '101 who-is-online.v1',
  ),
  accepted(
    'a bearer token beside the subprotocol is never echoed',
    header('Sec-WebSocket-Protocol', 'bearer.secret, who-is-online.v1'),
    '101 who-is-online.v1',
  ),
  ...[
    'who-is-online.v2',
    'who-is-online.v2, who-is-online.v1',
    'who-is-online.v1,bearer.x,who-is-online.v2',
  ].map(value =>
    accepted(
      `Sec-WebSocket-Protocol: ${value}`,
      header('Sec-WebSocket-Protocol', value),
      '101 who-is-online.v2',
    ),
  ),
  ...['graphql-ws', 'who-is-online', 'WHO-IS-ONLINE.V1', 'who-is-online.v11', 'bearer.secret'].map(value =>
    accepted(`Sec-WebSocket-Protocol: ${value} is not spoken`, header('Sec-WebSocket-Protocol', value)),
  ),
  ...[
    '',
    ',',
    'a,,b',
    'a b',
    'who-is-online.v1,',
    ',who-is-online.v1',
    'a/b',
    '"who-is-online.v1"',
    'a, a',
  ].map(value =>
    refused(
      `Sec-WebSocket-Protocol: ${JSON.stringify(value)} is malformed`,
      header('Sec-WebSocket-Protocol', value),
      400,
    ),
  ),
  ...[
    'permessage-deflate',
    'permessage-deflate; client_max_window_bits',
    'permessage-deflate; server_no_context_takeover; client_no_context_takeover, permessage-deflate',
    'x-webkit-deflate-frame',
    'permessage-bzip2; level=9',
    ';;;',
  ].map(value =>
    accepted(`Sec-WebSocket-Extensions: ${value} is not taken`, header('Sec-WebSocket-Extensions', value)),
  ),
  {
    title: 'a compressed frame after an offer of permessage-deflate',
    request: header('Sec-WebSocket-Extensions', 'permessage-deflate'),
    send: [text(hex('ab ae 05 00'), { rsv: 4 })],
    expect: ['101', 'welcome raw', ...violation],
  },
]

const paths: Case[] = [
  ...[
    '/',
    '/ws/',
    '/WS',
    '//ws',
    '/ws/x',
    '/wss',
    '/ws;x',
    '/%77s',
    '/api/../ws',
    '/.',
    '/ws%3FuserId=raw',
  ].map(target => refused(`path ${target}`, { target: `${target}?userId=raw` }, 404)),
  refused('target *', { target: '*' }, 404),
  refused('an empty target', { target: '' }, 400),
  refused('a target with a space', { target: '/ws?userId=a b' }, 400),
  refused('a target with a NUL', { target: '/ws?userId=a\0b' }, 400),
  accepted('a target with scheme and host', { target: 'http://127.0.0.1/ws?userId=raw' }),
  accepted('a URL of 8 KiB', { target: '/ws?userId=raw&x='.padEnd(8_192, 'x') }),
  refused('a URL of 8 KiB and a byte', { target: '/ws?userId=raw&x='.padEnd(8_193, 'x') }, 414),
  refused('a URL of 17 KiB', { target: '/ws?userId=raw&x='.padEnd(17_408, 'x') }, 431),
]

const plainHttp: Case[] = [
  answered('GET /ws without an upgrade', { headers: plain() }, 426, ['upgrade=websocket']),
  answered('HEAD /ws without an upgrade', { method: 'HEAD', headers: plain() }, 426, ['upgrade=websocket']),
  answered(
    'POST /ws without an upgrade',
    { method: 'POST', headers: { ...plain(), 'Content-Length': '0' } },
    405,
    ['allow=GET, HEAD, OPTIONS'],
  ),
  answered('GET /healthz', { target: '/healthz', headers: plain() }, 200),
  answered('GET /nowhere', { target: '/nowhere', headers: plain() }, 404, [
    'content-type=application/problem+json; charset=utf-8',
  ]),
  refused(
    'GET /healthz without a Host',
    { target: '/healthz', headers: { ...plain(), Host: undefined } },
    400,
  ),
]

function plain(): Record<string, undefined> {
  return {
    Upgrade: undefined,
    Connection: undefined,
    'Sec-WebSocket-Key': undefined,
    'Sec-WebSocket-Version': undefined,
  }
}

const identities: Case[] = [
  ...(
    [
      ['a%20b', 'a b'],
      ['a+b', 'a b'],
      ['a%2Bb', 'a+b'],
      ['a=b', 'a=b'],
      ['a%26b%3Dc', 'a&b=c'],
      ['a/b?c', 'a/b?c'],
      ['%C3%A4', 'ä'],
      ['%c3%a4', 'ä'],
      ['%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB', '👩‍💻'],
      ['%E2%80%A8', '\u2028'],
      ['%EF%BB%BFa', '\ufeffa'],
      ['%2525', '%25'],
      ['__proto__', '__proto__'],
      ['%00a', undefined],
      ['a%0Ab', undefined],
      ['%7F', undefined],
      ['%C2%85', undefined],
    ] as const
  ).map(([query, userId]) =>
    userId === undefined
      ? turnedAway(`userId=${query} has a control character`, `/ws?userId=${query}`)
      : accepted(
          `userId=${query} is ${JSON.stringify(userId)}`,
          { target: `/ws?userId=${query}` },
          '101',
          userId,
        ),
  ),
  accepted('userId of 128 bytes', { target: `/ws?userId=${'x'.repeat(128)}` }, '101', 'x'.repeat(128)),
  turnedAway('userId of 129 bytes', `/ws?userId=${'x'.repeat(129)}`),
  turnedAway('userId of 65 characters and 130 bytes', `/ws?userId=${'%C3%A4'.repeat(65)}`),
  turnedAway('no query', '/ws'),
  turnedAway('an empty query', '/ws?'),
  turnedAway('no userId in the query', '/ws?user=raw'),
  turnedAway('USERID', '/ws?USERID=raw'),
  turnedAway('an empty userId', '/ws?userId='),
  turnedAway('userId without =', '/ws?userId'),
  turnedAway('two userIds', '/ws?userId=a&userId=b'),
  turnedAway('the same userId twice', '/ws?userId=raw&userId=raw'),
  ...['%', '%4', '%zz', '%FF', '%C3', '%C0%AF', '%ED%A0%80', '%F4%90%80%80', '%u0041'].map(query =>
    turnedAway(`userId=${query} is no UTF-8`, `/ws?userId=${query}`, ''),
  ),
  refused('a userId in bytes that are not ASCII', { target: '/ws?userId=Ã¤' }, 400),
  turnedAway('a malformed name beside a good userId', '/ws?userId=raw&x=%FF', ''),
  accepted('an empty username, which is none', { target: '/ws?userId=raw&username=' }),
  turnedAway('a username with a line end', '/ws?userId=raw&username=a%0Ab', 'username'),
  accepted('userId percent-encoded in its name', { target: '/ws?user%49d=raw' }),
  accepted('a username', { target: '/ws?userId=raw&username=Ann' }),
  accepted('parameters nobody knows', { target: '/ws?v=1&&userId=raw&__proto__=x&constructor' }),
  {
    ...turnedAway('turned away, and it never answers the close', '/ws'),
    last: 'nothing',
  },
  {
    title: 'turned away, and it goes on talking',
    request: { target: '/ws' },
    send: [text(COUNT), ping('x'), text(COUNT)],
    expect: ['101', 'error bad_message "userId"', 'close 4400 bad identity', 'end'],
  },
]

const origin = (value: string | readonly string[], host = '127.0.0.1'): RequestShape => ({
  headers: { Host: host, Origin: value },
})

const origins: Case[] = [
  ...[
    'http://127.0.0.1',
    'http://127.0.0.1:9999',
    'https://localhost',
    'http://LOCALHOST:3000',
    'http://app.localhost',
    'http://192.168.1.7:8080',
    'http://10.1.2.3',
    'http://[::1]:3000',
    'http://[fe80::1]',
    'null',
  ].map(value => accepted(`Origin: ${value} in development`, origin(value))),
  accepted('the server’s own host', origin('https://presence.example.com', 'presence.example.com')),
  accepted('the server’s own host and port', origin('http://p.example.com:81', 'p.example.com:81')),
  accepted('the server’s own host in capitals', origin('https://p.example.com', 'P.EXAMPLE.COM')),
  refused('the server’s own host, another port', origin('http://p.example.com:82', 'p.example.com:81'), 403),
  ...[
    'https://example.com',
    'http://localhost.example.com',
    'http://127.0.0.1.example.com',
    'http://8.8.8.8',
    'http://172.32.0.1',
    'http://examplelocalhost',
    'file:///tmp/x.html',
    'chrome-extension://abcdef',
    'javascript:alert(1)',
    'localhost',
    'NULL',
    '',
    'http://',
    'http://localhost, http://localhost',
  ].map(value => refused(`Origin: ${JSON.stringify(value)}`, origin(value), 403)),
  refused('two Origins', origin(['http://localhost', 'https://example.com']), 403),
]

// Framing

const framing: Case[] = [
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
    title: `a length of 0x${length.toString(16)} and nothing behind it`,
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
    // Control frames may overtake messages, and do: replies leave when the whole read has been looked at.
    title: 'texts and pings mixed in one segment: pongs go first, answers are in order',
    send: together(ping('a'), text(COUNT), ping('b'), text('{'), ping('c')),
    expect: ['pong a', 'pong b', 'pong c', 'online_count', 'error bad_json', 'open'],
  },
  {
    title: 'a good frame and a reserved opcode in one segment',
    send: together(text(COUNT), frame({ opcode: 3 })),
    expect: ['online_count', ...violation],
  },
  {
    title: 'nothing counts after a violation',
    send: together(frame({ opcode: 3 }), text(COUNT), ping('x'), closeFrame(1000)),
    expect: violation,
  },
  {
    title: 'HTTP after the upgrade',
    send: [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    expect: violation,
  },
  { title: 'zeros', send: [Buffer.alloc(64)], expect: violation },
  { title: 'half a header, then the end', send: [Uint8Array.of(0x81)], last: 'finish', expect: ['end'] },
  {
    title: 'half a payload, then the end',
    send: [text(COUNT).subarray(0, 20)],
    last: 'finish',
    expect: ['end'],
  },
  { title: 'the end without a close', last: 'finish', expect: ['end'] },
]

function pieces(bytes: Buffer, size: number): Buffer[] {
  return repeat(Math.ceil(bytes.length / size), index => bytes.subarray(index * size, (index + 1) * size))
}

// Fragmentation

const COUNT_PARTS = ['{"type":', '"get_online', '_count"}']

const fragmentation: Case[] = [
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
    title: 'the limit is of each message',
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
    title: '20 pings between fragments are no fragments',
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
  { title: 'an unfinished text, then the end', send: [first('{')], last: 'finish', expect: ['end'] },
]

// Control frames

const bytesOf = (length: number) => Buffer.from(repeat(length, index => index & 0xff))

const control: Case[] = [
  ...[0, 1, 2, 7, 8, 31, 63, 64, 100, 124, 125].map(length => ({
    title: `a ping of ${length} bytes comes back whole`,
    send: [ping(bytesOf(length))],
    expect: [`pong ${shown(bytesOf(length))}`.trimEnd(), 'open'],
  })),
  {
    title: 'a ping of 125 times 0xff',
    send: [ping(Buffer.alloc(125, 0xff))],
    expect: [`pong ${shown(Buffer.alloc(125, 0xff))}`, 'open'],
  },
  ...[0, 1, 125].map(length => ({
    title: `a pong of ${length} bytes that nobody asked for`,
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
    // Pings that come faster than pongs can leave would grow a queue without end.
    title: '200 pings in one segment: 60 pongs, and it is broken off',
    send: together(...repeat(200, index => ping(`${index}`))),
    last: 'nothing',
    expect: [...repeat(60, index => `pong ${index}`), 'end'],
  },
  {
    title: 'an echo of a ping that never was',
    send: [pong(''), pong('x'), text(COUNT)],
    expect: ['online_count', 'open'],
  },
  {
    title: 'a ping with bytes that are no UTF-8',
    send: [ping(hex('ff fe c0 80'))],
    expect: ['pong fffec080', 'open'],
  },
  {
    title: 'a ping before a close is answered before it',
    send: together(ping('last'), closeFrame(1000)),
    expect: ['pong last', 'close 1000', 'end'],
  },
]

// Closing

const closing: Case[] = [
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
    'a cut sequence at its end': '62 79 65 e2 82',
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
    title: 'half a close, then the end',
    send: [closeFrame(1000).subarray(0, 5)],
    last: 'finish',
    expect: ['end'],
  },
  {
    title: 'a close, then the end at once',
    send: [closeFrame(1000)],
    last: 'finish',
    expect: ['close 1000', 'end'],
  },
  {
    title: 'a violation, and it never answers the close',
    send: [frame({ opcode: 3 })],
    last: 'nothing',
    expect: violation,
  },
]

// UTF-8. The payload is the username of an `identify`, so that a good one is taken in silence.

const named = (bytes: Uint8Array | string) =>
  Buffer.concat([
    Buffer.from('{"type":"identify","username":"'),
    Buffer.from(bytes as string),
    Buffer.from('"}'),
  ])

const utf8: Case[] = [
  ...Object.entries({
    'the first of 2 bytes, U+00A0': 'c2 a0',
    'the last of 2 bytes, U+07FF': 'df bf',
    'the first of 3 bytes, U+0800': 'e0 a0 80',
    'the last before the surrogates, U+D7FF': 'ed 9f bf',
    'the first behind the surrogates, U+E000': 'ee 80 80',
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
    'DEL as an escape is a control character': '',
  })
    .filter(([, bytes]) => bytes !== '')
    .map(([what, bytes]) => ({
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
    title: 'bad UTF-8 behind good JSON',
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

function split(bytes: string, at: number): Buffer[] {
  const whole = named(hex(bytes))
  const cut = '{"type":"identify","username":"'.length + at
  return fragments([whole.subarray(0, cut), whole.subarray(cut)])
}

function splitEach(bytes: string): Buffer[] {
  const whole = named(hex(bytes))
  const begin = '{"type":"identify","username":"'.length
  const length = hex(bytes).length
  const cuts = [0, ...repeat(length, index => begin + index + 1), whole.length]
  return fragments(cuts.slice(1).map((cut, index) => whole.subarray(cuts[index], cut)))
}

// Binary

const notText = ['close 1003 text frames only', 'end']

const binary: Case[] = [
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
    title: 'a binary message, and it never answers the close',
    send: [frame({ opcode: 2 })],
    last: 'nothing',
    expect: notText,
  },
]

// What is in the texts

const says = (title: string, message: string | Uint8Array, ...lines: string[]): Case => ({
  title,
  send: [text(message)],
  expect: [...lines, 'open'],
})

const BAD_JSON = 'error bad_json'
const BAD = 'error bad_message'

const texts: Case[] = [
  ...[
    '{',
    '}',
    '',
    ' ',
    'hello',
    "{'type':'get_online_count'}",
    '{type:"get_online_count"}',
    '{"type":"get_online_count",}',
    '{"type":"get_online_count"}}',
    `${COUNT}${COUNT}`,
    `${COUNT}\n${COUNT}`,
    '{"type":"get_online_count"} // why',
    '{"type":NaN}',
    '{"type":01}',
    '{"type":"a\nb"}',
    '{"type":"\\x41"}',
    '{"type":"get_online_count"',
    '\ufeff{"type":"get_online_count"}',
    '\0',
    'undefined',
  ].map(message => says(`not JSON: ${JSON.stringify(message)}`, message, BAD_JSON)),
  ...['null', 'true', '0', '-1e999', '"get_online_count"', '[]', '[{"type":"get_online_count"}]'].map(
    message => says(`JSON, but no object: ${message}`, message, BAD),
  ),
  ...['{}', '{"Type":"get_online_count"}', '{"__proto__":{"type":"get_online_count"}}'].map(message =>
    says(`no type: ${message}`, message, `${BAD} "type"`),
  ),
  ...['null', '1', 'true', '[]', '{}', '["get_online_count"]', '{"toString":"get_online_count"}'].map(type =>
    says(`a type of ${type}`, `{"type":${type}}`, `${BAD} "type"`),
  ),
  ...[
    '',
    'dance',
    'GET_ONLINE_COUNT',
    'get_online_count ',
    '__proto__',
    'constructor',
    'toString',
    'welcome',
    'refusal',
    'subscribe',
  ].map(type =>
    says(`an unknown type, ${JSON.stringify(type)}`, JSON.stringify({ type }), 'error unknown_type "type"'),
  ),
  says(
    'an unknown type with a quote, a line end and half an emoji at the cut',
    JSON.stringify({ type: `"\n${'x'.repeat(37)}👋` }),
    'error unknown_type "type"',
  ),
  says('an unknown type with a lone surrogate', '{"type":"\\ud800"}', 'error unknown_type "type"'),
  says(
    'an unknown type of 60,000 characters',
    JSON.stringify({ type: 'x'.repeat(60_000) }),
    'error unknown_type "type"',
  ),
  says('white space around', ` \t\r\n${COUNT}\r\n `, 'online_count'),
  says('a type in escapes', '{"type":"\\u0067et_online_count"}', 'online_count'),
  says(
    'the type last, unknown keys before',
    '{"id":1,"userId":"x","__proto__":{"a":1},"type":"get_online_count"}',
    'online_count',
  ),
  says('two types: the last one counts', '{"type":"dance","type":"get_online_count"}', 'online_count'),
  says('nested 4 deep', '{"type":"get_online_count","x":[[[1]]]}', 'online_count'),
  says('nested 5 deep', '{"type":"get_online_count","x":[[[[]]]]}', BAD),
  says(
    'nested 10,000 deep in arrays',
    `{"type":"get_online_count","x":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
    BAD,
  ),
  says(
    'nested 5,000 deep in objects',
    `{"type":"get_online_count","x":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`,
    BAD,
  ),
  says('30,000 brackets that never close', '['.repeat(30_000), BAD_JSON),
  says(
    '20,000 keys',
    `{"type":"get_online_count",${repeat(5_000, index => `"k${index}":0`).join()}}`,
    'online_count',
  ),
  { title: '65 KiB of JSON', send: [text(countOf(65 * 1024))], expect: ['close 1009', 'end'] },
  says('check_user_status', '{"type":"check_user_status","targetUserId":"raw"}', 'user_status raw true'),
  says(
    'check_user_status of an unknown user',
    '{"type":"check_user_status","targetUserId":"?"}',
    'user_status ? false',
  ),
  says('check_user_status of 7', '{"type":"check_user_status","targetUserId":7}', 'user_status 7 false'),
  says('check_user_status of 7.0', '{"type":"check_user_status","targetUserId":7.0}', 'user_status 7 false'),
  says('check_user_status of -0', '{"type":"check_user_status","targetUserId":-0}', 'user_status 0 false'),
  says(
    'check_user_status of the largest safe integer',
    '{"type":"check_user_status","targetUserId":9007199254740991}',
    'user_status 9007199254740991 false',
  ),
  ...['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'valueOf'].map(id =>
    says(
      `check_user_status of ${id}`,
      `{"type":"check_user_status","targetUserId":"${id}"}`,
      `user_status ${id} false`,
    ),
  ),
  ...[
    '',
    ',"targetUserId":null',
    ',"targetUserId":true',
    ',"targetUserId":[]',
    ',"targetUserId":{}',
    ',"targetUserId":["raw"]',
    ',"targetUserId":""',
    ',"targetUserId":1.5',
    ',"targetUserId":9007199254740992',
    ',"targetUserId":1e400',
    ',"targetUserId":"a\\u0000"',
    ',"targetUserId":"\\ud83d"',
    `,"targetUserId":"${'x'.repeat(129)}"`,
    ',"targetuserid":"raw"',
    ',"userId":"raw"',
    ',"__proto__":{"targetUserId":"raw"}',
  ].map(field =>
    says(
      `check_user_status with ${field.slice(1, 40) || 'nothing'}`,
      `{"type":"check_user_status"${field}}`,
      `${BAD} "targetUserId"`,
    ),
  ),
  says('set_status online', '{"type":"set_status","status":"online"}', 'status_updated online'),
  ...[
    '',
    ',"status":null',
    ',"status":1',
    ',"status":"away"',
    ',"status":"ONLINE"',
    ',"status":"online "',
    ',"status":["online"]',
    ',"status":"constructor"',
  ].map(field =>
    says(
      `set_status with ${field.slice(1) || 'nothing'}`,
      `{"type":"set_status"${field}}`,
      `${BAD} "status"`,
    ),
  ),
  says('identify', '{"type":"identify","username":"Ann"}'),
  ...[
    '',
    ',"username":null',
    ',"username":7',
    ',"username":""',
    ',"username":"a\\nb"',
    ',"username":"\\u007f"',
    ',"username":"\\udc00"',
    `,"username":"${'ä'.repeat(65)}"`,
  ].map(field =>
    says(
      `identify with ${field.slice(1, 40) || 'nothing'}`,
      `{"type":"identify"${field}}`,
      `${BAD} "username"`,
    ),
  ),
  says('identify with 128 bytes in 64 characters', `{"type":"identify","username":"${'ä'.repeat(64)}"}`),
  says('get_all_users', '{"type":"get_all_users"}', 'all_users'),
  {
    title: 'requests of every type in one segment are answered in order',
    send: together(
      ...[
        COUNT,
        '{"type":"check_user_status","targetUserId":"raw"}',
        '{"type":"dance"}',
        '{"type":"set_status","status":"online"}',
        '{',
      ].map(message => textFrame(message)),
    ),
    expect: [
      'online_count',
      'user_status raw true',
      'error unknown_type "type"',
      'status_updated online',
      BAD_JSON,
      'open',
    ],
  },
  {
    title: '100 texts that are not JSON',
    send: together(...repeat(100, () => text('{'))),
    expect: [...repeat(100, () => BAD_JSON), 'open'],
  },
]

export const groups: readonly Group[] = [
  { name: 'the request line', opened: false, cases: requestLine },
  { name: 'headers', opened: false, cases: headers },
  { name: 'subprotocols and extensions', opened: false, cases: negotiation },
  { name: 'paths', opened: false, cases: paths },
  { name: 'plain HTTP', opened: false, cases: plainHttp },
  { name: 'who it is', opened: false, cases: identities },
  { name: 'origins', opened: false, cases: origins },
  { name: 'framing', opened: true, cases: framing },
  { name: 'fragmentation', opened: true, cases: fragmentation },
  { name: 'control frames', opened: true, cases: control },
  { name: 'closing', opened: true, cases: closing },
  { name: 'UTF-8', opened: true, cases: utf8 },
  { name: 'binary', opened: true, cases: binary },
  { name: 'texts', opened: true, cases: texts },
]
