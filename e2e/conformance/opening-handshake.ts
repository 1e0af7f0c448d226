import { handshake } from '@who-is-online/testing/raw-client'
import type { Case } from './case.ts'
import { bytewise, COUNT, hex, repeat, text, together, violation } from './frames.ts'
import { accepted, answered, header, refused } from './handshake.ts'

/** RFC 6455, section 4.1: the request line and how the request is split into segments. */
export const requestLine: readonly Case[] = [
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
  { title: 'a connection without any bytes', raw: [], last: 'finish', expect: ['end'] },
  {
    title: 'a handshake followed by frames in the same segment',
    raw: together(handshake(), text(COUNT), text('{')),
    expect: ['101', 'welcome raw', 'online_count', 'error bad_json', 'open'],
  },
  {
    title: 'a handshake followed by half a frame',
    raw: together(handshake(), text(COUNT).subarray(0, 9)),
    send: [text(COUNT).subarray(9)],
    expect: ['101', 'welcome raw', 'online_count', 'open'],
  },
  {
    title: 'a handshake followed by an unmasked frame',
    raw: together(handshake(), text(COUNT, { mask: 'none' })),
    expect: ['101', 'welcome raw', ...violation],
  },
]

/** RFC 6455, section 4.2.1: the headers of the handshake. */
export const headers: readonly Case[] = [
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
  // An `Upgrade` that does not offer WebSocket is ignored: this is an ordinary GET /ws.
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
  accepted('an unknown header', header('Sec-WebSocket-Accept', 'x')),
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

/** RFC 6455, sections 4.2.2 and 9: subprotocols and extensions. */
export const negotiation: readonly Case[] = [
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
    'a bearer token next to the subprotocol is not echoed',
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
