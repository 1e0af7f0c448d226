import { randomUUID } from 'node:crypto'
import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ServerMessage } from '@who-is-online/protocol/catalogue'
import { CLOSE } from '@who-is-online/protocol/close-codes'
import { encode, formatTime } from '@who-is-online/protocol/encode'
import { MAX_MESSAGE_BYTES, type UserId } from '@who-is-online/protocol/words'
import { type WebSocket, WebSocketServer } from 'ws'
import type { ChangeFeed } from '../changes/feed.ts'
import { Hub } from '../fanout/hub.ts'
import { serve } from '../fanout/served.ts'
import { SharedAnswers } from '../fanout/shared-answers.ts'
import { Slices } from '../fanout/slices.ts'
import { Subscriptions } from '../fanout/subscriptions.ts'
import { Traffic } from '../fanout/traffic.ts'
import { Turns } from '../fanout/turns.ts'
import type { Identity } from '../identity/identity.ts'
import type { Log } from '../log.ts'
import type { EndedSession, OwnChoice } from '../presence/change.ts'
import type { Presence } from '../presence/presence.ts'
import { PROBLEM_TYPE, problemJson } from '../problem-json.ts'
import type { Refusals } from '../refusals.ts'
import type { Requests } from '../requests.ts'
import type { TrustProxy } from '../setting-values.ts'
import { stackOf } from '../stack-of.ts'
import type { Clock } from '../time/clock.ts'
import type { Tracker } from '../tracker.ts'
import { type Caller, Connection, type ConnectionPorts, type Terms } from './connection.ts'
import { Debts } from './debts.ts'
import {
  Handshake,
  LOADING,
  type Refused,
  type Report,
  STOPPING,
  SUBPROTOCOL,
  type Verdict,
  versionOf,
} from './handshake.ts'
import { Heartbeat, type HeartbeatOptions } from './heartbeat.ts'
import { ConnectionLimits, type LimitOptions } from './limits.ts'
import { MessageTurns } from './message-turns.ts'
import type { OriginRules } from './origin.ts'
import { listen, ServedSocket } from './served-socket.ts'
import { Sessions } from './sessions.ts'
import { offersWebSocket, PlainRequests } from './upgrade.ts'

export interface GatewayOptions {
  readonly tracker: Tracker
  readonly requests: Requests
  readonly presence: Pick<Presence, 'see' | 'list' | 'onlineCount'>
  readonly feed: ChangeFeed
  readonly identity: Identity
  /** The path of the WebSocket, such as `/ws`. */
  readonly path: string
  readonly clock: Clock
  readonly log: Log
  readonly limits: LimitOptions
  /** How many connections a user has on the other nodes. */
  readonly connectionsElsewhere: (userId: UserId, except?: string) => number
  /** How much longer a user may not connect, in ms; 0 for all other users. */
  readonly refusedMs: (userId: UserId) => number
  /** Whether the server knows all users. Until then, it accepts no clients. */
  readonly isReady: () => boolean
  readonly refusals: Refusals
  readonly heartbeat: HeartbeatOptions
  /** Whether to accept message compression (RFC 7692) from clients that offer it. */
  readonly compression: boolean
  readonly origins: OriginRules
  readonly trustProxy: TrustProxy | undefined
  readonly maxBufferedBytes: number
  readonly maxSubscribedUsers: number
  readonly maxSubscriptions: number
  readonly allUsersLimit: number
  readonly terms: Terms
  /** How long a connection may outlive its token, in ms. */
  readonly expiredGraceMs: number
  /** How long messages may hold one turn of the event loop, in ms. Default: `MESSAGES_MS`. */
  readonly messagesMs?: number | undefined
}

/** The most fragments of a message. No client needs any for 64 KiB, but some proxies make a few. */
const MAX_FRAGMENTS = 16

/** A v2 client with a larger backlog, in bytes, is not sent diffs; see `Subscriber`. */
const HIGH_WATER_MARK = 256 * 1024

/** How long a client may take to answer a close frame, in ms. Its connection counts as ended before that. */
const CLOSE_TIMEOUT_MS = 2_000

/** How many connections are closed in one turn of the event loop: when the server stops, and when grants end. */
const CLOSES_PER_TURN = 200

/** How often connections are checked for grants that have ended, in ms of awake time. */
const CHECK_EXPIRED_MS = 1_000

/** When the server stops, clients are told to reconnect spread over this time per client: 5,000 within 5 s. */
export const AWAY_MS_PER_CLIENT = 1

/** Without this option, `ws` creates an encoder of 300 kB for each client that is turned away. */
const NOT_DEFLATED = { compress: false } as const

/** The answer to a request that a bug has prevented from being handled. */
const BUG = {
  kind: 'refused',
  status: 500,
  detail: 'internal error: see the log of the server',
  headers: {},
} as const

