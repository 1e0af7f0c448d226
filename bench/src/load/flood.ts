import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { API_KEYS, apiRequests } from './api-requests.ts'
import { clientFrame, opcode } from './frames.ts'
import type { BareCount, FloodKind, FloodOrder } from './orders.ts'

/** The bytes of one write. The kernel accepts less whenever the server does not read. */
const WRITE_BYTES = 64 * 1024

/** How long to wait before connecting again, in ms. An attacker waits little. */
const AGAIN_MS = 20

/** The address of the flooding connections on Linux, where all of 127.0.0.0/8 is loopback. */
const OWN_ADDRESS = process.platform === 'linux' ? { localAddress: '127.0.0.2' } : {}

const KEYS = 7_500

/** The kinds that are HTTP requests. */
const HTTP_KINDS: ReadonlySet<FloodKind> = new Set(['metrics', 'user', 'query'])

const payloads: Readonly<Record<FloodKind, () => Buffer>> = {
  tiny: () => clientFrame(opcode.text, Buffer.from('{}')),
  pongs: () => clientFrame(opcode.pong, Buffer.alloc(0)),
  metrics: () => Buffer.from('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'),
  user: () => apiRequests({ name: 'user', of: 1 }, API_KEYS.greedy).next(),
  query: () => apiRequests({ name: 'query', ids: 10_000, of: 10_000 }, API_KEYS.greedy).next(),
  keys: () => {
    const keys = Array.from({ length: KEYS }, (_, n) => `"${n.toString(36)}":1`)
    return clientFrame(opcode.text, Buffer.from(`{${keys.join(',')}}`))
  },
}

/** Floods the server for some seconds. Returns the bytes that were sent and received. */
export async function flood(port: number, { kind, connections, seconds }: FloodOrder): Promise<BareCount> {
  const one = payloads[kind]()
  const block = Buffer.concat(Array<Buffer>(Math.max(1, Math.round(WRITE_BYTES / one.length))).fill(one))
  const began = performance.now()
  const flooders = Array.from({ length: connections }, (_, n) => new Flooder(port, kind, `flood${n}`, block))
  await sleep(seconds * 1_000)
  for (const flooder of flooders) flooder.stop()
  const sum = (of: 'sent' | 'received') => flooders.reduce((total, flooder) => total + flooder[of], 0)
  return {
    counted: 0,
    expected: 0,
    bytes: sum('received'),
    sentBytes: sum('sent'),
    seconds: (performance.now() - began) / 1_000,
    invalid: [],
  }
}

/** One connection that never stops sending, and its successors. */
class Flooder {
  sent = 0
  received = 0
  readonly #port: number
  readonly #kind: FloodKind
  readonly #userId: string
  readonly #block: Buffer
  #socket: Socket | undefined
  #again: NodeJS.Timeout | undefined
  #isOver = false

  constructor(port: number, kind: FloodKind, userId: string, block: Buffer) {
    this.#port = port
    this.#kind = kind
    this.#userId = userId
    this.#block = block
    this.#connect()
  }

  stop(): void {
    this.#isOver = true
    clearTimeout(this.#again)
    this.#socket?.destroy()
    if (this.#socket) this.#count(this.#socket)
    this.#socket = undefined
  }

  #connect(): void {
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true, ...OWN_ADDRESS })
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('close', () => {
      if (this.#isOver) return
      this.#count(socket)
      this.#again = setTimeout(() => this.#connect(), AGAIN_MS)
    })
    socket.on('drain', () => this.#send(socket))
    socket.once('connect', () => {
      if (HTTP_KINDS.has(this.#kind)) this.#send(socket)
      else socket.write(handshake(this.#userId))
    })
    let isOpen = HTTP_KINDS.has(this.#kind)
    socket.on('data', () => {
      if (isOpen) return
      isOpen = true
      this.#send(socket)
    })
  }

  #send(socket: Socket): void {
    while (!this.#isOver && socket.write(this.#block));
  }

  #count(socket: Socket): void {
    // `bytesWritten` includes what waits in this process, which the kernel has not accepted.
    this.sent += socket.bytesWritten - socket.writableLength
    this.received += socket.bytesRead
  }
}

function handshake(userId: string): string {
  return [
    `GET /ws?userId=${userId} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Protocol: who-is-online.v2',
    '',
    '',
  ].join('\r\n')
}
