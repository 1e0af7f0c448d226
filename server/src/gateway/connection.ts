import type { Socket } from 'node:net'
import type { ClientMessage, ProtocolVersion, ServerMessage } from '@who-is-online/protocol/catalogue'
import { CLOSE, type CloseCode, mayReconnect } from '@who-is-online/protocol/close-codes'
import { decode, type Refusal } from '@who-is-online/protocol/decode'
import { encode, formatTime } from '@who-is-online/protocol/encode'
import type { UserId } from '@who-is-online/protocol/words'
import type { WebSocket } from 'ws'
import type { Encoder } from '../fanout/encoder.ts'
import type { FirehoseReceiver, Hub } from '../fanout/hub.ts'
import { Subscriber, type SubscriberConnection, type SubscriberPorts } from '../fanout/subscriber.ts'
import type { Grant } from '../identity/grant.ts'
import type { Log } from '../log.ts'
import type { OwnChoice } from '../presence/change.ts'
import type { Arrival } from '../presence/here.ts'
import type { Refused, Reply, RequestId } from '../reply.ts'
import type { Asker, Requests } from '../requests.ts'
import type { Clock } from '../time/clock.ts'
import type { NewSession, Tracker } from '../tracker.ts'
import { Delivery, type DeliveryOwner, type DeliveryPorts } from './delivery.ts'
import type { Beating, Heartbeat } from './heartbeat.ts'
import { type LimitOptions, MessageLimit } from './limits.ts'

/** What all connections share. */
export interface ConnectionPorts extends SubscriberPorts, DeliveryPorts {
  readonly tracker: Tracker
  readonly requests: Requests
  readonly hub: Hub
  readonly heartbeat: Heartbeat<Connection>
  readonly clock: Clock
  readonly log: Log
  readonly limits: LimitOptions
  /** Fields of the welcome for v2 clients. */
  readonly terms: Terms
  /** Called once, when the connection has ended. */
  readonly gone: (connection: Connection) => void
}

type Welcome = Extract<ServerMessage, { type: 'welcome' }>

/** The fields of a welcome that are the same for all clients. */
export type Terms = Required<Pick<Welcome, 'heartbeatMs' | 'graceMs' | 'limits'>>

/** An accepted client: its user and session, and the name and choice that it connects with. */
export interface Caller extends Arrival {
  readonly version: ProtocolVersion
  readonly userId: UserId
  /** What the connection may do, and until when. */
  readonly grant: Grant
  readonly sessionId: string
  /** Whether the client chose the session id, and uses it again when it reconnects. */
  readonly isNamed: boolean
  /** Whether the connection only reads, and its user is never present. */
  readonly isObserver: boolean
  readonly connectionId: string
  /** The client's address, if limits per address may count it. */
  readonly address: string | undefined
}

/** The methods of a WebSocket that a connection uses directly. All other output goes through `Delivery`. */
export type ClientSocket = Pick<WebSocket, 'ping' | 'close'>

/** How long a client that was closed for sending too fast should wait before it reconnects, in ms. */
const TOO_FAST_AWAY_MS = 10_000

/**
 * How long a client should wait before it reconnects after an abnormal close, in ms, on average. A single wait is
 * at most 1.5 times as long. Together with the client's own backoff, it must fit into OFFLINE_GRACE_MS
 * (e2e/fit.test.ts).
 */
export const BACK_MS = 1_000

/** For each group of this many user ids, a message counts as one more message. */
const IDS_PER_MESSAGE = 100

/** A message that exceeds the rate limit is decoded only to get its id, and only up to this many characters. */
const SHORT_TEXT = 1_024

