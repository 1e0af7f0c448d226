import { messages } from '@who-is-online/protocol/v2'
import type { FakeChoices } from './choices.fake.ts'
import type { ManualClock } from './clock.fake.ts'
import { FakeFeed } from './feed.fake.ts'
import type { WebSocketLike } from './platform.ts'
import { type ServerErrorCode, STATUSES, type Status } from './protocol.ts'
import { expiryOf } from './token.ts'
import type { FakeUsers } from './users.fake.ts'
import type { Message, SentRequest } from './wire.ts'

/** The requests that the client repeats by itself: the fake refuses only these as too fast. */
const REPEATED: readonly SentRequest['type'][] = [
  'subscribe',
  'unsubscribe',
  'client_state',
  'set_activity',
  'get_users',
  'set_status',
]

/** Longer requests are refused unread, in characters. */
const MAX_READ_CHARS = 1_024

/** The state of the network and of the server. A share is from 0 to 1. */
export interface Conditions {
  /** Longest delay of a message, in ms. */
  maxDelayMs: number
  /** Share of the attempts that are refused. */
  refused: number
  /** Share of the attempts that get no answer at all. */
  unanswered: number
  /** Share of the repeated requests that are refused with `refusal`. */
  tooFast: number
  refusal: ServerErrorCode
}

/** What a connection needs of its server. */
export interface ConnectionHost {
  readonly clock: ManualClock
  readonly conditions: Conditions
  readonly users: FakeUsers
  readonly choices: FakeChoices
  readonly connections: Set<FakeConnection>
  /** Sockets that the client has not closed, and does not know to be closed. */
  readonly openSockets: Set<FakeConnection>
  /** All requests that have arrived. */
  readonly received: SentRequest[]
  /** Called when the client sends a request, before it arrives. */
  onRequest: (request: SentRequest) => void
  random: () => number
  /** The close code with which each new connection is refused; undefined if it is accepted. */
  refusedCode: number | undefined
  /** The `error` message before that close. */
  refusedMessage: string | undefined
  /** Why a token is refused on an open connection; undefined if it is accepted. */
  checkToken: (token: string) => ServerErrorCode | undefined
  /** How long a connection may outlive its token, in ms. */
  expiredGraceMs: number
  attempts: number
  replaced: number
}

/** The server's side of one socket, and the network between the two sides. */
export class FakeConnection {
  readonly sessionId: string
  readonly userId: string
  readonly feed: FakeFeed
  /** Answers a `refresh`: at once, unless a test replaces it. */
  answerRefresh: (answer: () => void) => void = answer => answer()
  readonly #server: ConnectionHost
  readonly #client: WebSocketLike
  readonly #query: URLSearchParams
  #state: 'opening' | 'open' | 'closed' = 'opening'
  /** Nothing is delivered any more, and neither side knows. */
  #isStalled = false
  #toClientAt = 0
  #toServerAt = 0
  readonly #token: string | undefined
  #tokenTimer: unknown

  constructor(server: ConnectionHost, client: WebSocketLike, url: URL, token: string | undefined) {
    this.#server = server
    this.#client = client
    this.sessionId = url.searchParams.get('sessionId') ?? ''
    this.userId = url.searchParams.get('userId') ?? 'token'
    this.#query = url.searchParams
    this.#token = token
    this.feed = new FakeFeed(server.users, server.clock, () => server.random(), {
      send: message => this.send(message),
      isOpen: () => this.#state === 'open',
      tooSlow: () => this.close(4508),
    })
    server.attempts++
    server.openSockets.add(this)
    const luck = server.random()
    const { refused, unanswered } = server.conditions
    if (luck < unanswered) this.#isStalled = true
    else if (luck < unanswered + refused) this.#later(() => this.#closeAtClient(1006))
    else this.#later(() => this.#open())
  }

  // The network

