import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import { ABANDONED_MS, type Status } from './truth.ts'

/** A message of the server, as far as it is read here. */
interface Message {
  readonly type: string
  readonly id?: string
  readonly status?: Status
  readonly timestamp?: string
  readonly retryAfterMs?: number
  readonly code?: string
}

export interface SessionEvents {
  welcomed(node: number): void
  /** A request was acknowledged, or refused. */
  replied(id: string, isDone: boolean, timestamp: string | undefined): void
  /** The server has told, after the welcome, which choice applies. */
  choiceApplies(node: number, status: Status): void
  /** The server has closed the connection. It comes back after `retryAfterMs`, if the server has said that. */
  closed(node: number, code: number, retryAfterMs: number | undefined): void
  /** It could not connect. */
  failed(node: number): void
}

/** A try to connect may take so long, in ms. */
const TRY_MS = 3_000

/** One connection of a session, from the try to connect to its end. */
export class SessionSocket {
  readonly node: number
  readonly #socket: WebSocket
  #isWelcomed = false
  /** Whether the client has ended it, or has another one instead. */
  #isOver = false
  #isEnding = false

  constructor(node: number, url: string, events: SessionEvents) {
    this.node = node
    this.#socket = new WebSocket(url, 'who-is-online.v2', { handshakeTimeout: TRY_MS })
    let retryAfterMs: number | undefined
    let isFirst = true
    this.#socket.on('message', data => {
      if (this.#isOver) return
      const message = JSON.parse(`${data}`) as Message
      const { type, id, status, timestamp } = message
      if (type === 'welcome') {
        this.#isWelcomed = true
        events.welcomed(node)
      } else if (type === 'disconnect') {
        retryAfterMs = message.retryAfterMs
        this.#isEnding = true
      } else if (id !== undefined && (type === 'status_updated' || type === 'ack' || type === 'error')) {
        events.replied(id, type !== 'error', timestamp)
      } else if (type === 'status_updated' && status && isFirst) events.choiceApplies(node, status)
      isFirst = type === 'welcome'
    })
    this.#socket.on('error', () => {})
    this.#socket.on('close', code => {
      if (this.#isOver) return
      this.#isOver = true
      if (this.#isWelcomed) events.closed(node, code, retryAfterMs)
      else events.failed(node)
    })
  }

  get isWelcomed(): boolean {
    return this.#isWelcomed && !this.#isOver
  }

  /** Whether requests are answered: not when the server has said that it closes the connection. */
  get isUsable(): boolean {
    return this.isWelcomed && !this.#isEnding
  }

  send(message: object): void {
    this.#socket.send(JSON.stringify(message))
  }

  /** Closes it as a client does that leaves. */
  leave(): void {
    this.#isOver = true
    this.#socket.close(1000)
  }

  /** Ends it without a word. */
  reset(): void {
    this.#isOver = true
    this.#socket.terminate()
  }

  /** Keeps it open, and reads and says nothing more. */
  fallSilent(): void {
    this.#isOver = true
    const { _socket: socket } = this.#socket as WebSocket & { _socket?: Socket }
    socket?.pause()
  }

  /** Another connection takes over the session. Usually the server closes this one at once. */
  abandon(): void {
    this.#isOver = true
    setTimeout(() => this.#socket.terminate(), ABANDONED_MS).unref()
  }
}
