import { randomUUID } from 'node:crypto'
import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ProtocolVersion, ServerMessage } from '@who-is-online/protocol/catalogue'
import { CLOSE } from '@who-is-online/protocol/close-codes'
import { encode, formatTime } from '@who-is-online/protocol/encode'
import { MAX_MESSAGE_BYTES, type UserId } from '@who-is-online/protocol/words'
import { type RawData, WebSocket, WebSocketServer } from 'ws'
import { Hub } from '../fanout/hub.ts'
import { SharedAnswers } from '../fanout/shared-answers.ts'
import { Slices } from '../fanout/slices.ts'
import { Subscriptions } from '../fanout/subscriptions.ts'
import { Turns } from '../fanout/turns.ts'
import type { Feed } from '../feed.ts'
import type { Log } from '../log.ts'
import type { Presence } from '../presence/presence.ts'
import type { Requests } from '../requests.ts'
import type { TrustProxy } from '../settings.ts'
import type { Clock } from '../time/clock.ts'
import type { Tracker } from '../tracker.ts'
import { type ClientAddress, clientAddress, countedAs } from './address.ts'
import { Connection, type ConnectionPorts, type Terms } from './connection.ts'
import { Heartbeat, type HeartbeatOptions } from './heartbeat.ts'
import type { Identity } from './identity.ts'
import { ConnectionLimits, type LimitOptions, type TooMany } from './limits.ts'
import { isAllowedOrigin, type OriginRules } from './origin.ts'
import { onCloseFrame } from './outbox.ts'
import { Sessions } from './sessions.ts'
import { offersWebSocket, PlainRequests } from './upgrade.ts'

export interface GatewayOptions {
  readonly tracker: Tracker
  readonly requests: Requests
  readonly presence: Pick<Presence, 'see' | 'list' | 'onlineCount'>
  readonly feed: Feed
  readonly identity: Identity
  readonly clock: Clock
  readonly log: Log
  readonly limits: LimitOptions
  readonly heartbeat: HeartbeatOptions
  /** Whether clients that offer to may deflate what they send, and are sent deflated what is worth it. */
  readonly compression: boolean
  readonly origins: OriginRules
  readonly trustProxy: TrustProxy | undefined
  readonly maxBufferedBytes: number
  /** The user whose connections are observers, as many as there are; undefined where there is none. */
  readonly observer: UserId | undefined
  readonly maxSubscribedUsers: number
  readonly maxSubscriptions: number
  readonly allUsersLimit: number
  readonly terms: Terms
}

/** Longest request line of a handshake: a path and two names of 128 bytes, percent-encoded, many times over. */
export const MAX_URL_BYTES = 8 * 1024

/** The absolute form of a request's target, which proxies send and servers must take (RFC 9112, section 3.2.2). */
const SCHEME_AND_HOST = /^https?:\/\/[^/?]*/i

/** The code that stands for "no close frame" (RFC 6455, section 7.1.5). */
const ABNORMAL = 1006

/** No client needs fragments for 64 KiB; a few, since some proxies make them. */
const MAX_FRAGMENTS = 16

/** With a larger backlog, in bytes, a v2 client is sent no diffs; see `Subscriber`. */
const HIGH_WATER_MARK = 256 * 1024

/** How long a client may take to answer a close frame. It counts as gone from the beginning. */
const CLOSE_TIMEOUT_MS = 2_000

/** How many clients are told to go in one turn of the loop when the server stops. */
const CLOSES_PER_TURN = 200

/** The clients of a server that stops come back spread over so long for each: 5,000 within 5 s. */
export const AWAY_MS_PER_CLIENT = 1

/** `ws` would make an encoder of 300 KB for each client that is turned away. */
const NOT_DEFLATED = { compress: false } as const

const SUBPROTOCOL: Readonly<Record<ProtocolVersion, string>> = {
  v1: 'who-is-online.v1',
  v2: 'who-is-online.v2',
}

/** A socket that knows whose it is: handlers are shared by all connections and find theirs here. */
class ClientSocket extends WebSocket {
  connection: Connection | undefined
}