  #delay(): number {
    return this.#server.random() * this.#server.conditions.maxDelayMs
  }

  #later(task: () => void): void {
    this.#server.clock.setTimeout(task, this.#delay())
  }

  /** Sends a message to the client. Messages arrive in order. */
  send(message: Message | { type: string }): void {
    const { clock } = this.#server
    this.#toClientAt = Math.max(this.#toClientAt, clock.now() + this.#delay())
    const text = JSON.stringify(message)
    clock.setTimeout(() => {
      if (!this.#isStalled) this.#client.onmessage?.({ data: text } as never)
    }, this.#toClientAt - clock.now())
  }

  /** The client sends a request. */
  fromClient(text: string): void {
    const server = this.#server
    const { clock } = server
    server.onRequest(JSON.parse(text))
    this.#toServerAt = Math.max(this.#toServerAt, clock.now() + this.#delay())
    clock.setTimeout(() => {
      if (this.#isStalled || this.#state !== 'open') return
      const request: SentRequest = JSON.parse(text)
      server.received.push(request)
      if (!this.#isTooFast(request)) return this.#receive(request)
      const { id } = text.length > MAX_READ_CHARS ? {} : request
      const { refusal } = server.conditions
      this.send({ type: 'error', code: refusal, message: refusal, retryAfterMs: 300, id })
    }, this.#toServerAt - clock.now())
  }

  /** The client closes the socket. Its close event comes all the same, much later. */
  closedByClient(code: number): void {
    this.#server.openSockets.delete(this)
    this.#later(() => this.#gone(code === 1000))
    this.#server.clock.setTimeout(() => this.#closeAtClient(code), Math.min(60_000, this.#delay() * 20))
  }

  #closeAtClient(code: number): void {
    this.#server.openSockets.delete(this)
    this.#client.onclose?.({ code } as never)
  }

  #gone(isClean = false): void {
    this.#state = 'closed'
    this.#server.clock.clearTimeout(this.#tokenTimer)
    if (this.#server.connections.delete(this)) this.#server.choices.connectionLost(this.userId, isClean)
  }

  /** Nothing is delivered from now on, and no side notices. */
  stall(): void {
    this.#isStalled = true
  }

  /** Cuts the connection: what is in flight is lost, and each side notices in its own time. */
  cut(): void {
    this.#isStalled = true
    this.#later(() => this.#gone())
    this.#later(() => this.#closeAtClient(1006))
  }

  /** The server closes the connection, after a `disconnect` message. */
  close(code: number, retryAfterMs = 0): void {
    if (code === 4409) this.#server.replaced++
    this.send({ type: 'disconnect', code, reason: 'because', retryAfterMs })
    this.#gone()
    const { clock } = this.#server
    clock.setTimeout(() => this.#closeAtClient(code), this.#toClientAt - clock.now() + this.#delay())
  }

  /** The server closes the connection without a `disconnect` message. */
  closeSilently(code: number): void {
    this.#gone()
    this.#later(() => this.#closeAtClient(code))
  }

  // The server

  #open(): void {
    if (this.#state === 'closed') return
    const server = this.#server
    for (const other of server.connections) {
      if (other.sessionId === this.sessionId && other.userId === this.userId) other.close(4409)
    }
    this.#state = 'open'
    this.#endWith(this.#token)
    server.connections.add(this)
    if (server.refusedCode) {
      const message = server.refusedMessage
      if (message) this.send({ type: 'error', code: 'bad_message', message, timestamp: '' })
      return this.close(server.refusedCode)
    }
    if (!this.#takeUrlChoice()) return this.close(4400)
    this.feed.begin()
    const { epoch, seq } = server.users
    this.send({
      type: 'welcome',
      epoch,
      seq,
      serverTime: new Date(server.clock.now()).toISOString(),
      heartbeatMs: 15_000,
      limits: { ...messages.welcome.example.limits, maxWatchedUsers: 10_000 },
    })
    const { status = 'online', text, expiresAt } = server.choices.get(this.userId) ?? {}
    if (status !== 'online' || text || expiresAt) this.sendChoice()
  }

  /** Takes the choice in the URL, before others see the user. Returns false for an invalid URL. */
  #takeUrlChoice(): boolean {
    const { choices, clock } = this.#server
    const [status, expiresAt, chosenAt] = ['status', 'expiresAt', 'chosenAt'].map(
      name => this.#query.get(name) ?? undefined,
    )
    const at = chosenAt === undefined ? undefined : Date.parse(chosenAt)
    const end = expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresAt)
    const isStatus = status === undefined ? !(expiresAt || chosenAt) : STATUSES.includes(status as Status)
    if (!isStatus || Number.isNaN(at ?? 0) || Number.isNaN(end) || this.#query.has('text')) return false
    if (status && end > clock.now())
      choices.choose(this.userId, { status: status as Status, expiresAt }, at, this)
    choices.show(this.userId)
    return true
  }

  /** Sends the user's choice, as the reply to the request `id` or unrequested. */
  sendChoice(id?: number): void {
    const { choices, clock } = this.#server
    const { status = 'online', text, expiresAt, at = clock.now() } = choices.get(this.userId) ?? {}
    this.send({ type: 'status_updated', status, timestamp: new Date(at).toISOString(), text, expiresAt, id })
  }

  #isTooFast({ type }: SentRequest): boolean {
    const { random, conditions } = this.#server
    return REPEATED.includes(type) && random() < conditions.tooFast
  }

  #receive(request: SentRequest): void {
    const { id } = request
    switch (request.type) {
      case 'subscribe':
        return this.feed.subscribe(request)
      case 'unsubscribe':
        this.feed.unsubscribe(request)
        return this.send({ type: 'ack', id })
      case 'client_state':
        this.feed.setActive(request.state === 'active')
        return this.send({ type: 'ack', id })
      case 'get_users': {
        const users = request.userIds.map(userId => this.#server.users.get(userId))
        return this.send({ type: 'users', users, id })
      }
      case 'set_status':
        return this.#setStatus(request)
      case 'refresh':
        return this.answerRefresh(() => this.#refresh(request.token, id))
      case 'ping':
        return this.send({ type: 'pong', id })
      default:
        return this.send({ type: 'ack', id })
    }
  }

  #refresh(token: string, id: number | undefined): void {
    const refusal = this.#server.checkToken(token)
    if (refusal) return this.send({ type: 'error', code: refusal, message: refusal, id })
    this.#endWith(token)
    this.send({ type: 'ack', id })
  }

  /** Closes the connection some time after its token has expired. */
  #endWith(token: string | undefined): void {
    const { clock, expiredGraceMs } = this.#server
    clock.clearTimeout(this.#tokenTimer)
    const endsAt = expiryOf(token, atob) + expiredGraceMs
    if (endsAt < Number.POSITIVE_INFINITY) {
      this.#tokenTimer = clock.setTimeout(() => this.close(4401), endsAt - clock.now())
    }
  }

  #setStatus({ status, text, expiresAt, id }: Extract<SentRequest, { type: 'set_status' }>): void {
    const { choices, clock } = this.#server
    if (expiresAt && Date.parse(expiresAt) <= clock.now()) {
      const message = '"expiresAt" must be in the future'
      return this.send({ type: 'error', code: 'bad_message', message, id })
    }
    choices.choose(this.userId, { status, text: text || undefined, expiresAt }, undefined, this)
    this.sendChoice(id)
  }
}
