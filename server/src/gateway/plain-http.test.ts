import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, BlockList, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { LogFields } from '../log.ts'
import { type Pace, UNPACED } from '../presence/pace.ts'
import { Refusals } from '../refusals.ts'
import { PlainHttp } from './plain-http.ts'

const MAX_BODY_BYTES = 64 * 1_024

/** The requests that reached the listener and were not answered yet. */
let open: { request: IncomingMessage; response: ServerResponse }[]
/** What the listener got, in order. */
let reached: string[]
let refusals: Refusals
let logged: string[]
let now: number
let server: Server
let sockets: Socket[]

beforeEach(() => {
  open = []
  reached = []
  logged = []
  sockets = []
  now = 1_000_000
  refusals = new Refusals()
})

afterEach(() => {
  for (const socket of sockets) socket.destroy()
  server.closeAllConnections()
  server.close()
})

async function serve(requests: Pace = UNPACED): Promise<void> {
  // A list without any proxy, so that loopback addresses are counted.
  const trustProxy = { kind: 'ranges', ranges: new BlockList() } as const
  const clock = { steady: () => now }
  const log = {
    limited: (kind: string) => void logged.push(kind),
    error: (_text: string, fields?: LogFields) => void logged.push(String(fields?.['error'])),
  }
  const limits = {
    isLimited: (request: IncomingMessage) => request.url === '/limited',
    maxBodyBytes: () => MAX_BODY_BYTES,
  }
  const plainHttp = new PlainHttp(
    { ...limits, clock, log, refusals, trustProxy, requests },
    (request, response) => {
      reached.push(`${request.url}`)
      if (request.url === '/bug') throw new Error('planted')
      open.push({ request, response })
    },
  )
  server = createServer(plainHttp.handle)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
}

/** Connects, and sends a text. */
function send(text: string): { socket: Socket; received: () => string; closed: Promise<void> } {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  sockets.push(socket)
  let received = ''
  socket.on('data', data => {
    received += data
  })
  socket.on('error', () => {})
  socket.write(text)
  return {
    socket,
    received: () => received,
    closed: new Promise(resolve => socket.on('close', () => resolve())),
  }
}

const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise(resolve => setImmediate(resolve))
}

test('[L7] pipelined requests are passed on one at a time, in their order', async () => {
  await serve()
  const { received } = send(get('/1') + get('/2') + get('/3'))
  for (const path of ['/1', '/2', '/3']) {
    await until(() => open.length === 1)
    expect(reached.at(-1)).toBe(path)
    open.pop()?.response.end(`<${path}>`)
  }
  await until(() => received().includes('</3>'))
  expect([...received().matchAll(/<(..)>/g)].map(([, path]) => path)).toEqual(['/1', '/2', '/3'])
})

test('[L7] between two requests of a connection, others are answered', async () => {
  await serve()
  send(get('/1') + get('/2'))
  await until(() => open.length === 1)
  send(get('/other'))
  await until(() => open.length === 2)
  expect(reached).toEqual(['/1', '/other'])
})

test('[L7 L9] more than 16 waiting requests end the connection, and those after it are not passed on', async () => {
  await serve()
  const { closed } = send(get('/').repeat(500))
  await closed
  expect([reached.length, refusals.counts.PIPELINING, logged]).toEqual([1, 1, ['pipelining']])
  const { received } = send(get('/next'))
  await until(() => reached.includes('/next'))
  open.pop()?.response.end('hello')
  await until(() => received().includes('hello'))
})

test('[E4] a request that is limited in another way does not count for its address', async () => {
  await serve({ burst: 1, everyMs: 5_000 })
  for (let index = 0; index < 3; index++) {
    send(get('/limited'))
    await until(() => open.length === index + 1)
  }
  send(get('/1'))
  await until(() => open.length === 4)
  const refused = send(get('/2'))
  await refused.closed
  expect(refused.received()).toMatch(/^HTTP\/1.1 429 /)
})

test('[L7 L9] beyond its rate, an address gets 429 with Retry-After, and its burst comes back', async () => {
  await serve({ burst: 2, everyMs: 5_000 })
  send(get('/1'))
  await until(() => open.length === 1)
  send(get('/2'))
  await until(() => open.length === 2)
  const refused = send(get('/3'))
  await refused.closed
  expect(refused.received()).toMatch(/^HTTP\/1.1 429 .*\r\nretry-after: 5\r\n/is)
  expect([refusals.counts.HTTP_REQUESTS_PER_SECOND_PER_ADDRESS, logged]).toEqual([1, ['http']])
  now += 5_000
  send(get('/4'))
  await until(() => reached.includes('/4'))
})

test.each([
  [413, `Content-Length: ${MAX_BODY_BYTES + 1}\r\n`],
  [411, 'Transfer-Encoding: chunked\r\n'],
])('[L7] a request gets %i with %j', async (status, header) => {
  await serve()
  const { received, closed } = send(get('/', header))
  await closed
  expect(received()).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  expect(reached).toEqual([])
})

test.each([
  'Host: y\r\n',
  'Authorization: Bearer a\r\nauthorization: Bearer b\r\n',
  'Origin: a\r\nOrigin: a\r\n',
])('[D4] a request with a header twice gets 400: %j', async headers => {
  await serve()
  const { received, closed } = send(get('/', headers))
  await closed
  expect(received()).toMatch(/^HTTP\/1.1 400 /)
  expect(received()).toContain('headers: send one')
  expect(reached).toEqual([])
  // The negative control: once.
  send('GET /once HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nOrigin: a\r\n\r\n')
  await until(() => reached.length === 1)
})

test('[L7] a body of the longest length is allowed', async () => {
  await serve()
  send(get('/', `Content-Length: ${MAX_BODY_BYTES}\r\n`))
  await until(() => reached.length === 1)
})

test.each([
  ['at once', ''],
  ['behind another request', 'GET /first HTTP/1.1\r\nHost: a\r\n\r\n'],
])('[C2] a bug in the answer to a request %s ends only its own connection', async (_when, before) => {
  await serve()
  const unlucky = send(`${before}GET /bug HTTP/1.1\r\nHost: a\r\n\r\n`)
  if (before !== '') {
    await expect.poll(() => open.length).toBe(1)
    open.shift()?.response.end('ok')
  }
  await unlucky.closed
  expect(logged).toEqual([expect.stringContaining('planted')])
  const other = send('GET /other HTTP/1.1\r\nHost: a\r\n\r\n')
  await expect.poll(() => open.length).toBe(1)
  open[0]?.response.end('served')
  await expect.poll(other.received).toContain('served')
})
