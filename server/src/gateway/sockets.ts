import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { Counts } from '../counts.ts'
import type { Log } from '../log.ts'
import type { Limit, Refusals } from '../refusals.ts'
import type { TrustProxy } from '../setting-values.ts'
import type { Clock } from '../time/clock.ts'
import { countedAs, peerAddress } from './address.ts'
import { atMost, halfOf, type Most } from './limits.ts'

export interface SocketOptions {
  readonly clock: Pick<Clock, 'steady'>
  readonly log: Pick<Log, 'limited'>
  readonly refusals: Refusals
  readonly trustProxy: TrustProxy | undefined
  /** How many sockets there may be in all; `Infinity` for no limit. */
  readonly sockets: number
  /** How many sockets one address may have, WebSocket and plain HTTP together; `Infinity` for no limit. */
  readonly perAddress: number
}

/** The share of all sockets that is kept for addresses that are not counted: health checks and proxies. */
const KEPT_SHARE = 1 / 20

/** The minimum time between two searches for idle sockets, in ms. */
const SEARCH_EVERY_MS = 1_000

/**
 * Limits the sockets of an HTTP server, when they connect: in total, and per address. It keeps room for others. When
 * the room is nearly used up, it closes the plain HTTP connections that are idle.
 */
export class Sockets {
  readonly #options: SocketOptions
  readonly #byAddress = new Counts<string>()
  readonly #perAddress: Most
  /** The open sockets, and the address that each one counts for; `undefined` for one that counts for none. */
  readonly #addressOf = new Map<Socket, string | undefined>()
  /** One listener for all sockets: a listener for each would take 250 bytes per connection. */
  readonly #onClose: (this: Socket) => void
  #counted = 0
  #searchedAt = Number.NEGATIVE_INFINITY

  constructor(options: SocketOptions) {
    this.#options = options
    const { sockets, perAddress } = options
    this.#perAddress = atMost(halfOf(sockets), perAddress, 'MAX_CONNECTIONS_PER_ADDRESS')
    const closed = (socket: Socket): void => this.#closed(socket)
    this.#onClose = function () {
      closed(this)
    }
  }

  /** The number of addresses that are counted. */
  get addresses(): number {
    return this.#byAddress.size
  }

  attach(server: Server): void {
    const { sockets } = this.#options
    if (Number.isFinite(sockets)) server.maxConnections = sockets
    server.on('drop', data => this.#refuse('MAX_CONNECTIONS', data?.remoteAddress))
    server.on('connection', (socket: Socket) => {
      // A socket comes twice if its upgrade request is given back.
      if (this.#addressOf.has(socket)) return
      if (!this.#opened(socket)) {
        socket.on('error', () => {})
        socket.end(TOO_MANY)
        return socket.destroySoon()
      }
      if (this.#addressOf.size > sockets * (1 - KEPT_SHARE)) this.#closeIdle(server)
    })
  }

  /** Counts a socket until it closes. Returns false if a limit refuses it. */
  #opened(socket: Socket): boolean {
    const { sockets, trustProxy } = this.#options
    const peer = peerAddress(socket.remoteAddress, trustProxy)
    const address = peer && countedAs(peer)
    if (address !== undefined) {
      const { most, limit } = this.#perAddress
      const isFull = this.#counted >= Math.max(1, Math.floor(sockets * (1 - KEPT_SHARE)))
      if (isFull || this.#byAddress.of(address) >= most) {
        this.#refuse(isFull ? 'MAX_CONNECTIONS' : limit, peer)
        return false
      }
      this.#byAddress.add(address, 1)
      this.#counted++
    }
    this.#addressOf.set(socket, address)
    socket.on('close', this.#onClose)
    return true
  }

  #closed(socket: Socket): void {
    const address = this.#addressOf.get(socket)
    this.#addressOf.delete(socket)
    if (address === undefined) return
    this.#counted--
    this.#byAddress.add(address, -1)
  }

  #closeIdle(server: Server): void {
    const now = this.#options.clock.steady()
    if (now - this.#searchedAt < SEARCH_EVERY_MS) return
    this.#searchedAt = now
    server.closeIdleConnections()
  }

  #refuse(limit: Limit, address: string | undefined): void {
    const { refusals, log } = this.#options
    refusals.count(limit)
    log.limited('socket', `a socket was refused by ${limit}`, { address })
  }
}

const TOO_MANY =
  'HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n'
