import { EventEmitter, once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect as connectTo, type Socket } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { FirstReads } from './first-reads.ts'

/** A socket that knows whether it is read. */
class FakeSocket extends EventEmitter {
  isRead = true
  pause(): void {
    this.isRead = false
  }
  resume(): void {
    this.isRead = true
  }
}

let server: EventEmitter
let isBusy: boolean

afterEach(() => void vi.useRealTimers())

function fakeServer(): void {
  vi.useFakeTimers({ toFake: ['setImmediate', 'performance'] })
  server = new EventEmitter()
  isBusy = false
  new FirstReads(() => isBusy).attach(server as never)
}

function connect(count: number): FakeSocket[] {
  return Array.from({ length: count }, () => {
    const socket = new FakeSocket()
    server.emit('connection', socket)
    return socket
  })
}

/** The request of a socket arrives, and is parsed if the socket is read. Returns whether it was. */
function request(socket: FakeSocket, event: 'upgrade' | 'request' = 'upgrade'): boolean {
  if (socket.isRead) server.emit(event, { socket })
  return socket.isRead
}

const requests = (sockets: readonly FakeSocket[]) => sockets.filter(socket => request(socket)).length
const read = (sockets: readonly FakeSocket[]) => sockets.filter(({ isRead }) => isRead).length
const nextTurn = () => vi.advanceTimersToNextTimer()

test('a turn reads the first requests of 64 new sockets; the others follow in later turns, in order', () => {
  fakeServer()
  const sockets = connect(200)
  expect(requests(sockets)).toBe(64)
  nextTurn()
  expect(sockets.map(({ isRead }) => isRead).lastIndexOf(true)).toBe(127)
  expect(requests(sockets.slice(64))).toBe(64)
  nextTurn()
  nextTurn()
  expect(read(sockets)).toBe(200)
})

test('while earlier arrivals wait, no further socket is read, but none waits longer than 2 s', () => {
  fakeServer()
  const sockets = connect(100)
  requests(sockets)
  isBusy = true
  nextTurn()
  expect(read(sockets)).toBe(64)
  vi.advanceTimersByTime(2_001)
  nextTurn()
  expect(read(sockets)).toBe(100)
})

test('sockets that connect meanwhile wait behind those that wait', () => {
  fakeServer()
  const early = connect(100)
  requests(early)
  const [late] = connect(1)
  expect(late?.isRead).toBe(false)
  nextTurn()
  expect(read(early)).toBe(100)
  expect(late?.isRead).toBe(true)
})

test('a few sockets at a time are never paused, and a socket has no listener after its first request', () => {
  fakeServer()
  for (let turn = 0; turn < 10; turn++) {
    const sockets = connect(63)
    expect(requests(sockets)).toBe(63)
    expect(sockets[0]?.listenerCount('close')).toBe(0)
    nextTurn()
  }
})

test('only the first request of a socket counts', () => {
  fakeServer()
  const sockets = connect(10)
  for (let round = 0; round < 20; round++) for (const socket of sockets) request(socket, 'request')
  expect(read(sockets)).toBe(10)
  expect(requests(connect(53))).toBe(53)
})

test('a socket that closes while it waits does not come back', () => {
  fakeServer()
  const sockets = connect(100)
  requests(sockets)
  const waiting = sockets.filter(({ isRead }) => !isRead)
  for (const socket of waiting) socket.emit('close')
  nextTurn()
  expect(read(waiting)).toBe(0)
})

/** Lets 300 requests arrive in one turn. Returns the most that the server has read in a turn. */
async function mostReadsPerTurn(prepare: (server: Server) => void): Promise<number> {
  const server = createServer()
  prepare(server)
  let [inTurn, most, all] = [0, 0, 0]
  server.on('upgrade', (_request, socket) => {
    if (inTurn++ === 0) {
      setImmediate(() => {
        inTurn = 0
      })
    }
    most = Math.max(most, inTurn)
    all++
    socket.destroy()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const clients: Socket[] = []
  for (let count = 0; count < 300; count++) clients.push(connectTo(port, '127.0.0.1').on('error', () => {}))
  await vi.waitUntil(() => clients.every(client => client.readyState === 'open'))
  await vi.waitUntil(async () => (await connectionsOf(server)) === 300)
  const closed = clients.map(client => once(client.resume(), 'close'))
  for (const client of clients) {
    client.write('GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  }
  await Promise.all(closed)
  expect(all).toBe(300)
  server.close()
  return most
}

const connectionsOf = (server: Server) =>
  new Promise<number>(resolve => server.getConnections((_error, count) => resolve(count)))

test('Node parses no request of a socket that is paused; without pauses, it parses all in one turn', async () => {
  expect(await mostReadsPerTurn(server => new FirstReads(() => false).attach(server))).toBeLessThanOrEqual(64)
  expect(await mostReadsPerTurn(() => {})).toBeGreaterThan(64)
})
