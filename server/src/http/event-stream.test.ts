import { Agent, createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { afterEach, expect, test, vi } from 'vitest'
import type { ChangePage } from '../changes/page.ts'
import { sendEvents } from './event-stream.ts'

// The sockets are real, the time is not.

afterEach(() => {
  vi.useRealTimers()
})

const PAGE: ChangePage = { epoch: 'e'.repeat(100_000), prevSeq: 0, seq: 1, recovered: true, changes: [] }

test('[E4 K1] a client that does not read keeps two pages at most, and is closed after a minute', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
  let asked = 0
  let hasEnded = false
  let waiting = 0
  async function* pages(): AsyncGenerator<ChangePage, void> {
    try {
      for (;;) {
        asked++
        yield PAGE
      }
    } finally {
      hasEnded = true
    }
  }
  const app = express().use((_request, response) => {
    void sendEvents(response, pages())
    setImmediate(function look() {
      waiting = response.writableLength
      if (!hasEnded) setImmediate(look)
    })
  })
  const server = createServer(app)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const response = await new Promise<IncomingMessage>(resolve => get({ host: '127.0.0.1', port }, resolve))
  response.on('error', () => {})

  // The sockets between server and client are full when no more pages are asked for.
  let before = 0
  for (let quiet = 0; quiet < 50; quiet = asked === before ? quiet + 1 : 0) {
    before = asked
    await new Promise(resolve => setImmediate(resolve))
  }
  expect(waiting).toBeGreaterThan(PAGE.epoch.length / 2)
  expect(waiting).toBeLessThan(2.5 * PAGE.epoch.length)
  await vi.advanceTimersByTimeAsync(59_000)
  expect([asked, hasEnded]).toEqual([before, false])
  await vi.advanceTimersByTimeAsync(1_000)
  expect([asked, hasEnded]).toEqual([before, true])
  response.resume()
  await new Promise(resolve => response.once('close', resolve))
  await new Promise(resolve => server.close(resolve))
})

test('[Q3] a stream that ends closes its connection, so that a stop does not wait for it', async () => {
  async function* pages(): AsyncGenerator<ChangePage, void> {
    yield PAGE
  }
  const server = createServer(express().use((_request, response) => void sendEvents(response, pages())))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const agent = new Agent({ keepAlive: true })
  const response = await new Promise<IncomingMessage>(resolve =>
    get({ host: '127.0.0.1', port, agent }, resolve),
  )
  expect(response.headers.connection).toBe('close')
  const closed = new Promise(resolve => response.socket.once('close', resolve))
  response.resume()
  await closed
  await new Promise(resolve => server.close(resolve))
})
