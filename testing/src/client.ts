import { WebSocket } from 'ws'

/** How long a test waits for what must come, in ms. */
const PATIENCE_MS = 10_000

interface Closed {
  readonly code: number
  readonly reason: string
}

/** A plain WebSocket client that keeps the texts it was sent until somebody asks for them. */
export class TestClient {
  readonly socket: WebSocket
  /** Texts that nobody has taken yet, oldest first. */
  readonly texts: string[] = []
  readonly closed: Promise<Closed>
  #wake: () => void = () => {}

  private constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', data => {
      this.texts.push(String(data))
      this.#wake()
    })
    this.closed = new Promise(resolve => {
      socket.on('close', (code, reason) => {
        resolve({ code, reason: String(reason) })
        this.#wake()
      })
    })
    socket.on('error', () => {})
  }

  /** Connects; rejects with the HTTP status when the server refuses the upgrade. */
  static open(
    url: string,
    options: { headers?: Record<string, string>; protocols?: string[] } = {},
  ): Promise<TestClient> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, options.protocols ?? [], { headers: options.headers ?? {} })
      const client = new TestClient(socket)
      socket.once('open', () => resolve(client))
      socket.once('unexpected-response', (_request, response) => {
        response.resume()
        reject(new Error(`refused: HTTP ${response.statusCode}`))
        socket.terminate()
      })
      socket.once('error', reject)
    })
  }

  /** Connects as a user and takes the welcome. */
  static async as(server: { readonly url: string }, userId: string): Promise<TestClient> {
    const client = await TestClient.open(`${server.url}?userId=${encodeURIComponent(userId)}`)
    await client.next('welcome')
    return client
  }

  /** Connects as a user who speaks v2, and takes the welcome. `query` is what else the URL says. */
  static async v2(
    server: { readonly url: string },
    userId: string,
    query: Readonly<Record<string, string>> = {},
  ): Promise<TestClient> {
    const url = `${server.url}?${new URLSearchParams({ userId, ...query })}`
    const client = await TestClient.open(url, { protocols: ['who-is-online.v2'] })
    await client.next('welcome')
    return client
  }

  /** Stops reading from the socket, or goes on. */
  stall(isStalled: boolean): void {
    if (isStalled) this.socket.pause()
    else this.socket.resume()
  }

  send(message: unknown): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  /** The next text, whatever it is. Rejects when none comes in time. */
  async text(): Promise<string> {
    const until = Date.now() + PATIENCE_MS
    while (this.texts.length === 0) {
      if (Date.now() > until) throw new Error('nothing came')
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error('closed before anything came')
      await this.#change(until)
    }
    return this.texts.shift() as string
  }

  /** The next message of a type; takes and drops those before it. */
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever it expects
  async next(type: string): Promise<any> {
    for (;;) {
      const message = JSON.parse(await this.text())
      if (message.type === type) return message
    }
  }

  /** Sends and takes the next message of a type. */
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever it expects
  async ask(message: unknown, type: string): Promise<any> {
    this.send(message)
    return this.next(type)
  }

  /** Says goodbye, with a code or without. */
  async leave(code?: number): Promise<void> {
    this.socket.close(code)
    await this.closed
  }

  /** Breaks the TCP connection without a word (a reset). */
  reset(): void {
    const { _socket: socket } = this.socket as unknown as { _socket: { resetAndDestroy(): void } }
    socket.resetAndDestroy()
  }

  #change(until: number): Promise<void> {
    return new Promise(resolve => {
      const patience = setTimeout(resolve, Math.max(0, until - Date.now()) + 1)
      this.#wake = () => {
        clearTimeout(patience)
        resolve()
      }
    })
  }
}

/** Waits `ms` milliseconds. */
export function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
