import { EventEmitter } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { offersWebSocket, PlainRequests } from './upgrade.ts'

/** The headers that `curl --http2` and the HttpClient of Java send. */
const H2C = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'
const GET_B = 'GET /b HTTP/1.1\r\nHost: x\r\n\r\n'

let server: Server
let sockets: Socket[]
/** How long each response takes, in ms. */
let slowness: number

beforeEach(async () => {
  sockets = []
  slowness = 0
  server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    if (slowness > 0) await new Promise(resolve => setTimeout(resolve, slowness))
    response.end(`<${request.method} ${request.url} ${body}>`)
  })
  const plainRequests = new PlainRequests(server)
  server.on('upgrade', (request, socket, head) => plainRequests.giveBack(request, socket as Socket, head))
  server.on('connection', socket => sockets.push(socket))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
})

afterEach(() => {
  server.closeAllConnections()
  server.close()
})

/**
 * Writes the segments, and returns the response bodies and some status lines. Ends when there are `count` of them, or
 * when the server closes the connection.
 */
function responses(segments: readonly string[], count: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    let text = ''
    const found = (): string[] => text.match(/<.*?>|HTTP\/1\.1 [1345]\d\d/g) ?? []
    socket.on('error', reject)
    socket.on('close', () => resolve(found()))
    socket.on('data', data => {
      text += data
      if (found().length >= count) socket.destroy()
    })
    const write = async (): Promise<void> => {
      for (const segment of segments) {
        socket.write(segment)
        await new Promise(resolve => setTimeout(resolve, 20))
      }
    }
    void write()
  })
}

test.each([
  ['a GET', [`GET /a HTTP/1.1\r\nHost: x\r\n${H2C}\r\n`], ['<GET /a >']],
  [
    'a GET, and a pipelined request',
    [`GET /a HTTP/1.1\r\nHost: x\r\n${H2C}\r\n${GET_B}`],
    ['<GET /a >', '<GET /b >'],
  ],
  [
    'a GET, and a later request on the same connection',
    [`GET /a HTTP/1.1\r\nHost: x\r\n${H2C}\r\n`, GET_B],
    ['<GET /a >', '<GET /b >'],
  ],
  [
    'a body in one segment with the head',
    [`POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n${H2C}\r\nhello`],
    ['<POST /a hello>'],
  ],
  [
    'a body in several segments, and a pipelined request',
    [`POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n${H2C}\r\nhe`, `llo${GET_B}`],
    ['<POST /a hello>', '<GET /b >'],
  ],
  [
    'a chunked body, and a pipelined request',
    [
      `POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n${H2C}\r\n5\r\nhello\r\n0\r\n\r\n${GET_B}`,
    ],
    ['<POST /a hello>', '<GET /b >'],
  ],
  [
    'Expect: 100-continue',
    [`POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n${H2C}\r\n`, 'hello'],
    ['HTTP/1.1 100', '<POST /a hello>'],
  ],
  [
    'three pipelined GETs',
    [`GET /a HTTP/1.1\r\nHost: x\r\n${H2C}\r\n`.repeat(3)],
    ['<GET /a >', '<GET /a >', '<GET /a >'],
  ],
  [
    'a GET between two plain requests, pipelined',
    [`${GET_B}GET /a HTTP/1.1\r\nHost: x\r\n${H2C}\r\n${GET_B}`],
    ['<GET /b >', '<GET /a >', '<GET /b >'],
  ],
  ['HTTP/1.0', [`GET /a HTTP/1.0\r\n${H2C}\r\n`], ['<GET /a >']],
  ['Connection: close', [`GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${H2C}\r\n`], ['<GET /a >']],
])('[T6] a request that offers h2c gets a plain HTTP response: %s', async (_what, segments, expected) => {
  for (slowness of [0, 30]) expect(await responses(segments, expected.length)).toEqual(expected)
})

test('[T6] a request is read again only when the server has released the previous response', () => {
  const http = new EventEmitter()
  const given: unknown[] = []
  http.on('connection', socket => given.push(socket))
  const plainRequests = new PlainRequests(http as Server)
  const socket = new PassThrough() as unknown as Socket
  socket.setTimeout = () => socket
  const request = { method: 'GET', url: '/a', httpVersion: '1.1', rawHeaders: [], socket } as unknown
  // The state on Node 20 if a response was written at once.
  const response = Object.assign(new EventEmitter(), { writableFinished: true, closed: false })
  http.emit('request', request, response)
  plainRequests.giveBack(request as IncomingMessage, socket, Buffer.alloc(0))
  expect(given).toEqual([])
  response.closed = true
  response.emit('close')
  expect(given).toEqual([socket])
})

test('[T6] an invalid request after one that offers h2c gets 400', async () => {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const next = (): Promise<string> => new Promise(resolve => socket.once('data', data => resolve(`${data}`)))
  socket.write(`GET /a HTTP/1.1\r\nHost: x\r\n${H2C}\r\n`)
  expect(await next()).toContain('<GET /a >')
  socket.write('NONSENSE\r\n\r\n')
  expect(await next()).toMatch(/^HTTP\/1\.1 400 /)
  await new Promise(resolve => socket.once('close', resolve))
})

test('[T6] requests that offer h2c leave no listeners and no timeout on their connection', async () => {
  const requests = Array<string>(30).fill(`GET /a HTTP/1.1\r\nHost: x\r\n${H2C}\r\n`)
  const listeners = new Set<string>()
  server.on('request', ({ socket }: IncomingMessage) => {
    const names = socket.eventNames().sort()
    listeners.add(names.map(name => `${String(name)} ${socket.listenerCount(name)}`).join())
    expect(socket.timeout ?? 0).toBe(0)
  })
  expect(await responses(requests, 30)).toHaveLength(30)
  expect(new Set(sockets).size).toBe(1)
  expect(listeners.size).toBeLessThanOrEqual(2)
})

test('[T6] a client that disconnects early does not affect others', async () => {
  slowness = 50
  const { port } = server.address() as AddressInfo
  for (const end of ['destroy', 'resetAndDestroy', 'end'] as const) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(`GET /a HTTP/1.1\r\nHost: x\r\n${H2C}\r\n`.repeat(2))
    await new Promise(resolve => setTimeout(resolve, 20))
    socket[end]()
  }
  expect(await responses([`GET /a HTTP/1.1\r\nHost: x\r\n${H2C}\r\n`], 1)).toEqual(['<GET /a >'])
})

test.each([
  ['websocket', true],
  ['WebSocket', true],
  ['h2c, WEBSOCKET', true],
  ['websocket,h2c', true],
  ['h2c', false],
  ['TLS/1.0, HTTP/2.0', false],
  ['websocket2', false],
  ['websocket/13', false],
  ['', false],
  [undefined, false],
])('[T6] Upgrade: %s offers WebSocket: %s', (upgrade, expected) => {
  expect(offersWebSocket({ headers: { upgrade } } as IncomingMessage)).toBe(expected)
})
