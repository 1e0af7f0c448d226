import { EventEmitter } from 'node:events'
import { beforeEach, expect, test } from 'vitest'
import { Refusals } from '../refusals.ts'
import type { TrustProxy } from '../setting-values.ts'
import { Sockets } from './sockets.ts'

/** A socket without a network. */
class FakeSocket extends EventEmitter {
  readonly remoteAddress: string
  text = ''
  constructor(remoteAddress: string) {
    super()
    this.remoteAddress = remoteAddress
  }
  end(text: string): void {
    this.text = text
  }
  destroySoon(): void {
    this.emit('close')
  }
}

class FakeServer extends EventEmitter {
  maxConnections: number | undefined
  searches = 0
  closeIdleConnections(): void {
    this.searches++
  }
}

let server: FakeServer
let refusals: Refusals
let logged: string[]
let now: number

beforeEach(() => {
  server = new FakeServer()
  refusals = new Refusals()
  logged = []
  now = 0
})

function limit(sockets: number, perAddress: number, trustProxy?: TrustProxy): Sockets {
  const log = { limited: (_kind: string, text: string) => void logged.push(text) }
  const all = new Sockets({ clock: { steady: () => now }, log, refusals, trustProxy, sockets, perAddress })
  all.attach(server as never)
  return all
}

/** Connects from an address. Returns the socket if it was not refused. */
function connect(address: string): FakeSocket | undefined {
  const socket = new FakeSocket(address)
  server.emit('connection', socket)
  return socket.text === '' ? socket : undefined
}

const accepted = (count: number, address: string) =>
  Array.from({ length: count }, () => connect(address)).filter(socket => socket !== undefined)

test('[L8 L9] sockets of one address are limited when they connect, and closed ones do not count', () => {
  const sockets = limit(1_000, 10)
  const [first, ...others] = accepted(12, '8.8.8.8')
  expect(others).toHaveLength(9)
  expect(refusals.counts.MAX_CONNECTIONS_PER_ADDRESS).toBe(2)
  expect(logged[0]).toBe('a socket was refused by MAX_CONNECTIONS_PER_ADDRESS')
  expect(accepted(1, '9.9.9.9')).toHaveLength(1)
  first?.emit('close')
  const again = accepted(2, '8.8.8.8')
  expect(again).toHaveLength(1)
  for (const socket of [...others, ...again]) socket.emit('close')
  expect(sockets.addresses).toBe(1)
})

test('[L8] one address gets at most half of all sockets', () => {
  limit(20, 1_000)
  expect(accepted(20, '8.8.8.8')).toHaveLength(10)
  expect([refusals.counts.MAX_CONNECTIONS_SHARE, refusals.counts.MAX_CONNECTIONS_PER_ADDRESS]).toEqual([
    10, 0,
  ])
  expect(accepted(9, '9.9.9.9')).toHaveLength(9)
})

test('[L8 L9] a twentieth is kept for addresses that are not counted', () => {
  limit(100, 1_000)
  for (let n = 0; n < 10; n++) accepted(10, `8.8.8.${n}`)
  expect(refusals.counts.MAX_CONNECTIONS).toBe(5)
  expect(accepted(5, '10.0.0.1')).toHaveLength(5)
})

test('[L8] when the room is nearly used up, idle connections are closed, at most once a second', () => {
  limit(100, 1_000)
  accepted(95, '127.0.0.1')
  expect(server.searches).toBe(0)
  accepted(2, '127.0.0.1')
  expect(server.searches).toBe(1)
  now += 1_000
  accepted(1, '127.0.0.1')
  expect(server.searches).toBe(2)
})

test('[L8] a socket that comes a second time, after its upgrade request was given back, counts once', () => {
  limit(1_000, 1)
  const socket = connect('8.8.8.8')
  server.emit('connection', socket)
  expect(socket?.text).toBe('')
})

test.each<[string, TrustProxy | undefined, number]>([
  ['10.0.0.1', undefined, 3],
  ['::1', undefined, 3],
  ['::ffff:8.8.8.8', undefined, 1],
  ['10.0.0.1', { kind: 'hops', hops: 0 }, 1],
  ['8.8.8.8', { kind: 'hops', hops: 1 }, 3],
])('[L8] of %s with TRUST_PROXY %j, %i of 3 sockets are accepted', (address, trustProxy, count) => {
  limit(1_000, 1, trustProxy)
  expect(accepted(3, address)).toHaveLength(count)
})

test('[L8 L9] a socket that Node drops is counted and logged', () => {
  limit(100, 10)
  expect(server.maxConnections).toBe(100)
  server.emit('drop', { remoteAddress: '8.8.8.8' })
  expect([refusals.counts.MAX_CONNECTIONS, logged]).toEqual([1, ['a socket was refused by MAX_CONNECTIONS']])
})