/** Lets clients in at `/ws` and keeps them alive. */
export class Gateway {
  readonly #options: GatewayOptions
  readonly #webSockets: WebSocketServer
  readonly #limits: ConnectionLimits
  readonly #hub: Hub
  readonly #heartbeat: Heartbeat<Connection>
  readonly #subscriptions: Subscriptions
  readonly #connections = new Set<Connection>()
  /** The connections of v2, to be found by user and session. */
  readonly #sessions = new Sessions<Connection>()
  readonly #ports: ConnectionPorts
  readonly #arrivals = new Slices()
  #stopping = false

  constructor(options: GatewayOptions) {
    const { tracker, requests, presence, feed, clock, log, limits } = options
    const { maxBufferedBytes, maxSubscribedUsers, allUsersLimit, terms } = options
    this.#options = options
    this.#limits = new ConnectionLimits(limits)
    this.#subscriptions = new Subscriptions(presence, feed, options.maxSubscriptions)
    this.#hub = new Hub(feed.seq, this.#subscriptions)
    this.#heartbeat = new Heartbeat(options.heartbeat)
    feed.listen({
      changed: (changes, seq) => this.#hub.changed(changes, seq),
      chosen: (userId, bySession) => this.#chosen(userId, bySession),
    })
    this.#ports = {
      tracker,
      requests,
      presence,
      feed,
      subscriptions: this.#subscriptions,
      hub: this.#hub,
      shared: new SharedAnswers(),
      turns: new Turns(),
      highWaterMark: Math.min(HIGH_WATER_MARK, maxBufferedBytes / 4),
      heartbeat: this.#heartbeat,
      clock,
      log,
      limits,
      maxBufferedBytes,
      maxSubscribedUsers,
      allUsersLimit,
      terms,
      slow: new Set(),
      gone: connection => this.#gone(connection),
    }
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      // What a client sends is short: it needs no memory of what it sent before.
      perMessageDeflate: options.compression && { clientNoContextTakeover: true },
      maxPayload: MAX_MESSAGE_BYTES,
      maxFragments: MAX_FRAGMENTS,
      WebSocket: ClientSocket,
      handleProtocols: (protocols, request) => {
        const subprotocol = SUBPROTOCOL[versionOf(request)]
        return protocols.has(subprotocol) ? subprotocol : false
      },
      // Known to ws, not yet to its published types.
      ...{ closeTimeout: CLOSE_TIMEOUT_MS },
    })
  }

  get connections(): number {
    return this.#connections.size
  }

  /** How many user ids are subscribed, each as often as it is. */
  get subscriptionCount(): number {
    return this.#subscriptions.size
  }

  /** Takes the WebSocket handshakes of an HTTP server. Requests that offer only other protocols stay plain HTTP. */
  attach(server: Server): void {
    const plainRequests = new PlainRequests(server)
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (!offersWebSocket(request)) return plainRequests.giveBack(request, socket as Socket, head)
      // ws takes the bare name only.
      request.headers.upgrade = 'websocket'
      // Until ws takes over, a reset must not be an uncaught error.
      socket.on('error', () => socket.destroy())
      this.#arrivals.do(() => {
        if (!socket.destroyed) this.#upgrade(request, socket as Socket, head)
      })
    })
  }

  /** Time passes, in awake time: pings quiet connections, ends silent ones and those that take nothing they are sent. */
  advance(awake: number): void {
    const { ping, silent } = this.#heartbeat.advance(awake)
    for (const connection of silent) connection.end(CLOSE.silentOrSlow, 'no answer to a ping')
    for (const connection of ping) connection.ping()
    for (const delivery of this.#ports.slow) delivery.check(awake)
    this.#subscriptions.advance(awake)
  }

  /** From now on nobody is let in. */
  refuse(): void {
    this.#stopping = true
  }

  /** Tells all clients to come back later, some at a time. Resolves when all have been told. */
  async closeAll(): Promise<void> {
    let told = 0
    const awayMs = this.#connections.size * AWAY_MS_PER_CLIENT
    for (const connection of this.#connections) {
      const code = connection.version === 'v1' ? CLOSE.restart : CLOSE.shuttingDown
      connection.end(code, 'the server is restarting', Math.round(awayMs * Math.random()))
      if (++told % CLOSES_PER_TURN === 0) await new Promise(resolve => setImmediate(resolve))
    }
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const { identity, clock, origins, trustProxy, compression } = this.#options
    const url = (request.url ?? '').replace(SCHEME_AND_HOST, '')
    if (url.length > MAX_URL_BYTES) return refuse(socket, 414, 'the URL is longer than 8 KiB')
    const violation = handshakeViolation(request)
    if (violation)
      return refuse(socket, violation.status, violation.detail, { 'Sec-WebSocket-Version': '13' })
    if (url.split('?', 1)[0] !== '/ws')
      return refuse(socket, 404, 'WebSocket clients connect to /ws?userId=ID')
    if (this.#stopping) return refuse(socket, 503, 'the server is stopping', { 'Retry-After': '1' })

    const from = clientAddress(request, trustProxy)
    const counted = from.own ? countedAs(from.address) : undefined
    const flood = this.#limits.handshake(counted, clock.steady())
    if (flood) return this.#refuseTooMany(socket, flood, from)
    if (!isAllowedOrigin(request.headers.origin, request.headers.host, origins)) {
      return this.#refuseOrigin(socket, request.headers.origin ?? '')
    }

    if (compression) declineOffers(request)
    const version = versionOf(request)
    const identified = identity.identify(url, version)
    if (identified.state === 'unusable') {
      // A browser can't read why an upgrade was refused, so the reason comes over an open connection.
      this.#webSockets.handleUpgrade(request, socket, head, webSocket =>
        this.#turnAway(webSocket, version, identified.text),
      )
      return
    }
    const { userId, sessionId } = identified
    // Whoever takes the place of a connection needs no room of its own.
    const isBack = sessionId !== undefined && this.#sessions.find(userId, sessionId) !== undefined
    const isObserver = userId === this.#options.observer
    const asUser = isObserver ? undefined : userId
    const crowd = isBack ? undefined : this.#limits.admits(asUser, counted)
    if (crowd) return this.#refuseTooMany(socket, crowd, from)

    // The answer to the handshake and the welcome leave in one write: the outbox uncorks.
    socket.cork()
    this.#webSockets.handleUpgrade(request, socket, head, webSocket => {
      if (sessionId !== undefined) this.#sessions.find(userId, sessionId)?.replaced()
      this.#limits.opened(userId, counted)
      const connectionId = randomUUID()
      const isNamed = sessionId !== undefined
      const caller = { ...identified, version, connectionId, isNamed, isObserver, address: counted }
      this.#welcome(webSocket as ClientSocket, socket, { ...caller, sessionId: sessionId ?? connectionId })
    })
  }

  #welcome(
    webSocket: ClientSocket,
    socket: Socket,
    caller: ConstructorParameters<typeof Connection>[1],
  ): void {
    webSocket.on('message', onMessage)
    webSocket.on('ping', onBeat)
    webSocket.on('pong', onBeat)
    webSocket.on('close', onClose)
    webSocket.on('error', onViolation)
    onCloseFrame(webSocket, onClose)
    const connection = new Connection(this.#ports, caller, webSocket, socket)
    webSocket.connection = connection
    this.#connections.add(connection)
    if (connection.version === 'v2') this.#sessions.add(connection)
    connection.start(caller)
    this.#options.log.debug('connected', { userId: caller.userId, address: caller.address })
  }

  #gone(connection: Connection): void {
    this.#connections.delete(connection)
    this.#sessions.delete(connection)
    this.#limits.closed(connection.userId, connection.address)
  }

  /** Tells the other connections of a user what was chosen; the one that chose knows. */
  #chosen(userId: UserId, bySession: string | undefined): void {
    for (const connection of this.#sessions.of(userId)) {
      if (connection.sessionId !== bySession) connection.choiceChanged()
    }
  }

  #turnAway(webSocket: WebSocket, version: ProtocolVersion, text: string): void {
    const timestamp = formatTime(this.#options.clock.now())
    const [code, reason] = [CLOSE.badIdentity, 'bad identity']
    webSocket.on('error', ignore)
    const message = `bad_message: ${text}`
    const send = (said: ServerMessage): void => webSocket.send(encode(said, version), NOT_DEFLATED)
    send({ type: 'error', message, timestamp, code: 'bad_message' })
    if (version === 'v2') {
      send({ type: 'disconnect', code, reason, reconnect: false, retryAfterMs: 0 })
    }
    webSocket.close(code, reason)
  }

  #refuseTooMany(socket: Socket, { status, setting, retryAfterMs }: TooMany, from: ClientAddress): void {
    this.#options.log.limited('refused', `a connection was refused by ${setting}`, { address: from.address })
    if (from.forwarded) {
      this.#options.log.once(
        'a connection met a limit per address and carries X-Forwarded-For: if a proxy of yours sets it, set TRUST_PROXY',
      )
    }
    const seconds = String(Math.ceil(retryAfterMs / 1_000))
    refuse(socket, status, `too many connections (${setting})`, { 'Retry-After': seconds })
  }

  #refuseOrigin(socket: Socket, origin: string): void {
    const { allowed } = this.#options.origins
    this.#options.log.limited('origin', 'a web page was refused; to let it in, set ALLOWED_ORIGINS', {
      origin,
      set: `ALLOWED_ORIGINS=${[...allowed, origin].join(',')}`,
    })
    refuse(socket, 403, 'this web page may not connect (ALLOWED_ORIGINS)')
  }
}

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  const { connection } = this as ClientSocket
  try {
    if (isBinary) connection?.end(CLOSE.unsupported, 'text frames only')
    else connection?.receive(data.toString())
  } catch (error) {
    connection?.fail(error as Error)
  }
}

