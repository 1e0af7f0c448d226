import { WebSocket } from 'ws'

/** How long a test waits for a message, in ms. */
const PATIENCE_MS = 10_000

interface Closed {
  readonly code: number
  readonly reason: string
}

/** A WebSocket client that keeps the texts it received until the test takes them. */
export class TestClient {
  readonly socket: WebSocket
  /** Received texts that the test has not taken, oldest first. */
  readonly texts: string[] = []
  /** Resolves with the close code and reason when the connection is closed. */
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

  /** Connects. Rejects with the HTTP status if the server refuses the upgrade. */
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

  /** Connects as a user with protocol v1, and takes the welcome. */
  static async as(server: { readonly url: string }, userId: string): Promise<TestClient> {
    const client = await TestClient.open(`${server.url}?userId=${encodeURIComponent(userId)}`)
    await client.next('welcome')
    return client
  }

  /**
   * Connects as a user with protocol v2, and takes the welcome. `query` are further parameters of the URL.
   */
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

  /** Stops or continues reading from the socket. */
  stall(isStalled: boolean): void {
    if (isStalled) this.socket.pause()
    else this.socket.resume()
  }

  /** Sends a text as it is, or any other value as JSON. */
  send(message: unknown): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  /** Takes the next text. Rejects if none comes within 10 s. */
  async text(): Promise<string> {
    const until = Date.now() + PATIENCE_MS
    while (this.texts.length === 0) {
      if (Date.now() > until) throw new Error('no message came')
      if (this.socket.readyState === WebSocket.CLOSED)
        throw new Error('the connection was closed before a message came')
      await this.#change(until)
    }
    return this.texts.shift() as string
  }

  /** Takes the next message of a type, and drops the messages before it. */
  // biome-ignore lint/suspicious/noExplicitAny: a test accesses the fields that it expects
  async next(type: string): Promise<any> {
    for (;;) {
      const message = JSON.parse(await this.text())
      if (message.type === type) return message
    }
  }

  /** Sends a message, and takes the next message of a type. */
  // biome-ignore lint/suspicious/noExplicitAny: a test accesses the fields that it expects
  async ask(message: unknown, type: string): Promise<any> {
    this.send(message)
    return this.next(type)
  }

  /** Closes the connection, with or without a code. Resolves when it is closed. */
  async leave(code?: number): Promise<void> {
    this.socket.close(code)
    await this.closed
  }

  /** Resets the TCP connection. */
  reset(): void {
    const { _socket: socket } = this.socket as unknown as { _socket: { resetAndDestroy(): void } }
    socket.resetAndDestroy()
  }

  #change(until: number): Promise<void> {
    return new Promise(resolve => {
      const timeout = setTimeout(resolve, Math.max(0, until - Date.now()) + 1)
      this.#wake = () => {
        clearTimeout(timeout)
        resolve()
      }
    })
  }
}

/** Resolves after `ms` milliseconds. */
export function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
