import { WebSocket } from 'ws'
import type { Leaving } from './invariants.ts'

/** The protocol version of a client. */
export type Version = 'v1' | 'v2'

/** The connect timeout and the waits before the next attempt, in ms, as in the SDK. */
const CONNECT_WITHIN_MS = 10_000
const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 10_000

/** A message, parsed. */
// biome-ignore lint/suspicious/noExplicitAny: a client accesses the fields that it expects
export type Message = any

/** Options of {@link ClientConnection}. */
export interface ClientConnectionOptions {
  /** `ws://HOST:PORT/ws` */
  readonly url: string
  readonly version: Version
  readonly userId: string
  readonly random: () => number
  /** Returns further parameters of the URL; called before each attempt. */
  readonly query?: () => Readonly<Record<string, string>>
  readonly onWelcome?: (message: Message) => void
  readonly onMessage?: (message: Message) => void
  readonly onClose?: (code: number) => void
}

/** The connection of a user on a plain WebSocket. It reconnects by itself with full jitter. */
export class ClientConnection {
  readonly userId: string
  readonly version: Version
  /** Whether the connection has received its `welcome` and has not ended. */
  isOpen = false
  readonly #options: ClientConnectionOptions
  #socket: WebSocket | undefined
  #timer: NodeJS.Timeout | undefined
  #failures = 0
  #isWanted = false

  constructor(options: ClientConnectionOptions) {
    this.#options = options
    this.userId = options.userId
    this.version = options.version
  }

  /** Connects now, and reconnects whenever the connection ends. */
  open(): void {
    this.#isWanted = true
    this.#connect()
  }

  send(message: Message): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message))
  }

  /** Leaves without reconnecting. `silent`: keeps TCP open and stops reading. */
  leave(how: Leaving): void {
    this.#isWanted = false
    clearTimeout(this.#timer)
    this.isOpen = false
    if (how === 'silent') this.#socket?.pause()
    else this.#end(how)
  }

  /** Resets the connection, and reconnects after `awayMs`. */
  lose(awayMs: number): void {
    if (this.isOpen) this.#options.onClose?.(1006)
    this.isOpen = false
    this.#end('reset')
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#connect(), awayMs)
  }

  /** The same, unless the user has left. */
  cut(awayMs: number): void {
    if (this.#isWanted) this.lose(awayMs)
  }

  /** Destroys the connection, also a silent one. */
  destroy(): void {
    this.#isWanted = false
    clearTimeout(this.#timer)
    this.isOpen = false
    this.#socket?.removeAllListeners()
    this.#socket?.on('error', () => {})
    this.#socket?.terminate()
    this.#socket = undefined
  }

  #end(how: 'clean' | 'reset' | 'away'): void {
    const socket = this.#socket
    this.#socket = undefined
    if (!socket) return
    if (how === 'clean' && socket.readyState === WebSocket.OPEN) return socket.close(1000)
    const { _socket: tcp } = socket as unknown as { _socket: { resetAndDestroy(): void } | null }
    if (tcp) tcp.resetAndDestroy()
    else socket.terminate()
  }

  #connect(): void {
    this.#socket?.terminate()
    const { url, version, userId, query } = this.#options
    const parameters = new URLSearchParams({ userId, ...query?.() })
    const protocols = version === 'v2' ? ['who-is-online.v2'] : []
    const socket = new WebSocket(`${url}?${parameters}`, protocols, { handshakeTimeout: CONNECT_WITHIN_MS })
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('message', data => {
      if (socket === this.#socket) this.#take(JSON.parse(String(data)))
    })
    socket.on('close', code => {
      if (socket !== this.#socket) return
      if (this.isOpen) this.#options.onClose?.(code)
      this.isOpen = false
      if (this.#isWanted) this.#again()
    })
  }

  #take(message: Message): void {
    if (message.type !== 'welcome') return this.#options.onMessage?.(message)
    this.isOpen = true
    this.#failures = 0
    this.#options.onWelcome?.(message)
  }

  #again(): void {
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures)
    this.#failures++
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#connect(), this.#options.random() * longest)
  }
}