function onBeat(this: WebSocket): void {
  ;(this as ClientSocket).connection?.beat()
}

function onClose(this: WebSocket, code: number): void {
  ;(this as ClientSocket).connection?.closed(code)
}

/** A violation of RFC 6455, which ws has answered, or a broken socket. It counts now, not when TCP has ended. */
function onViolation(this: WebSocket): void {
  ;(this as ClientSocket).connection?.closed(ABNORMAL)
}

/** For a client that is turned away, it does not matter how it goes. */
function ignore(): void {}

/** What a client speaks: v2 if it offers that, else v1, which needs no offer. */
function versionOf({ headers }: IncomingMessage): ProtocolVersion {
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map(offer => offer.trim())
  return offered.includes(SUBPROTOCOL.v2) ? 'v2' : 'v1'
}

/** What RFC 6455, section 4.2.1, asks of a handshake and `ws` takes without. */
function handshakeViolation(request: IncomingMessage): { status: 400 | 426; detail: string } | undefined {
  const { rawHeaders } = request
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) if (/^host$/i.test(rawHeaders[at] as string)) hosts++
  if (request.httpVersion !== '1.1') return { status: 400, detail: 'a WebSocket handshake is HTTP/1.1' }
  if (hosts !== 1) return { status: 400, detail: 'one Host header is needed' }
  if (request.headers['sec-websocket-version'] === '13') return undefined
  return { status: 426, detail: 'the version of the WebSocket protocol spoken here is 13' }
}

/** One offer of the extension, and its parameters as they are known (RFC 7692, section 7.1). */
const DEFLATE_OFFER =
  /^permessage-deflate(?: *; *(?:(?:server|client)_no_context_takeover|server_max_window_bits=(?:8|9|1[0-5])|client_max_window_bits(?:=(?:8|9|1[0-5]))?))*$/

/** Leaves of the extensions that a client offers the first that is understood; `ws` would refuse the client for any other. */
function declineOffers({ headers }: IncomingMessage): void {
  const offers = headers['sec-websocket-extensions']?.split(',').map(offer => offer.trim())
  const understood = offers?.find(offer => DEFLATE_OFFER.test(offer))
  if (understood === undefined) delete headers['sec-websocket-extensions']
  else headers['sec-websocket-extensions'] = understood
}

/** Answers a request that does not become a WebSocket. */
function refuse(socket: Socket, status: number, detail: string, headers: Record<string, string> = {}): void {
  const title = STATUS_CODES[status] ?? ''
  const body = JSON.stringify({ title, status, detail })
  socket.end(
    [
      `HTTP/1.1 ${status} ${title}`,
      'Connection: close',
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      '',
      body,
    ].join('\r\n'),
  )
  socket.destroySoon()
}
