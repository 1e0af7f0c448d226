import { badIdentity, normal } from './close-codes.ts'
import type { Credentials } from './credentials.ts'
import { type ConnectionState, type Event, initialMachine, step } from './machine.ts'
import type { Platform, WebSocketConstructor, WebSocketLike } from './platform.ts'
import type { Disconnect, Welcome } from './protocol.ts'
import { timer } from './timer.ts'
import type { Message, Request, SentRequest } from './wire.ts'

/** Close code, reported by the platform, of a connection that was lost without a close frame. */
const ABNORMAL = 1006

/**
 * Close code that this client sends when it drops a socket but not its session, which continues on the next
 * socket. The server waits for its grace. No code of the server.
 */
export const DROPPED = 4000

/** How long the server may take to answer a ping, in ms. */
export const ANSWER_MS = 8_000

/** How often an open connection compares the clock with its timer, in ms: so soon after a sleep that is noticed. */
const BEAT_MS = 2_000

/** A timer that is so late, in ms, means that the device slept. A busy page is late too, but less. */
const LATE_MS = 5_000

/** What the connection needs from its owner, and what it reports. */
export interface ConnectionHandlers {
  /**
   * Called for each attempt, with the close code of the last connection. The returned function is called right
   * before the socket is opened, so that the URL has the newest choice. A rejection counts as a failed attempt.
   */
  prepare(code: number): Promise<() => Credentials>
  /** The server has accepted the connection: send what must be sent on each connection. */
  resume(welcome: Welcome): void
  /** A message other than `welcome` and `disconnect`. */
  receive(message: Message): void
  /** The device has slept while the connection was open: it may have missed the end of the connection. */
  slept(): void
  /** The open connection is lost. */
  lost(): void
  /** The state has changed. `details` has the close code and, if known, the reason. */
  changed(state: ConnectionState, details: Pick<Disconnect, 'code'> & Partial<Disconnect>): void
}

/** The connection to the server: carries out what the state machine decides, with one socket at a time. */
export interface Connection {
  state(): ConnectionState
  /** Returns whether a socket was opened, so that its URL is fixed, and the server has not sent its `welcome`. */
  isOpening(): boolean
  /**
   * Sends a request if the connection is open; otherwise does nothing. Returns the request's `id` in both
   * cases: ids are unique for this client.
   */
  send(request: Request): number
  /** Applies an event to the state machine, after those that are being applied. */
  dispatch(event: Event): void
}

/**
 * Makes a connection in the state `idle`. `tokenRetries` is the number of attempts to which close code 4401 leads, in a
 * row.
 */
export function createConnection(
  platform: Platform,
  tokenRetries: number,
  handlers: ConnectionHandlers,
): Connection {
  const heartbeat = timer(platform)
  const stateTimer = timer(platform)
  const beatTimer = timer(platform)
  /** When the last beat was, by this device's clock. */
  let beatAt = 0
  let queue: (() => void)[] = []
  let machine = initialMachine(tokenRetries)
  let socket: WebSocketLike | undefined
  /** Changes whenever a socket is dropped, so that late events of that socket can be recognized. */
  let attempt = 0
  let lastId = 0
  let welcome: Welcome
  /** The server's `disconnect` message, or the reason why there is no socket. */
  let disconnect: Partial<Disconnect> | undefined

  function send(request: Request): number {
    const id = ++lastId
    if (machine.state === 'open') socket?.send(JSON.stringify({ ...request, id } satisfies SentRequest))
    return id
  }

  /** Runs tasks one after the other: an event that a listener causes is applied after the current one. */
  function enqueue(task: () => void): void {
    if (queue.push(task) > 1) return
    for (const each of queue) {
      try {
        each()
      } catch {
        // The socket cannot be used, or the server sent an invalid message.
        queue.push(() => apply('lost'))
      }
    }
    queue = []
  }

  function dispatch(event: Event): void {
    enqueue(() => apply(event))
  }

  function apply(event: Event, closeCode: number = ABNORMAL): void {
    const before = machine.state
    // The server's `disconnect` message overrides the browser's close code: the close frame may have been lost.
    const details = { code: closeCode, retryAfterMs: 0, ...disconnect, random: platform.random() }
    const [next, effect, timerMs] = step(machine, event, details)
    machine = next
    const { state } = machine
    const isChanged = state !== before
    if (isChanged) {
      stateTimer.stop()
      heartbeat.stop()
      beatTimer.stop()
      if (state !== 'open') dropSocket(state === 'closed' ? normal : DROPPED)
      if (before === 'open') handlers.lost()
    }
    if (timerMs !== undefined) stateTimer.set(timerMs, () => dispatch('timer'))
    if (effect === 'open') void open(details.code)
    if (effect === 'resume') {
      beatAt = platform.now()
      handlers.resume(welcome)
      beat()
    }
    if (effect === 'probe') probe()
    if (isChanged) handlers.changed(state, details)
  }

  /**
   * Detects a dead server behind a half-open TCP connection, which a browser reports as open for minutes:
   * sends a ping and abandons the socket if nothing at all arrives within {@link ANSWER_MS}. Only the time
   * after the ping counts, so a laptop that slept and a tab with throttled timers ask first.
   */
  function probe(): void {
    heartbeat.set(ANSWER_MS, () => dispatch('lost'))
    send({ type: 'ping' })
    beat()
  }

  /** Notices that the device slept, which no event tells: the clock has moved on further than the timer. */
  function beat(): void {
    const lateMs = platform.now() - beatAt - BEAT_MS
    beatAt = platform.now()
    beatTimer.set(BEAT_MS, beat)
    if (lateMs < LATE_MS) return
    handlers.slept()
    dispatch('wake')
  }

  async function open(lastCode: number): Promise<void> {
    dropSocket(DROPPED)
    disconnect = undefined
    const current = attempt
    // Events of a dropped socket are ignored: its close event may arrive when the next socket is already open.
    const ifCurrent = (task: () => void): void => {
      if (current === attempt) enqueue(task)
    }
    // A missing token is treated like a missing network: an abnormal close.
    let code: number | undefined
    try {
      const credentials = await handlers.prepare(lastCode)
      if (current !== attempt) return
      // The constructor throws for an invalid URL or subprotocol: trying again would not help.
      code = badIdentity
      // `connect()` has checked that there is a WebSocket.
      socket = new (platform.WebSocket as WebSocketConstructor)(...credentials())
      socket.onmessage = ({ data }: { readonly data: unknown }) => ifCurrent(() => receive(data))
      socket.onclose = (event: { readonly code: number }) => ifCurrent(() => apply('lost', event.code))
      // A close event with a code follows each error event.
      socket.onerror = () => {}
    } catch (error) {
      ifCurrent(() => {
        disconnect = { reason: `${error}` }
        apply('lost', code)
      })
    }
  }

  function dropSocket(code: number): void {
    attempt++
    socket?.close(code)
    socket = undefined
  }

  function receive(data: unknown): void {
    const message: Message = JSON.parse(data as string)
    if (message.type === 'welcome') {
      welcome = message
      apply('welcome')
    } else if (message.type === 'disconnect') disconnect = { ...message, ...disconnect }
    else if (machine.state === 'open') handlers.receive(message)
    // Before the welcome, an error is the reason for which the server then closes the connection.
    else if (message.type === 'error') disconnect = { reason: message.message }
    if (machine.state === 'open') heartbeat.set(welcome.heartbeatMs, probe)
  }

  return {
    state: () => machine.state,
    isOpening: () => machine.state === 'connecting' && !!socket,
    send,
    dispatch,
  }
}