/** How the connection of a client is closed that is turned away. */
const TURNED_AWAY = {
  bad_message: [CLOSE.badIdentity, 'bad identity'],
  bad_token: [CLOSE.badToken, 'bad token'],
  not_allowed: [CLOSE.notAllowed, 'this user may not connect'],
} as const

type Accepted = Extract<Verdict, { kind: 'accepted' }>
type TurnedAway = Extract<Verdict, { kind: 'turned away' }>

/** Accepts WebSocket connections at one path, and closes those that are silent or stuck. */
export class Gateway {
  readonly #options: GatewayOptions
  readonly #webSockets: WebSocketServer
  readonly #limits: ConnectionLimits
  readonly #handshake: Handshake
  readonly #hub: Hub
  readonly #heartbeat: Heartbeat<Connection>
  readonly #subscriptions: Subscriptions
  readonly #connections = new Set<Connection>()
  /** The v2 connections by user and session. */
  readonly #sessions = new Sessions<Connection>()
  readonly #ports: ConnectionPorts
  /** What all connections together were sent. */
  readonly traffic = new Traffic()
  readonly #arrivals = new Slices()
  /** When to look for connections whose grants have ended, in awake time. */
  #checkExpiredAt = 0
  #stopping = false

  constructor(options: GatewayOptions) {
    const { tracker, requests, presence, feed, clock, log, limits } = options
    const { maxBufferedBytes, maxSubscribedUsers, allUsersLimit, terms, identity, expiredGraceMs } = options
    this.#options = options
    this.#limits = new ConnectionLimits(limits, options.connectionsElsewhere)
    this.#handshake = new Handshake({
      ...options,
      limits: this.#limits,
      isConnected: (userId, sessionId) => this.#sessions.find(userId, sessionId) !== undefined,
    })
    this.#subscriptions = new Subscriptions(presence, feed, options.maxSubscriptions)
    this.#hub = new Hub(this.#subscriptions, this.traffic)
    this.#heartbeat = new Heartbeat(options.heartbeat)
    feed.listen({
      changed: changes => this.#hub.changed(changes),
      chosen: (own, bySession) => this.#chosen(own, bySession),
    })
    tracker.listen({
      kicked: userId => this.#kicked(userId),
      ended: session => this.#endedOne(session),
      moved: session => this.#moved(session),
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
      traffic: this.traffic,
      highWaterMark: Math.min(HIGH_WATER_MARK, maxBufferedBytes / 4),
      heartbeat: this.#heartbeat,
      clock,
      log,
      limits,
      maxBufferedBytes,
      maxSubscribedUsers,
      allUsersLimit,
      terms,
      identity,
      expiredGraceMs,
      slow: new Set(),
      tooFast: new Set(),
      messageTurns: new MessageTurns(clock, options.messagesMs),
      debts: new Debts(),
      refusals: options.refusals,
      gone: connection => this.#gone(connection),
    }
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      // Clients send short messages, so a window that is kept between messages is not worth its memory.
      perMessageDeflate: options.compression && { clientNoContextTakeover: true },
      maxPayload: MAX_MESSAGE_BYTES,
      maxFragments: MAX_FRAGMENTS,
      // The connection answers pings, because they count as messages.
      autoPong: false,
      WebSocket: ServedSocket,
      handleProtocols: (protocols, request) => {
        const subprotocol = SUBPROTOCOL[versionOf(request)]
        return protocols.has(subprotocol) ? subprotocol : false
      },
      // `ws` has this option, but its published types do not.
      ...{ closeTimeout: CLOSE_TIMEOUT_MS },
    })
  }

  get connections(): number {
    return this.#connections.size
  }

  /** How many connections have unread bytes in this process, and how many bytes these are together. */
  get backlog(): { readonly connections: number; readonly bytes: number } {
    let connections = 0
    let bytes = 0
    for (const { backlog } of this.#ports.slow) {
      if (backlog > 0) connections++
      bytes += backlog
    }
    return { connections, bytes }
  }

  /** The number of user ids that are subscribed to, counted once per subscription. */
  get subscriptionCount(): number {
    return this.#subscriptions.size
  }

  /**
   * Handles the WebSocket handshakes of an HTTP server. Requests that offer only other protocols are answered as
   * plain HTTP.
   */
  attach(server: Server): void {
    const plainRequests = new PlainRequests(server)
    server.on('upgrade', (request: IncomingMessage, duplex: Duplex, head: Buffer) => {
      const socket = duplex as Socket
      this.#guard(socket, () => {
        if (offersWebSocket(request)) this.upgrade(request, socket, head)
        else plainRequests.giveBack(request, socket, head)
      })
    })
  }

  /** Handles one upgrade request that offers WebSocket. The arguments are those of the event 'upgrade'. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    this.#guard(socket, () => {
      // `ws` accepts exactly this value.
      request.headers.upgrade = 'websocket'
      // Until `ws` handles errors, a connection reset must not become an uncaught error.
      socket.on('error', destroy)
      this.#arrivals.do(() => this.#guard(socket, () => this.#upgrade(request, socket, head)))
    })
  }

  /** Pings quiet connections, and ends those that are silent, stuck or expired, at this awake time. */
  advance(awake: number): void {
    // First, because a client whose messages wait is not silent.
    for (const inbox of this.#ports.tooFast) inbox.advance(awake)
    const { ping, silent } = this.#heartbeat.advance(awake)
    for (const connection of silent) {
      serve(connection, connection => connection.end(CLOSE.silentOrSlow, 'no answer to a ping'))
    }
    for (const connection of ping) serve(connection, connection => connection.ping())
    for (const delivery of this.#ports.slow) serve(delivery, delivery => delivery.check(awake))
    this.#subscriptions.advance(awake)
    this.#endExpired(awake)
  }

  /**
   * Ends all sessions of a user on all nodes, and closes the user's connections with 4403; see `Tracker.endSessions`.
   *
   * @returns a promise that resolves when all nodes have ended them; `undefined` if they have
   */
  endSessions(userId: UserId, refuseMs?: number): Promise<void> | undefined {
    return this.#options.tracker.endSessions(userId, refuseMs)
  }

  /** Refuses all new connections from now on. */
  refuse(): void {
    this.#stopping = true
  }

  /** The answer to all new connections, while none are accepted. */
  get #closed(): Refused | undefined {
    if (this.#stopping) return STOPPING
    return this.#options.isReady() ? undefined : LOADING
  }

  /** Closes all connections, in slices, and tells clients when to reconnect. Resolves when all were told. */
  async closeAll(): Promise<void> {
    let told = 0
    const awayMs = this.#connections.size * AWAY_MS_PER_CLIENT
    for (const connection of this.#connections) {
      const code = connection.version === 'v1' ? CLOSE.restart : CLOSE.shuttingDown
      const retryAfterMs = Math.round(awayMs * Math.random())
      serve(connection, connection => connection.end(code, 'the server is restarting', retryAfterMs))
      if (++told % CLOSES_PER_TURN === 0) await new Promise(resolve => setImmediate(resolve))
    }
  }

  /**
   * Ends the connections whose grants have ended. Looking at all of them once a second costs less than a heap in which
   * each renewal moves a deadline.
   */
  #endExpired(awake: number): void {
    if (awake < this.#checkExpiredAt) return
    let ends = 0
    for (const connection of this.#connections) {
      if (connection.endsAt > awake) continue
      serve(connection, connection => connection.expired())
      if (++ends === CLOSES_PER_TURN) return
    }
    this.#checkExpiredAt = awake + CHECK_EXPIRED_MS
  }

  /** Does a part of a handshake, before there is a connection. A bug in it ends only this socket. */
  #guard(socket: Socket, task: () => void): void {
    try {
      task()
    } catch (error) {
      this.#options.log.error('a bug: a handshake could not be handled', { error: stackOf(error) })
      // After the handshake response, the client would read this as a frame.
      if (socket.bytesWritten === 0) refuse(socket, BUG)
      else socket.destroy()
    }
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    if (socket.destroyed) return
    const verdict = this.#handshake.judge(request, this.#options.clock.steady(), this.#closed)
    if (!(verdict instanceof Promise)) return this.#answer(request, socket, head, verdict)
    void verdict.then(decide =>
      this.#guard(socket, () => {
        if (this.#closed) return refuse(socket, this.#closed)
        if (!socket.destroyed) this.#answer(request, socket, head, decide())
      }),
    )
  }

  #answer(request: IncomingMessage, socket: Socket, head: Buffer, verdict: Verdict): void {
    if (verdict.kind === 'refused') {
      this.#report(verdict.report)
      return refuse(socket, verdict)
    }
    if (verdict.kind === 'turned away') this.#report(verdict.report)
    if (this.#options.compression) declineOffers(request)
    // Send the handshake response and the first messages in one write. The outbox uncorks the socket.
    if (verdict.kind === 'accepted') socket.cork()
    this.#webSockets.handleUpgrade(request, socket, head, webSocket => {
      if (verdict.kind === 'accepted') this.#accept(webSocket as ServedSocket, socket, verdict)
      else this.#turnAway(webSocket, verdict)
    })
  }

  #accept(webSocket: ServedSocket, socket: Socket, accepted: Accepted): void {
    const { grant, sessionId, device, choice, version, address } = accepted
    const { userId, username } = grant
    // An observer has no session, so it continues none: the user would be present without a connection.
    const replaced =
      sessionId === undefined || grant.rights.observer ? undefined : this.#sessions.find(userId, sessionId)
    if (replaced) serve(replaced, connection => connection.replaced())
    const connectionId = randomUUID()
    this.#welcome(webSocket, socket, {
      userId,
      username,
      device,
      choice,
      grant,
      version,
      address,
      connectionId,
      isNamed: sessionId !== undefined,
      sessionId: sessionId ?? connectionId,
    })
  }

  #welcome(webSocket: ServedSocket, socket: Socket, caller: Caller): void {
    listen(webSocket)
    const connection = new Connection(this.#ports, caller, webSocket, socket)
    webSocket.connection = connection
    this.#connections.add(connection)
    const { userId, address } = connection.holder
    this.#limits.opened(userId, address)
    if (connection.version === 'v2') this.#sessions.add(connection)
    serve(connection, connection => connection.start(caller))
    // The outbox uncorks the socket with the first message. After a bug in the start, a v1 client gets none.
    if (!this.#connections.has(connection)) socket.uncork()
    this.#options.log.debug('connected', { userId: caller.userId, address: caller.address })
  }

  #gone(connection: Connection): void {
    this.#connections.delete(connection)
    this.#sessions.delete(connection)
    const { userId, address } = connection.holder
    this.#limits.closed(userId, address)
  }

  /** Closes all connections of a user, whose sessions have ended. Observers have no session, and are closed too. */
  #kicked(userId: UserId): void {
    for (const connection of this.#connections) {
      if (connection.userId === userId) serve(connection, connection => connection.revoked())
    }
  }

  /** Closes the connection of a session that has ended. */
  #endedOne({ userId, sessionId }: EndedSession): void {
    for (const connection of this.#connections) {
      if (connection.userId !== userId || connection.sessionId !== sessionId || connection.isObserver)
        continue
      serve(connection, connection => connection.revoked())
    }
  }

  /** Closes the connection of a session that continues on another node. */
  #moved({ userId, sessionId }: EndedSession): void {
    const connection = this.#sessions.find(userId, sessionId)
    if (connection) serve(connection, connection => connection.replaced())
  }

  /** Tells the connections of a user about a new choice, except the session that made it. */
  #chosen(own: OwnChoice, bySession: string | undefined): void {
    for (const connection of this.#sessions.of(own.userId)) {
      if (connection.sessionId === bySession) continue
      serve(connection, connection => connection.choiceChanged(own))
    }
  }

  #turnAway(webSocket: WebSocket, { error, text, version }: TurnedAway): void {
    const timestamp = formatTime(this.#options.clock.now())
    const [code, reason] = TURNED_AWAY[error]
    webSocket.on('error', ignore)
    const message = `${error}: ${text}`
    const send = (message: ServerMessage): void => webSocket.send(encode(message, version), NOT_DEFLATED)
    send({ type: 'error', message, timestamp, code: error })
    if (version === 'v2') {
      send({ type: 'disconnect', code, reason, reconnect: false, retryAfterMs: 0 })
    }
    webSocket.close(code, reason)
  }

  #report(report: Report | undefined): void {
    if (!report) return
    this.#options.refusals.count(report.limit)
    this.#options.log.limited(report.kind, report.text, report.fields)
    if (report.advice !== undefined) this.#options.log.once(report.advice)
  }
}

