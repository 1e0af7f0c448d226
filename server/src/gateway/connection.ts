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
  /** What a v2 client is told at its welcome. */
  readonly terms: Terms
  /** Called once, when the connection no longer counts. */
  readonly gone: (connection: Connection) => void
}

type Welcome = Extract<ServerMessage, { type: 'welcome' }>

/** The part of a welcome that is the same for all. */
export type Terms = Required<Pick<Welcome, 'heartbeatMs' | 'graceMs' | 'limits'>>

/** Who has connected, and what they bring along. */
export interface Caller extends Arrival {
  readonly version: ProtocolVersion
  readonly userId: UserId
  readonly sessionId: string
  /** Whether the client named the session itself, and will name it again. */
  readonly isNamed: boolean
  /** Whether the connection only reads, and its user is never present. */
  readonly isObserver: boolean
  readonly connectionId: string
  /** Where it comes from, if that may be counted against it. */
  readonly address: string | undefined
}

/** The part of a WebSocket that a connection uses beside its delivery. */
export type ClientSocket = Pick<WebSocket, 'ping' | 'close'>

/** How long a client that sent too fast for too long should stay away, in ms. */
const TOO_FAST_AWAY_MS = 10_000

/**
 * How long a client should stay away after an abnormal close, on average, in ms. At most 1.5 times as much; with the
 * client's own wait it must fit into OFFLINE_GRACE_MS (e2e/fit.test.ts).
 */
export const BACK_MS = 1_000

/** So many ids in a message count as one message more. */
const IDS_PER_MESSAGE = 100

/** A message that is too fast is read only for its id, and only if it is short. */
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
  /** The number of the newest change at its arrival. */
  since = 0
  /** When the last frame came, in awake time. */
  heardAt: number
  /** When the last message came that counted as a sign of life, on the steady clock. */
  #messageAt = Number.NEGATIVE_INFINITY

  readonly #ports: ConnectionPorts
  readonly #socket: ClientSocket
  readonly #delivery: Delivery
  readonly #messages: MessageLimit
  readonly #allUsers: MessageLimit
  #state: 'open' | 'gone' = 'open'
  /** The user's choice differs from the one that the inactive client was told. */
  #choiceWaits = false
  /** What a v2 client subscribes to. */
  #subscriber: Subscriber | undefined

  /** Nothing begins before `start`. */
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

  /** The user arrives, the connection is registered wherever it has to be, and the client is welcomed. */
  start(caller: Caller): void {
    const { tracker, feed, hub, heartbeat } = this.#ports
    // The arrival first, then the place in the order of changes: a client is not told of its own arrival.
    if (!this.isObserver) tracker.open(this, caller)
    this.since = feed.seq
    hub.arrived()
    if (this.version === 'v1') hub.join(this)
    else this.#subscriber = new Subscriber(this.#ports, this)
    heartbeat.add(this, this.heardAt)
    this.#welcome(caller)
  }

  // What the client does

  /** A text frame came. */
  receive(text: string): void {
    if (this.#state !== 'open') return
    // Read once per message: with small requests, reading the clock is a visible part of the cost.
    const at = this.#ports.clock.steady()
    // Stamps are in ms, so the messages of one ms are one sign of life.
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

  /** The client gave a sign of life. */
  beat(): void {
    this.heardAt = this.#ports.clock.awake()
    this.#ports.tracker.heard(this)
  }

  /** The client closed the connection with this code, or its end of the line broke (1006). */
  closed(code: number): void {
    // What was asked before the close, in the same read, is answered before it.
    this.#delivery.flush()
    if (!this.#depart()) return
    const { log, tracker } = this.#ports
    log.debug('connection closed', { userId: this.userId, code })
    if (this.isObserver) return
    // 1005: a close frame without a code. Any other code is an accident, or a page that is reloading.
    if (code === CLOSE.normal || code === 1005) tracker.leave(this)
    else tracker.lose(this)
  }

  // What is sent to the client

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

  /** The user has chosen something on another connection, or a choice has expired. */
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

  // How it ends

  /**
   * Ends the connection for a reason of the server's. The session counts as lost from this moment, not from the
   * end of the closing handshake, which a dead client never finishes.
   */
  end(code: CloseCode, reason: string, retryAfterMs = mayReconnect(code) ? awhile() : 0): void {
    if (!this.#depart()) return
    this.#ports.log.debug('connection ended', { userId: this.userId, code, reason })
    if (!this.isObserver) this.#ports.tracker.lose(this)
    this.#close(code, reason, retryAfterMs)
  }

  /** The same session has another connection now, which goes on where this one was: nothing is lost. */
  replaced(): void {
    if (this.#depart()) this.#close(CLOSE.replaced, 'the same session has connected again', 0)
  }

  tooSlow(): void {
    this.end(CLOSE.silentOrSlow, 'too slow to read')
  }

  fellBehind(): void {
    this.end(CLOSE.silentOrSlow, 'too far behind')
  }

  /** A bug of the server came up while this client was served. The others are served on. */
  fail(error: Error): void {
    this.#ports.log.error('a bug: a message could not be handled', { error: error.stack ?? error.message })
    this.end(CLOSE.internal, 'our fault')
  }

  // How it answers

  /** Answers a request: itself, if it is about what this connection is sent, or else from the state of the server. */
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
    // First what was missed: a client that has the ack is up to date.
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
    // A client that began with a choice waits for the one that is in force.
    const told = choice === undefined ? requests.reminderOf(this.userId) : requests.choiceOf(this.userId)
    if (told) this.reply(told)
  }

  /** Counts the message that came at `at` against a limit; one that is too fast is refused, or ends the connection. */
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

  /** Undoes what `start` has registered. Returns whether the connection still counted. */
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
      this.#delivery.farewell(encode({ type: 'disconnect', code, reason, reconnect, retryAfterMs }, 'v2'))
    }
    this.#delivery.flush()
    this.#socket.close(code, reason)
  }
}

/** When one of many should come back, in ms: not all at the same moment. */
function awhile(): number {
  return Math.round(BACK_MS * (0.5 + Math.random()))
}

/** How many messages a request counts as: a question about a thousand users costs more than one about one. */
export function weightOf(request: ClientMessage | Refusal): number {
  if (request.type === 'list_users') return 1 + Math.floor((request.limit ?? 0) / IDS_PER_MESSAGE)
  return 'userIds' in request ? 1 + Math.floor((request.userIds?.length ?? 0) / IDS_PER_MESSAGE) : 1
}

function asksForAllUsers(request: ClientMessage | Refusal): boolean {
  return request.type === 'get_all_users' || (request.type === 'subscribe' && request.all === true)
}
