import type { RequestShape } from '@who-is-online/testing/raw-client'
import type { Case } from './case.ts'
import { COUNT, ping, text } from './frames.ts'
import { accepted, answered, refused, refusedAfterUpgrade } from './handshake.ts'

/** The path and the length of the request target. */
export const paths: readonly Case[] = [
  ...['/', '/ws//', '//ws', '/ws/x', '/wss', '/ws;x', '/%77s', '/api/../ws', '/.', '/ws%3FuserId=raw'].map(
    target => refused(`path ${target}`, { target: `${target}?userId=raw` }, 404),
  ),
  ...['/ws/', '/WS', 'HTTP://127.0.0.1/Ws/'].map(path =>
    accepted(`path ${path}`, { target: `${path}?userId=raw` }),
  ),
  ...['http://', 'http:///ws', 'ftp://127.0.0.1/ws'].map(target =>
    refused(`target ${target}`, { target: `${target}?userId=raw` }, 404),
  ),
  refused('target *', { target: '*' }, 404),
  refused('an empty target', { target: '' }, 400),
  refused('a target with a space', { target: '/ws?userId=a b' }, 400),
  refused('a target with a NUL', { target: '/ws?userId=a\0b' }, 400),
  accepted('a target with scheme and host', { target: 'http://127.0.0.1/ws?userId=raw' }),
  accepted('a URL of 8 KiB', { target: '/ws?userId=raw&x='.padEnd(8_192, 'x') }),
  refused('a URL of 8 KiB and a byte', { target: '/ws?userId=raw&x='.padEnd(8_193, 'x') }, 414),
  refused('a URL of 17 KiB', { target: '/ws?userId=raw&x='.padEnd(17_408, 'x') }, 431),
]

/** Requests without an upgrade. */
export const plainHttp: readonly Case[] = [
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

/** Removes the headers of a WebSocket handshake. */
function plain(): Record<string, undefined> {
  return {
    Upgrade: undefined,
    Connection: undefined,
    'Sec-WebSocket-Key': undefined,
    'Sec-WebSocket-Version': undefined,
  }
}

/** The query parameters that identify the user. */
export const identities: readonly Case[] = [
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
      ? refusedAfterUpgrade(`userId=${query} has a control character`, `/ws?userId=${query}`)
      : accepted(
          `userId=${query} is ${JSON.stringify(userId)}`,
          { target: `/ws?userId=${query}` },
          '101',
          userId,
        ),
  ),
  accepted('userId of 128 bytes', { target: `/ws?userId=${'x'.repeat(128)}` }, '101', 'x'.repeat(128)),
  refusedAfterUpgrade('userId of 129 bytes', `/ws?userId=${'x'.repeat(129)}`),
  refusedAfterUpgrade('userId of 65 characters and 130 bytes', `/ws?userId=${'%C3%A4'.repeat(65)}`),
  refusedAfterUpgrade('no query', '/ws'),
  refusedAfterUpgrade('an empty query', '/ws?'),
  refusedAfterUpgrade('no userId in the query', '/ws?user=raw'),
  refusedAfterUpgrade('USERID', '/ws?USERID=raw'),
  refusedAfterUpgrade('an empty userId', '/ws?userId='),
  refusedAfterUpgrade('userId without =', '/ws?userId'),
  refusedAfterUpgrade('two userIds', '/ws?userId=a&userId=b'),
  refusedAfterUpgrade('the same userId twice', '/ws?userId=raw&userId=raw'),
  ...['%', '%4', '%zz', '%FF', '%C3', '%C0%AF', '%ED%A0%80', '%F4%90%80%80', '%u0041'].map(query =>
    refusedAfterUpgrade(`userId=${query} is not UTF-8`, `/ws?userId=${query}`, ''),
  ),
  refused('a userId in bytes that are not ASCII', { target: '/ws?userId=Ã¤' }, 400),
  refusedAfterUpgrade('a malformed parameter next to a valid userId', '/ws?userId=raw&x=%FF', ''),
  accepted('an empty username, which means no username', { target: '/ws?userId=raw&username=' }),
  refusedAfterUpgrade('a username with a line end', '/ws?userId=raw&username=a%0Ab', 'username'),
  accepted('userId percent-encoded in its name', { target: '/ws?user%49d=raw' }),
  accepted('a username', { target: '/ws?userId=raw&username=Ann' }),
  accepted('unknown parameters', { target: '/ws?v=1&&userId=raw&__proto__=x&constructor' }),
  {
    ...refusedAfterUpgrade('refused, and the client never answers the close', '/ws'),
    last: 'nothing',
  },
  {
    title: 'refused, and the client continues to send',
    request: { target: '/ws' },
    send: [text(COUNT), ping('x'), text(COUNT)],
    expect: ['101', 'error bad_message "userId"', 'close 4400 bad identity', 'end'],
  },
]

/** A handshake with this Origin and Host. */
const origin = (value: string | readonly string[], host = '127.0.0.1'): RequestShape => ({
  headers: { Host: host, Origin: value },
})

/** RFC 6455, section 10.2: origins. */
export const origins: readonly Case[] = [
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
  ].map(value => accepted(`Origin: ${value} in development`, origin(value))),
  refused('Origin: null in development', origin('null'), 403),
  refused('the server’s own host, which is not named', origin('http://evil.test', 'evil.test'), 403),
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
  refused('two Origins', origin(['http://localhost', 'https://example.com']), 400),
]