/**
 * Handles an error of a socket. One function serves all sockets: a closure would keep the upgrade request in memory
 * for as long as the connection exists.
 */
function destroy(this: Duplex): void {
  this.destroy()
}

/** Errors of a client that is turned away have no effect. */
function ignore(): void {}

/** One offer of the extension, with known parameters only (RFC 7692, section 7.1). */
const DEFLATE_OFFER =
  /^permessage-deflate(?: *; *(?:(?:server|client)_no_context_takeover|server_max_window_bits=(?:8|9|1[0-5])|client_max_window_bits(?:=(?:8|9|1[0-5]))?))*$/

/**
 * Keeps only the first offer that the server understands of the extensions that a client offers. `ws` would
 * refuse the client because of any other offer.
 */
function declineOffers({ headers }: IncomingMessage): void {
  const offers = headers['sec-websocket-extensions']?.split(',').map(offer => offer.trim())
  const understood = offers?.find(offer => DEFLATE_OFFER.test(offer))
  if (understood === undefined) delete headers['sec-websocket-extensions']
  else headers['sec-websocket-extensions'] = understood
}

/** Answers a refused upgrade request over plain HTTP. */
function refuse(socket: Socket, { status, detail, headers }: Refused): void {
  const body = problemJson(status, detail)
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
      'Connection: close',
      `Content-Type: ${PROBLEM_TYPE}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      '',
      body,
    ].join('\r\n'),
  )
  socket.destroySoon()
}