/** One connection, from its welcome to its close. */
export class Connection
  implements Asker, NewSession, Beating, FirehoseReceiver, SubscriberConnection, DeliveryOwner
{
  readonly version: ProtocolVersion
  readonly userId: UserId
  readonly sessionId: string
  readonly isNamed: boolean
  readonly isObserver: boolean
  readonly address: string | undefined
  /** The number of the newest change when the connection started. */
  since = 0
  /** When the last frame arrived, in awake time. */
  heardAt: number
  /** When a message last counted as a sign of life, in `Clock.steady` time. */
  #messageAt = Number.NEGATIVE_INFINITY

  readonly #ports: ConnectionPorts
  readonly #socket: ClientSocket
  readonly #delivery: Delivery
  readonly #messages: MessageLimit
  readonly #allUsers: MessageLimit
  #state: 'open' | 'gone' = 'open'
  /** Whether the user's choice changed while the client was inactive, and the client was not told yet. */
  #choiceWaits = false
  /** The subscriptions of a v2 client; `undefined` for v1. */
  #subscriber: Subscriber | undefined

  /** Creates a connection, which does nothing before `start`. */
  constructor(ports: ConnectionPorts, caller: Caller, webSocket: WebSocket, socket: Socket) {
    this.#ports = ports
    this.version = caller.version
    this.userId = caller.userId
    this.sessionId = caller.sessionId
    this.isNamed = caller.isNamed
    this.isObserver = caller.isObserver
    this.address = caller.address
    this.#socket = webSocket
    this.#delivery = new Delivery(ports, webSocket, socket, this)
    this.#messages = new MessageLimit(ports.limits.messages)
    this.#allUsers = new MessageLimit(ports.limits.allUsers)
    this.heardAt = ports.clock.awake()
  }

  /** Opens the session, registers the connection and sends the welcome. */
  start(caller: Caller): void {
    const { tracker, feed, hub, heartbeat } = this.#ports
    // Open the session before reading the newest change: a client is not told of its own arrival.
    if (!this.isObserver) tracker.open(this, caller)
    this.since = feed.seq
    hub.arrived()
    if (this.version === 'v1') hub.join(this)
    else this.#subscriber = new Subscriber(this.#ports, this)
    heartbeat.add(this, this.heardAt)
    this.#welcome(caller)
  }

  // Input from the client

  /** Handles a text frame. */
  receive(text: string): void {
    if (this.#state !== 'open') return
    // Read the clock once per message: for small requests, this is a measurable part of the cost.
    const at = this.#ports.clock.steady()
    // Timestamps are in ms, so one sign of life per ms is enough.
    if (at - this.#messageAt >= 1) {
      this.#messageAt = at
      this.beat()
    }
    if (this.#isTooFast(this.#messages, at, text)) return
    const request = decode(text, this.version)
    const more = weightOf(request) - 1
    if (more > 0 && this.#isTooFast(this.#messages, at, text, more)) return
    if (asksForAllUsers(request) && this.#isTooFast(this.#allUsers, at, text)) return
    this.#answer(request)
  }

  /** Records a sign of life of the client. */
  beat(): void {
    this.heardAt = this.#ports.clock.awake()
    this.#ports.tracker.heard(this)
  }

  /** Handles the end of the connection. `code` is the client's close code, or 1006 if the connection broke. */
  closed(code: number): void {
    // First answer the requests that arrived before the close frame in the same read.
    this.#delivery.flush()
    if (!this.#depart()) return
    const { log, tracker } = this.#ports
    log.debug('connection closed', { userId: this.userId, code })
    if (this.isObserver) return
    // 1005 is a close frame without a code. Any other code is a failure, or a page that reloads.
    if (code === CLOSE.normal || code === 1005) tracker.leave(this)
    else tracker.lose(this)
  }

  // Output to the client

  get encoder(): Encoder {
    return this.#delivery.encoder
  }

  get backlog(): number {
    return this.#delivery.backlog
  }

  write(bytes: Buffer): void {
    this.#delivery.write(bytes)
  }

  reply(message: ServerMessage): void {
    if (this.#state === 'open') this.#delivery.reply(encode(message, this.version))
  }

  refuse(refused: Refused): void {
    this.reply(this.#ports.requests.errorOf(refused))
  }

  /**
   * Tells the client the user's choice, which another session has set or which has expired. An inactive client
   * is told when it becomes active.
   */
  choiceChanged(own: OwnChoice): void {
    this.#choiceWaits = this.#subscriber?.isActive === false
    if (!this.#choiceWaits) this.reply(this.#ports.requests.announcementOf(own))
  }

  ping(): void {
    if (this.#state === 'open') this.#socket.ping()
  }

  drained(): void {
    this.#subscriber?.drained()
  }

  // The end of the connection

  /**
   * Closes the connection. The session counts as lost from now, not from the end of the closing handshake, which
   * a dead client never completes.
   *
   * @param retryAfterMs how long the client should wait before it reconnects
   */
  end(code: CloseCode, reason: string, retryAfterMs = mayReconnect(code) ? reconnectDelay() : 0): void {
    if (!this.#depart()) return
    this.#ports.log.debug('connection ended', { userId: this.userId, code, reason })
    if (!this.isObserver) this.#ports.tracker.lose(this)
    this.#close(code, reason, retryAfterMs)
  }

  /** Closes the connection because a new one of the same session replaces it. The session continues. */
  replaced(): void {
    if (this.#depart()) this.#close(CLOSE.replaced, 'the same session has connected again', 0)
  }

  tooSlow(): void {
    this.end(CLOSE.silentOrSlow, 'too slow to read')
  }

  fellBehind(): void {
    this.end(CLOSE.silentOrSlow, 'too far behind')
  }

  /** Logs a bug that occurred while this client was served, and closes only this connection. */
  fail(error: Error): void {
    this.#ports.log.error('a bug: a message could not be handled', { error: error.stack ?? error.message })
    this.end(CLOSE.internal, 'internal server error')
  }

  // Answers to requests

  /** Answers a request. Requests about subscriptions and visibility concern only this connection. */
  #answer(request: ClientMessage | Refusal): void {
    switch (request.type) {
      case 'subscribe':
        return this.#subscriber?.subscribe(request)
      case 'unsubscribe':
        return this.#subscriber?.unsubscribe(request)
      case 'client_state':
        return this.#setVisibility(request.state, request.id)
      default:
        return this.#act(this.#ports.requests.handle(this, request))
    }
  }

  #act(reply: Reply): void {
    switch (reply.kind) {
      case 'message':
        return this.reply(reply.message)
      case 'shared':
        return this.#delivery.share(reply.answer, reply.id)
      case 'refused':
        return this.refuse(reply.refused)
      case 'none':
        return
    }
  }

  #setVisibility(visibility: 'active' | 'inactive', id: RequestId): void {
    if (!this.isObserver) this.#ports.tracker.setVisibility(this, visibility)
    // Send the missed changes before the ack: a client that has the ack is up to date.
    this.#subscriber?.setActive(visibility === 'active')
    if (visibility === 'active' && this.#choiceWaits) {
      this.#choiceWaits = false
      this.reply(this.#ports.requests.choiceOf(this.userId))
    }
    this.reply({ type: 'ack', id })
  }

  #welcome({ connectionId, choice }: Caller): void {
    const { feed, terms, requests, clock } = this.#ports
    this.reply({
      type: 'welcome',
      userId: this.userId,
      message: 'Connected to server',
      sessionId: this.sessionId,
      connectionId,
      epoch: feed.epoch,
      seq: this.since,
      serverTime: formatTime(clock.now()),
      ...terms,
    })
    if (this.version === 'v1') return
    // A client that connected with a choice must be told which choice applies.
    const told = choice === undefined ? requests.reminderOf(this.userId) : requests.choiceOf(this.userId)
    if (told) this.reply(told)
  }

  /**
   * Counts a message that arrived at `at` (`Clock.steady`) against a limit. If it exceeds the limit, refuses it or
   * ends the connection, and returns true.
   */
  #isTooFast(limit: MessageLimit, at: number, text: string, weight = 1): boolean {
    const verdict = limit.take(at, weight)
    if (verdict.verdict === 'taken') return false
    if (verdict.verdict === 'enough') {
      this.end(CLOSE.tooFast, 'too fast for too long', TOO_FAST_AWAY_MS)
    } else {
      const retryAfterMs = Math.ceil(verdict.retryAfterMs)
      const id = this.version === 'v2' && text.length <= SHORT_TEXT ? decode(text, 'v2').id : undefined
      const refusal = `more messages than allowed; retry in ${retryAfterMs} ms`
      this.refuse({ code: 'too_fast', text: refusal, retryAfterMs, id })
    }
    return true
  }

  /** Undoes the registrations of `start`. Returns false if the connection had already ended. */
  #depart(): boolean {
    if (this.#state === 'gone') return false
    this.#state = 'gone'
    this.#ports.hub.part(this)
    this.#ports.heartbeat.remove(this)
    this.#delivery.end()
    this.#subscriber?.end()
    this.#ports.gone(this)
    return true
  }

  #close(code: CloseCode, reason: string, retryAfterMs: number): void {
    if (this.version === 'v2') {
      const reconnect = mayReconnect(code)
      this.#delivery.sendLast(encode({ type: 'disconnect', code, reason, reconnect, retryAfterMs }, 'v2'))
    }
    this.#delivery.flush()
    this.#socket.close(code, reason)
  }
}

/** A reconnect delay in ms. It is random, so that clients do not all reconnect at the same time. */
function reconnectDelay(): number {
  return Math.round(BACK_MS * (0.5 + Math.random()))
}

/** How many messages a request counts as. A request about many users costs more than one about one user. */
export function weightOf(request: ClientMessage | Refusal): number {
  if (request.type === 'list_users') return 1 + Math.floor((request.limit ?? 0) / IDS_PER_MESSAGE)
  return 'userIds' in request ? 1 + Math.floor((request.userIds?.length ?? 0) / IDS_PER_MESSAGE) : 1
}

function asksForAllUsers(request: ClientMessage | Refusal): boolean {
  return request.type === 'get_all_users' || (request.type === 'subscribe' && request.all === true)
}
