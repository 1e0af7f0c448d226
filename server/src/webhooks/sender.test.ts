import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { post } from './poster.ts'
import { type Answer, NoAnswer, Sender } from './sender.ts'

const NOW = Date.UTC(2030, 0, 1)

let answer: RequestListener
let server: Server
let sockets: Set<Socket>
let sender: Sender

beforeEach(async () => {
  server = createServer((request, response) => {
    request.resume().on('end', () => answer(request, response))
  })
  sockets = new Set()
  server.on('connection', socket => sockets.add(socket))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  sender = new Sender({ now: () => NOW })
})

afterEach(() => {
  sender.close()
  server.closeAllConnections()
  server.close()
})

function send(signal = new AbortController().signal, by = sender): Promise<Answer> {
  const { port } = server.address() as AddressInfo
  return by.post({ url: `http://127.0.0.1:${port}/`, headers: {}, body: Buffer.from('{}'), signal })
}

/** The failure of a request. */
async function failure(signal?: AbortSignal, by = sender): Promise<string> {
  const error = await send(signal, by).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(NoAnswer)
  const { kind, message } = error as NoAnswer
  return `${kind}: ${message}`
}

test('[M3] requests share a connection; one that was closed while it was idle is no failure', async () => {
  answer = (_request, response) => response.end('ok')
  for (let request = 0; request < 3; request++) expect(await send()).toMatchObject({ status: 200 })
  expect(sockets.size).toBe(1)
  // The sender does not know yet that the connection is reset: this turn of the event loop has not ended.
  const idle = new Promise(resolve => setImmediate(resolve))
  for (const socket of sockets) socket.resetAndDestroy()
  expect(await send()).toMatchObject({ status: 200 })
  await idle
  expect(sockets.size).toBe(2)
  // Control: a connection that is closed after it has sent the request is a failure.
  answer = (_request, response) => response.socket?.resetAndDestroy()
  server.closeIdleConnections()
  expect(await failure()).toMatch(/^connection: /)
})

test('[M3] without an answer in time, and when it is aborted, a request ends', async () => {
  answer = () => {}
  const hasty = new Sender({ now: () => NOW, answerMs: 30 })
  expect(await failure(undefined, hasty)).toBe('timeout: no answer within 0.03 s')
  const stop = new AbortController()
  const stopped = failure(stop.signal)
  stop.abort()
  expect(await stopped).toBe('connection: the server stops')
  expect(await failure(stop.signal)).toBe('connection: the server stops')
})

test('[M3] the status counts when it comes; a body that does not end, or is too long, ends its connection', async () => {
  const hasty = new Sender({ now: () => NOW, answerMs: 500 })
  for (const [body, by] of [
    ['x', hasty],
    ['x'.repeat(10_000_000), sender],
  ] as const) {
    answer = (_request, response) => void response.writeHead(200).write(body)
    const ended = new Promise<void>(resolve => {
      server.once('connection', socket => socket.once('close', resolve))
    })
    expect(await send(undefined, by)).toMatchObject({ status: 200 })
    await ended
  }
})

test.each([
  [429, '7', 7_000],
  [503, new Date(NOW + 90_000).toUTCString(), 90_000],
  [503, new Date(NOW - 90_000).toUTCString(), 0],
  [503, 'soon', undefined],
  [500, '7', undefined],
])('[M3] a %i with Retry-After: %s asks to wait %s ms', async (status, header, retryAfterMs) => {
  answer = (_request, response) => response.writeHead(status, { 'retry-after': header }).end()
  expect(await send()).toEqual({ status, retryAfterMs })
})

test('[M3] a redirect is a failure, and is not followed', async () => {
  const paths: (string | undefined)[] = []
  answer = ({ url }, response) => {
    paths.push(url)
    response.writeHead(302, { location: '/other' }).end()
  }
  const { port } = server.address() as AddressInfo
  const options = { sender, secrets: [Buffer.alloc(24)], now: () => NOW, version: '0' }
  const url = `http://127.0.0.1:${port}/`
  expect(await post(options, url, 'msg_1', Buffer.from('{}'), new AbortController().signal)).toEqual({
    result: 'status',
    status: 302,
    reason: 'the status is 302: redirects are not followed',
    retryAfterMs: undefined,
  })
  expect(paths).toEqual(['/'])
})
