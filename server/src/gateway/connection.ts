import type { Socket } from 'node:net'
import type { ClientMessage, ProtocolVersion, ServerMessage } from '@who-is-online/protocol/catalogue'
import { CLOSE, type CloseCode, mayReconnect } from '@who-is-online/protocol/close-codes'
import { decode, type Refusal } from '@who-is-online/protocol/decode'
import { encode, formatTime } from '@who-is-online/protocol/encode'
import type { UserId } from '@who-is-online/protocol/words'
import type { WebSocket } from 'ws'
import type { Encoder } from '../fanout/encoder.ts'
import type { FirehoseReceiver, Hub } from '../fanout/hub.ts'
import { serve } from '../fanout/served.ts'
import { Subscriber, type SubscriberConnection, type SubscriberPorts } from '../fanout/subscriber.ts'
import type { Grant } from '../identity/grant.ts'
import type { Log } from '../log.ts'
import type { Holder } from '../pool.ts'
import type { OwnChoice } from '../presence/change.ts'
import type { Arrival } from '../presence/here.ts'
import type { Refused, Reply, RequestId } from '../reply.ts'
import type { Asker, Requests } from '../requests.ts'
import { stackOf } from '../stack-of.ts'
import type { Clock } from '../time/clock.ts'
import type { NewSession, Tracker } from '../tracker.ts'
import { Access, type AccessOwner, type AccessPorts } from './access.ts'
import { Delivery, type DeliveryOwner, type DeliveryPorts } from './delivery.ts'
import { pongFrame } from './frames.ts'
import type { Beating, Heartbeat } from './heartbeat.ts'
import { Inbox, type InboxOwner, type InboxPorts } from './inbox.ts'
import { type LimitOptions, RequestLimit } from './limits.ts'
import { asksForAllUsers, replyWeightOf } from './request-weight.ts'
import { TOO_FAST_AWAY_MS } from './throttle.ts'

/** What all connections share. */
export interface ConnectionPorts extends SubscriberPorts, DeliveryPorts, InboxPorts, AccessPorts {
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
  readonly connectionId: string
  /** The client's address, if limits per address may count it. */
  readonly address: string | undefined
}

/** The methods of a WebSocket that a connection uses directly. `Inbox` and `Delivery` use the others. */
export type ClientSocket = Pick<WebSocket, 'ping' | 'close' | 'terminate'>

/**
 * How long a client should wait before it reconnects after an abnormal close, in ms, on average. A single wait is
 * at most 1.5 times as long. Together with the client's own backoff, it must fit into OFFLINE_GRACE_MS
 * (e2e/fit.test.ts).
 */
export const BACK_MS = 1_000

