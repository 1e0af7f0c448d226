import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { type PerMessageDeflateOptions, WebSocket, WebSocketServer } from 'ws'
import { rethrow } from '../fanout/testing/rethrow.ts'
import { deflatable } from './deflate.ts'
import { textFrames } from './frames.ts'
import { Outbox, onCloseFrame } from './outbox.ts'

// What outbox.ts assumes about `ws`. If one of these tests fails after an update, outbox.ts must change too.

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

/** A client, and the server's side of the same connection. */
async function pair(
  perMessageDeflate: PerMessageDeflateOptions | boolean = false,
): Promise<{ client: WebSocket; webSocket: WebSocket; socket: Socket; outbox: Outbox }> {
  const http = createServer()
  const webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: perMessageDeflate !== false && { clientNoContextTakeover: true },
  })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const accepted = new Promise<{ webSocket: WebSocket; socket: Socket }>(resolve => {
    http.on('upgrade', (request, socket, head) => {
      webSockets.handleUpgrade(request, socket, head, webSocket =>
        resolve({ webSocket, socket: socket as Socket }),
      )
    })
  })
  const url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}/`
  const client = new WebSocket(url, { perMessageDeflate })
  ends.push(() => {
    client.terminate()
    http.closeAllConnections()
    http.close()
  })
  const { webSocket, socket } = await accepted
  if (client.readyState !== WebSocket.OPEN) await new Promise(resolve => client.once('open', resolve))
  return {
    client,
    webSocket,
    socket,
    outbox: new Outbox(webSocket, socket, { wrote: () => {}, backlogged: () => {}, fail: rethrow }),
  }
}

function textsOf(client: WebSocket): string[] {
  const texts: string[] = []
  client.on('message', data => texts.push(String(data)))
  return texts
}

const settled = () => new Promise(resolve => setTimeout(resolve, 50))

test.each([0, 1, 125, 126, 127, 65_535, 65_536, 200_000])(
  '[B1] a text of %i bytes arrives unchanged',
  async length => {
    const { client, outbox } = await pair()
    const texts = textsOf(client)
    outbox.write(textFrames(['x'.repeat(length)]))
    await settled()
    expect(texts).toEqual(['x'.repeat(length)])
  },
)

test('[B2] runs of frames can be written between the frames of ws, and all arrive in order', async () => {
  const { client, webSocket, outbox } = await pair()
  const texts = textsOf(client)
  let pings = 0
  client.on('ping', () => pings++)
  const expected: string[] = []
  for (let n = 0; n < 50; n++) {
    webSocket.send(`ws ${n}`)
    outbox.write(textFrames([`ours ${n} ä`, '\u2028'.repeat(n)]))
    webSocket.ping()
    expected.push(`ws ${n}`, `ours ${n} ä`, '\u2028'.repeat(n))
  }
  await settled()
  expect(texts).toEqual(expected)
  expect(pings).toBe(50)
})

test('[B3] send, ping and close of ws write their whole frame before they return', async () => {
  const { webSocket, socket } = await pair()
  const before = () => socket.bytesWritten
  let written = before()
  webSocket.send('hello')
  expect(before() - written).toBe(2 + 5)
  written = before()
  webSocket.ping()
  expect(before() - written).toBe(2)
  written = before()
  webSocket.close(1012, 'bye')
  expect(before() - written).toBe(2 + 2 + 3)
})

test('[B4] the replies of one tick leave in one write, before frames that are written after them', async () => {
  const { client, socket, outbox } = await pair()
  const texts = textsOf(client)
  let writes = 0
  const write = socket.write.bind(socket)
  socket.write = ((...args: Parameters<Socket['write']>) => {
    writes++
    return write(...args)
  }) as Socket['write']
  for (let n = 0; n < 100; n++) outbox.reply(`reply ${n}`)
  await settled()
  expect(writes).toBe(1)
  expect(texts).toHaveLength(100)
  outbox.reply('first')
  outbox.write(textFrames(['second']))
  await settled()
  expect(texts.slice(100)).toEqual(['first', 'second'])
})

test('[B5] nothing is written after a close frame of either side', async () => {
  for (const closeBy of ['client', 'webSocket'] as const) {
    const both = await pair()
    const { socket, outbox, client } = both
    outbox.reply('too late')
    both[closeBy].close(1000)
    if (closeBy === 'client') await new Promise(resolve => both.webSocket.once('close', resolve))
    const written = socket.bytesWritten
    outbox.write(textFrames(['too late as well']))
    await settled()
    expect(socket.bytesWritten).toBe(written)
    expect(client.readyState).toBe(WebSocket.CLOSED)
  }
})

test('[B6] onCloseFrame reports a close frame when it arrives, not when the TCP connection has ended', async () => {
  for (const [code, told] of [
    [1000, 1000],
    [4000, 4000],
    [undefined, 1005],
  ] as const) {
    const { client, webSocket } = await pair()
    const codes: number[] = []
    onCloseFrame(webSocket, (code, answer) => {
      codes.push(code)
      answer()
    })
    client.close(code)
    // The client delays the end of the TCP connection.
    const { _socket: socket } = client as unknown as { _socket: Socket }
    socket.pause()
    await settled()
    expect(codes).toEqual([told])
    expect(webSocket.readyState).toBe(WebSocket.CLOSING)
  }
})

test('[B6 L11] a close frame is answered when its callback says so, and replies can be written before that', async () => {
  const { client, webSocket, outbox } = await pair()
  const texts: string[] = []
  client.on('message', data => texts.push(String(data)))
  let answerLater = () => {}
  onCloseFrame(webSocket, (_code, answer) => {
    webSocket.pause()
    answerLater = answer
  })
  client.close(1000)
  await settled()
  expect(webSocket.readyState).toBe(WebSocket.OPEN)
  outbox.write(textFrames(['before the end']))
  await settled()
  webSocket.resume()
  answerLater()
  await settled()
  expect([texts, client.readyState, webSocket.readyState]).toEqual([
    ['before the end'],
    WebSocket.CLOSED,
    WebSocket.CLOSED,
  ])
})

test('[B7] progress changes in the middle of one large write', async () => {
  const { client, outbox } = await pair()
  const { _socket: socket } = client as unknown as { _socket: Socket }
  socket.pause()
  outbox.write(textFrames(['x'.repeat(30_000_000)]))
  await settled()
  const stuck = outbox.progress
  expect(outbox.backlog).toBeGreaterThan(1_000_000)
  await settled()
  expect(outbox.progress).toEqual(stuck)
  socket.resume()
  await vi.waitFor(() => {
    const moved = outbox.progress
    expect(moved.queued < stuck.queued || moved.done > stuck.done).toBe(true)
  }, 5_000)
})

/** Messages that are similar, but all different. */
function changes(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, n) =>
    JSON.stringify({
      type: 'user_status_change',
      userId: `ann-${from + n}`,
      status: n % 2 ? 'online' : 'offline',
    }),
  )
}

/** Returns how many bytes the server's socket sends for `work`. */
async function sent(socket: Socket, work: () => void): Promise<number> {
  const before = socket.bytesWritten
  work()
  await settled()
  return socket.bytesWritten - before
}

test('[B8] a deflated run arrives unchanged between other runs, replies and pings', async () => {
  const { client, webSocket, outbox } = await pair(true)
  const texts = textsOf(client)
  const expected: string[] = []
  const noise = createHash('shake256', { outputLength: 40_000 }).update('noise').digest('base64')
  for (let n = 0; n < 30; n++) {
    const run = [...changes(n * 100, n), '', 'ä\u2028'.repeat(n), noise.slice(0, n * 1_000), ...changes(0, 3)]
    if (n % 3 === 0) run.push('x'.repeat(n * 5_000))
    outbox.write(deflatable(textFrames(run)))
    outbox.reply(`reply ${n}`)
    outbox.write(textFrames([`plain ${n}`]))
    webSocket.ping()
    expected.push(...run, `reply ${n}`, `plain ${n}`)
  }
  await vi.waitFor(() => expect(texts.length).toBe(expected.length))
  expect(texts).toEqual(expected)
})

test('[B8] a run is deflated once, and all clients with compression get the same bytes', async () => {
  const run = deflatable(textFrames(changes(0, 100)))
  const one = await pair(true)
  const other = await pair(true)
  const writes = [one, other].map(({ socket }) => vi.spyOn(socket, 'write'))
  one.outbox.write(run)
  other.outbox.write(run)
  const [bytes, same] = writes.map(({ mock }) => mock.calls[0]?.[0] as unknown as Buffer)
  expect(bytes).not.toBe(run)
  expect(bytes).toBe(same)
  expect(bytes?.length).toBeLessThan(run.length / 4)
})

test.each([
  ['offers no compression', false],
  ['asks for no context takeover', { serverNoContextTakeover: true }],
  ['asks for a small window', { serverMaxWindowBits: 10 }],
] as const)('[B8] a client that %s gets uncompressed messages', async (_, offer) => {
  const { client, socket, outbox } = await pair(offer)
  const texts = textsOf(client)
  const run = deflatable(textFrames(changes(0, 100)))
  expect(await sent(socket, () => outbox.write(run))).toBe(run.length)
  expect(texts).toEqual(changes(0, 100))
})

test('[B8] a short run, or a run for one client, is not deflated', async () => {
  const { socket, outbox } = await pair(true)
  const short = deflatable(textFrames(changes(0, 2)))
  expect(await sent(socket, () => outbox.write(short))).toBe(short.length)
  const own = textFrames(changes(0, 100))
  expect(await sent(socket, () => outbox.write(own))).toBe(own.length)
  // Only a large reply is deflated, not many small ones.
  const replies = () => changes(0, 100).forEach(text => void outbox.reply(text))
  expect(await sent(socket, replies)).toBe(own.length)
  const large = JSON.stringify(changes(0, 100))
  expect(await sent(socket, () => outbox.reply(large))).toBeLessThan(large.length / 3)
})
