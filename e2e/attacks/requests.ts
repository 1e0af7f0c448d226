import { connect } from 'node:net'
import { handshake, SAMPLE_KEY, textFrame } from '@who-is-online/testing/raw-client'

// Requests that a proxy and a server could read in different ways. What one of them takes for a body, the other one
// must not take for a request.

/** Bytes of one connection, and the answers that may come back: status codes, and `welcome` for a connection. */
export interface HostileRequest {
  readonly title: string
  readonly bytes: string | Buffer
  readonly expected: readonly string[]
}

const HOST = 'Host: 127.0.0.1\r\n'
const UPGRADE = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${SAMPLE_KEY}\r\nSec-WebSocket-Version: 13\r\n`

/** A request that is answered with 200 if the server takes it for one. */
const INNER = 'GET /healthz HTTP/1.1\r\nHost: inner\r\nConnection: close\r\n\r\n'

const websocket = (headers: string, rest = '', target = '/ws?userId=raw') =>
  `GET ${target} HTTP/1.1\r\n${HOST}${UPGRADE}${headers}\r\n${rest}`

const plain = (headers: string, rest = '', first = 'GET /healthz HTTP/1.1') =>
  `${first}\r\n${HOST}Connection: close\r\n${headers}\r\n${rest}`

export const requests: readonly HostileRequest[] = [
  {
    title: 'an upgrade with Content-Length: its body is no request',
    bytes: websocket(`Content-Length: ${INNER.length}\r\n`, INNER),
    expected: ['400'],
  },
  {
    title: 'an upgrade with Transfer-Encoding: its body is no request',
    bytes: websocket('Transfer-Encoding: chunked\r\n', `0\r\n\r\n${INNER}`),
    expected: ['400'],
  },
  {
    title: 'an upgrade with Transfer-Encoding: identity',
    bytes: websocket('Transfer-Encoding: identity\r\n', INNER),
    expected: ['400'],
  },
  {
    title: 'an upgrade with Content-Length and Transfer-Encoding',
    bytes: websocket('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${INNER}`),
    expected: ['400'],
  },
  {
    title: 'an upgrade with two Content-Lengths',
    bytes: websocket(`Content-Length: 0\r\nContent-Length: ${INNER.length}\r\n`, INNER),
    expected: ['400'],
  },
  {
    title: 'an upgrade with a Content-Length that is no number',
    bytes: websocket('Content-Length: +5\r\n', INNER),
    expected: ['400'],
  },
  {
    title: 'an upgrade with Content-Length: 0 has no body',
    bytes: websocket('Content-Length: 0\r\n'),
    expected: ['101', 'welcome'],
  },
  {
    title: 'a request behind an upgrade is no request but a frame, which is not valid',
    bytes: websocket('', INNER),
    expected: ['101', 'welcome'],
  },
  {
    title: 'a frame behind an upgrade, before the 101, is read',
    bytes: Buffer.concat([handshake(), textFrame('{"type":"get_online_count"}')]),
    expected: ['101', 'welcome', 'online_count'],
  },
  {
    title: 'a request behind a refused upgrade is not answered',
    bytes: `${websocket('Origin: https://evil.example\r\n')}${INNER}`,
    expected: ['403'],
  },
  {
    title: 'an upgrade to another protocol with a body: the body is no request',
    bytes: plain(`Upgrade: h2c\r\nContent-Length: ${INNER.length}\r\n`, INNER, 'POST /healthz HTTP/1.1'),
    expected: ['405'],
  },
  {
    title: 'an upgrade to another protocol with a chunked body',
    bytes: plain(
      'Upgrade: h2c\r\nTransfer-Encoding: chunked\r\n',
      `0\r\n\r\n${INNER}`,
      'POST /healthz HTTP/1.1',
    ),
    expected: ['411'],
  },
  { title: 'two Hosts, plain HTTP', bytes: plain('Host: example.com\r\n'), expected: ['400'] },
  { title: 'two equal Hosts, plain HTTP', bytes: plain(HOST), expected: ['400'] },
  { title: 'two Hosts, an upgrade', bytes: websocket('Host: example.com\r\n'), expected: ['400'] },
  {
    title: 'two Authorizations, plain HTTP',
    bytes: plain('Authorization: Bearer a\r\nAuthorization: Bearer b\r\n'),
    expected: ['400'],
  },
  {
    title: 'two Authorizations, an upgrade',
    bytes: websocket('Authorization: Bearer a\r\nAuthorization: Bearer b\r\n'),
    expected: ['400'],
  },
  { title: '2,000 headers, plain HTTP', bytes: plain('a:\r\n'.repeat(2_000)), expected: ['431'] },
  { title: '2,000 headers, an upgrade', bytes: websocket('a:\r\n'.repeat(2_000)), expected: ['431'] },
  {
    title: 'a Content-Length behind 2,000 headers does not hide',
    bytes: plain(
      `Upgrade: h2c\r\n${'a:\r\n'.repeat(2_000)}Content-Length: ${INNER.length}\r\n`,
      INNER,
      'POST /healthz HTTP/1.1',
    ),
    expected: ['431'],
  },
  {
    title: 'a target in absolute form, plain HTTP',
    bytes: plain('', '', 'GET http://127.0.0.1/healthz HTTP/1.1'),
    expected: ['200'],
  },
  {
    title: 'a target in absolute form, an upgrade',
    bytes: websocket('', '', 'http://127.0.0.1/ws?userId=raw'),
    expected: ['101', 'welcome'],
  },
  {
    title: 'a target in absolute form with another scheme',
    bytes: websocket('', '', 'ftp://127.0.0.1/ws?userId=raw'),
    expected: ['404'],
  },
  {
    title: 'a target in absolute form with another path',
    bytes: websocket('', '', 'http://127.0.0.1/ws/../x?userId=raw'),
    expected: ['404'],
  },
  {
    title: 'a target in authority form',
    bytes: websocket('', '', '127.0.0.1:80'),
    expected: ['400'],
  },
]

/** How long to wait for more answers after the last one, in ms, if the server does not close the connection. */
const QUIET_MS = 250

/** How long to wait for the first answer, in ms. */
const FIRST_MS = 5_000

/** Sends bytes in one segment, and returns all answers: status codes of HTTP, and types of messages. */
export function answers(port: number, bytes: string | Buffer): Promise<string[]> {
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1' })
    let received = ''
    let timeout: NodeJS.Timeout | undefined
    const done = () => {
      clearTimeout(timeout)
      socket.destroy()
      resolve(
        [...received.matchAll(/HTTP\/1\.1 (\d{3}) |"type":"(\w+)"/g)].map(
          ([, status, type]) => status ?? type ?? '',
        ),
      )
    }
    timeout = setTimeout(done, FIRST_MS)
    socket.on('connect', () => socket.write(bytes))
    socket.on('data', data => {
      received += data.toString('latin1')
      clearTimeout(timeout)
      timeout = setTimeout(done, QUIET_MS)
    })
    socket.on('error', () => {})
    socket.on('close', done)
  })
}
