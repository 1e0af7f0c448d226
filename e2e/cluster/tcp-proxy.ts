import { connect, createServer, type Server, type Socket } from 'node:net'

/** One direction of a connection: what has arrived passes in its order. */
class Lane {
  readonly #queue: { readonly dueAt: number; readonly act: () => void }[] = []
  readonly #state: { readonly delayMs: number; readonly isStalled: boolean }
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(state: { readonly delayMs: number; readonly isStalled: boolean }) {
    this.#state = state
  }

  add(act: () => void): void {
    this.#queue.push({ dueAt: performance.now() + this.#state.delayMs, act })
    this.pass()
  }

  /** Passes what is due. Without a delay, everything is. */
  pass(): void {
    clearTimeout(this.#timer)
    const { delayMs } = this.#state
    for (;;) {
      const [first] = this.#queue
      if (!first || this.#state.isStalled) return
      const leftMs = delayMs === 0 ? 0 : first.dueAt - performance.now()
      if (leftMs > 0) {
        this.#timer = setTimeout(() => this.pass(), leftMs)
        return
      }
      this.#queue.shift()
      first.act()
    }
  }
}

/** A TCP proxy in front of a server on this machine, which delays, stalls and cuts connections when it is told to. */
export class TcpProxy {
  readonly port: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #lanes = new Set<Lane>()
  readonly #state = { delayMs: 0, isStalled: false }

  private constructor(server: Server, port: number) {
    this.#server = server
    this.port = port
  }

  /** Starts a proxy on a free port of the loopback interface. */
  static start(target: number): Promise<TcpProxy> {
    return new Promise((resolve, reject) => {
      // Half-open, so that the end of one side is passed on like data: delayed, or after a stall.
      const server = createServer({ allowHalfOpen: true })
      server.once('error', reject)
      server.listen(0, '127.0.0.1', () => {
        const address = server.address()
        const proxy = new TcpProxy(server, typeof address === 'object' && address ? address.port : 0)
        server.on('connection', socket => proxy.#join(socket, target))
        resolve(proxy)
      })
    })
  }

  /** From now on, each packet takes so much longer, in each direction, in ms. */
  delay(ms: number): void {
    this.#state.delayMs = ms
  }

  /** From now on, nothing passes. Connections are accepted and stay open. */
  stall(): void {
    this.#state.isStalled = true
  }

  /** Ends a delay and a stall. What has waited passes. */
  heal(): void {
    this.#state.delayMs = 0
    this.#state.isStalled = false
    for (const lane of this.#lanes) lane.pass()
  }

  /** Resets all connections. New ones are accepted. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  stop(): Promise<void> {
    this.cut()
    return new Promise(resolve => this.#server.close(() => resolve()))
  }

  #join(near: Socket, target: number): void {
    const far = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true })
    this.#forward(near, far)
    this.#forward(far, near)
  }

  #forward(from: Socket, to: Socket): void {
    const lane = new Lane(this.#state)
    this.#lanes.add(lane)
    this.#sockets.add(from)
    from.setNoDelay(true)
    from.on('data', data => lane.add(() => to.writable && to.write(data)))
    from.on('end', () => lane.add(() => to.end()))
    from.on('error', () => lane.add(() => to.destroy()))
    from.on('close', hadError => {
      this.#sockets.delete(from)
      this.#lanes.delete(lane)
      if (hadError) to.destroy()
    })
  }
}
