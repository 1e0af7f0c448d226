import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

/** How many new sockets have their first request read in one turn of the event loop: about 2 ms of parsing. */
const READS_PER_TURN = 64

/** After this time, in ms, all sockets are read: Node ends those whose request has not arrived within 5 s. */
const LONGEST_WAIT_MS = 2_000

/**
 * Paces the first reads of new sockets. Node parses all requests that have arrived in one turn of the event loop: with
 * 4,000 of them, nobody else is heard for 140 ms. Here the sockets that have sent nothing yet are not read until
 * earlier arrivals are done.
 */
export class FirstReads {
  readonly #isBusy: () => boolean
  /** The sockets without a request that are read. */
  readonly #open = new Set<Socket>()
  /** The sockets without a request that are not read for now, in the order of their arrival. */
  readonly #paused = new Set<Socket>()
  /** One listener for all sockets: a closure for each would take memory. */
  readonly #onClose: (this: Socket) => void
  /** How many first requests were read in this turn. */
  #reads = 0
  #isTurning = false
  /** `performance.now()` since when sockets wait. */
  #pausedSince = 0

  /** @param isBusy whether earlier arrivals are still being handled */
  constructor(isBusy: () => boolean) {
    this.#isBusy = isBusy
    const forget = (socket: Socket): void => this.#forget(socket)
    this.#onClose = function () {
      forget(this)
    }
  }

  /** Begins to pace. Call it before other listeners for requests and upgrades are added. */
  attach(server: Server): void {
    server.on('connection', (socket: Socket) => this.#connected(socket))
    const read = ({ socket }: IncomingMessage): void => this.#read(socket)
    server.on('request', read)
    server.on('upgrade', read)
  }

  #connected(socket: Socket): void {
    socket.on('close', this.#onClose)
    if (this.#paused.size === 0) this.#open.add(socket)
    else this.#pause(socket)
  }

  #read(socket: Socket): void {
    if (!this.#open.has(socket)) return
    this.#forget(socket)
    this.#askForTurn()
    if (++this.#reads < READS_PER_TURN) return
    for (const other of this.#open) this.#pause(other)
    this.#open.clear()
  }

  #forget(socket: Socket): void {
    socket.off('close', this.#onClose)
    this.#open.delete(socket)
    this.#paused.delete(socket)
  }

  #pause(socket: Socket): void {
    if (this.#paused.size === 0) this.#pausedSince = performance.now()
    this.#paused.add(socket)
    socket.pause()
  }

  #askForTurn(): void {
    if (this.#isTurning) return
    this.#isTurning = true
    setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    this.#isTurning = false
    this.#reads = 0
    if (this.#paused.size === 0) return
    const isLate = performance.now() - this.#pausedSince > LONGEST_WAIT_MS
    if (isLate || !this.#isBusy()) this.#resume(isLate ? this.#paused.size : READS_PER_TURN)
    if (this.#paused.size > 0) this.#askForTurn()
  }

  #resume(count: number): void {
    let left = count
    for (const socket of this.#paused) {
      if (left-- === 0) return
      this.#paused.delete(socket)
      this.#open.add(socket)
      socket.resume()
    }
  }
}