/** One connection, from its welcome to its close. */
export class Connection
  implements
    Asker,
    NewSession,
    Beating,
    FirehoseReceiver,
    SubscriberConnection,
    DeliveryOwner,
    InboxOwner,
    AccessOwner
{
  readonly version: ProtocolVersion
  readonly userId: UserId
  readonly sessionId: string
  readonly isNamed: boolean
  readonly address: string | undefined
  /** The number of the newest change when the connection started. */
  since = 0
  /** When the last frame arrived, in awake time. */
  heardAt: number

  readonly #ports: ConnectionPorts
  readonly #socket: ClientSocket
  readonly #access: Access
  readonly #inbox: Inbox
  readonly #delivery: Delivery
  /** Created by the first request for all users: most clients never send one. */
  #allUsers: RequestLimit | undefined
  /** `starting` until the welcome is sent. */
  #state: 'starting' | 'open' | 'gone' = 'starting'
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
    this.address = caller.address
    this.#socket = webSocket
    this.#access = new Access(ports, caller.grant, this)
    this.#delivery = new Delivery(ports, webSocket, socket, this)
    // Observers share a user id, and must not share a debt.
    const debtor = this.isObserver ? undefined : caller.userId
    this.#inbox = new Inbox(ports, webSocket, this, debtor, caller.address)
    this.heardAt = ports.clock.awake()
  }

  /**
   * Opens the session, registers the connection and sends the welcome. In a cluster, the last two wait until all nodes
   * see the session, for a limited time. So who was welcomed here and then leaves another node was never offline.
   */
  start(caller: Caller): void {
    // Open the session before reading the newest change: a client is not told of its own arrival.
    const placed = this.isObserver ? undefined : this.#ports.tracker.open(this, caller)
    if (placed === undefined) {
      this.#join()
      this.#inbox.start()
      return this.#welcome(caller)
    }
    this.#delivery.uncork()
    this.#inbox.startLater(placed, isInTime => {
      this.#join()
      this.#welcome(caller, isInTime ? undefined : placed)
    })
  }

  // Input from the client

  /** Handles a text frame, or keeps it until there is room. */
  receive(text: string): void {
    this.#inbox.text(text)
  }

  receivedBinary(): void {
    this.end(CLOSE.unsupported, 'text frames only')
    this.#inbox.ignored()
  }

  pinged(payload: Buffer): void {
    this.#inbox.ping(payload)
  }

  ponged(): void {
    this.#inbox.pong()
  }

  handleText(text: string): void {
    const request = decode(text, this.version)
    const more = replyWeightOf(request)
    if (more > 0) this.#inbox.charge(more)
    if (!this.#isPermitted(request)) return
    if (asksForAllUsers(request) && this.#isTooFast(request.id)) return
    this.#answer(request)
  }

  handlePing(payload: Buffer): void {
    this.write(pongFrame(payload))
  }

  /** Records a sign of life of the client. */
  beat(): void {
    if (this.#state === 'gone') return
    this.heardAt = this.#ports.clock.awake()
    this.#ports.tracker.heard(this)
  }

  /**
   * Handles the end of the connection, after the requests that arrived before it and wait for a turn.
   *
   * @param code the client's close code, or 1006 if the connection broke
   * @param done called when those requests are answered
   */
  closed(code: number, done?: () => void): void {
    this.#inbox.afterTurns(() => {
      serve(this, () => this.#left(code))
      done?.()
    })
  }

  // What the connection may do

  /** When the grant of the connection ends, with its grace, in awake time; Infinity if it does not end. */
  get endsAt(): number {
    return this.#access.endsAt
  }

  /** Whether it only reads, and its user is never present by it. */
  get isObserver(): boolean {
    return this.#access.isObserver
  }

  /** Whom it counts for. Observers share a user id, and must not share the limits of one user. */
  get holder(): Holder {
    return { userId: this.isObserver ? undefined : this.userId, address: this.address }
  }

  get seesAll(): boolean {
    return this.#access.seesAll
  }

  holdLater<Value>(pending: Promise<Value>, done: (value: Value) => void): void {
    this.#inbox.hold(pending, done)
  }

  renewed(username: string | undefined): void {
    if (username !== undefined && !this.isObserver) this.#ports.tracker.identify(this.userId, username)
    this.#subscriber?.restrict(this.#access)
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
    if (this.#state !== 'open') return
    this.#inbox.pinged()
    this.#socket.ping()
  }

  tellTooFast(): void {
    this.refuse({ code: 'too_fast', text: 'more messages than allowed; they are answered later, in order' })
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
    if (!this.isObserver) this.#try(() => this.#ports.tracker.lose(this))
    this.#close(code, reason, retryAfterMs)
  }

  /** Closes the connection because a new one of the same session replaces it. The session continues. */
  replaced(): void {
    if (this.#depart()) this.#close(CLOSE.replaced, 'the same session has connected again', 0)
  }

  /** Closes the connection because a backend ends its session. The caller has ended the session. */
  revoked(): void {
    if (!this.#depart()) return
    this.#ports.log.debug('connection ended', { userId: this.userId, code: CLOSE.notAllowed })
    this.#close(CLOSE.notAllowed, 'the session was ended by the application', 0)
  }

  /** Closes the connection because its grant has ended. The client may come back with another token. */
  expired(): void {
    this.end(CLOSE.badToken, 'the token has expired')
  }

  sentTooMuch(): void {
    this.end(CLOSE.tooFast, 'too fast for too long', TOO_FAST_AWAY_MS)
  }

  tooSlow(): void {
    this.#ports.refusals.count('MAX_BUFFERED_BYTES')
    this.end(CLOSE.silentOrSlow, 'too slow to read')
  }

  fellBehind(): void {
    this.end(CLOSE.silentOrSlow, 'too far behind')
  }

  fail(error: unknown): void {
    this.#report(error)
    // If the end itself has failed, there is no other way to close the connection.
    if (this.#state === 'gone') return this.#socket.terminate()
    try {
      this.end(CLOSE.internal, 'internal server error')
    } catch (error) {
      this.#report(error)
      this.#socket.terminate()
    }
  }

  /** Undone by `#depart`. */
  #join(): void {
    const { feed, hub, heartbeat } = this.#ports
    this.#state = 'open'
    this.since = feed.seq
    hub.arrived()
    if (this.version === 'v1') hub.join(this, this.#onlyUser)
    else this.#subscriber = new Subscriber(this.#ports, this)
    heartbeat.add(this, this.heardAt)
  }

  // Answers to requests

  /** Answers a request. Those about subscriptions, visibility and the token concern only this connection. */
  #answer(request: ClientMessage | Refusal): void {
    switch (request.type) {
      case 'subscribe':
        return this.#subscriber?.subscribe(request)
      case 'unsubscribe':
        return this.#subscriber?.unsubscribe(request)
      case 'client_state':
        return this.#setVisibility(request.state, request.id)
      case 'refresh':
        return this.#access.refresh(request)
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
      case 'placed':
        return this.holdLater(reply.placed, () => this.reply(reply.message))
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

  /** Refuses a request that the grant does not permit. */
  #isPermitted(request: ClientMessage | Refusal): boolean {
    if (request.type === 'refusal') return true
    const text = this.#access.refusalOf(request)
    if (text !== undefined) this.refuse({ code: 'not_allowed', text, id: request.id })
    return text === undefined
  }

  /** The user to whom the changes are limited that a v1 client is sent; `undefined` for all users. */
  get #onlyUser(): UserId | undefined {
    return this.#access.seesAll ? undefined : this.userId
  }

  /** @param unplaced resolves when all nodes see the session; `undefined` if they do */
  #welcome({ connectionId, choice }: Caller, unplaced?: Promise<void>): void {
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
    if (choice === undefined) return this.#remind()
    const tell = (): void => this.reply(requests.choiceOf(this.userId))
    // A user who is told to be hidden must be hidden on every node.
    if (unplaced && choice.status === 'offline') this.#inbox.whenDone(unplaced, tell)
    else tell()
  }

  /** Tells a client the choice that its user has made before, unless that is what it expects. */
  #remind(): void {
    const told = this.#ports.requests.reminderOf(this.userId)
    if (told) this.reply(told)
  }

  /** Counts a request for all users. If it exceeds their limit, refuses it or ends the connection. */
  #isTooFast(id: RequestId): boolean {
    const { limits, clock } = this.#ports
    this.#allUsers ??= new RequestLimit(limits.allUsers)
    const verdict = this.#allUsers.take(clock.steady())
    if (verdict.verdict === 'taken') return false
    if (verdict.verdict === 'enough') {
      this.sentTooMuch()
    } else {
      const retryAfterMs = Math.ceil(verdict.retryAfterMs)
      const text = `more lists of all users than allowed; retry in ${retryAfterMs} ms`
      this.refuse({ code: 'too_fast', text, retryAfterMs, id })
    }
    return true
  }

  /** The client has left, or the connection broke. */
  #left(code: number): void {
    // First answer the requests that arrived before the close frame in the same read.
    this.#delivery.flush()
    if (!this.#depart()) return
    const { log, tracker } = this.#ports
    log.debug('connection closed', { userId: this.userId, code })
    if (this.isObserver) return
    // 1005 is a close frame without a code. Any other code is a failure, or a page that reloads.
    const isLeave = code === CLOSE.normal || code === 1005
    this.#try(() => (isLeave ? tracker.leave(this) : tracker.lose(this)))
  }

  /** Undoes the registrations of `start`. Returns false if the connection had already ended. */
  #depart(): boolean {
    if (this.#state === 'gone') return false
    this.#state = 'gone'
    const { hub, heartbeat, gone } = this.#ports
    this.#try(() => hub.part(this, this.#onlyUser))
    this.#try(() => heartbeat.remove(this))
    this.#try(() => this.#delivery.end())
    this.#try(() => this.#subscriber?.end())
    this.#try(() => this.#inbox.end())
    this.#try(() => gone(this))
    return true
  }

  /** Takes one step of the end. A bug in it must not prevent the others: the user would stay online for ever. */
  #try(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.#report(error)
    }
  }

  #report(error: unknown): void {
    this.#ports.log.error('a bug: a client could not be served', { error: stackOf(error) })
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
