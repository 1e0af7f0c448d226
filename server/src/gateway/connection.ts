import type { Socket } from 'node:net'
import type { ClientMessage, Dialect, ServerMessage } from '@who-is-online/protocol/catalogue'
import { CLOSE, type CloseCode, mayReconnect } from '@who-is-online/protocol/close-codes'
import { decode, type Refusal } from '@who-is-online/protocol/decode'
import { encode, formatTime } from '@who-is-online/protocol/encode'
import type { UserId } from '@who-is-online/protocol/words'
import type { WebSocket } from 'ws'
import type { Log } from '../log.ts'
import type { Arrival } from '../presence/presence.ts'
import type { Refused, Reply, RequestId, SharedAnswer } from '../reply.ts'
import type { Asker as Requester, Requests } from '../requests.ts'
import type { Clock } from '../time/clock.ts'
import type { NewSession, Tracker } from '../tracker.ts'
import { Follower, type FollowerRoom, type Outlet } from './follower.ts'
import { withMore } from './frames.ts'
import type { Heartbeat } from './heartbeat.ts'
import type { Hub, Member } from './hub.ts'
import { type LimitOptions, MessageLimit } from './limits.ts'
import { Outbox, type Sender } from './outbox.ts'
import type { Asker, SharedAnswers } from './shared.ts'

/** What all connections share. */
export interface ConnectionRoom extends FollowerRoom {
  readonly tracker: Tracker
  readonly requests: Requests
  readonly hub: Hub
  readonly shared: SharedAnswers
  readonly heartbeat: Heartbeat<Connection>
  readonly clock: Clock
  readonly log: Log
  readonly limits: LimitOptions
  /** What a v2 client is told at its welcome. */
  readonly terms: Terms
  /** Those for whom something waits. */
  readonly slow: Set<Connection>
  /** How many bytes may wait for a client before it is given up. */
  readonly maxBufferedBytes: number
  /** Called once, when the connection no longer counts. */
  readonly gone: (connection: Connection) => void
}

type Welcome = Extract<ServerMessage, { type: 'welcome' }>

/** The part of a welcome that is the same for all. */
export type Terms = Required<Pick<Welcome, 'heartbeatMs' | 'graceMs' | 'limits'>>

/** Who has connected, and what they bring along. */
export interface Caller extends Arrival {
  readonly dialect: Dialect
  readonly userId: UserId
  readonly sessionId: string
  /** Whether the client itself named the session, and will name it again. */
  readonly isNamed: boolean
  /** Whether the connection only reads, and its user is never present. */
  readonly isObserver: boolean
  readonly connectionId: string
  /** Where it comes from, if that may be counted against it. */
  readonly address: string | undefined
}

interface Owed {
  readonly answer: SharedAnswer
  readonly id: RequestId
}

/** How long a client may take nothing of what waits for it, in ms. */
const STUCK_MS = 10_000

/** How long a client that talked too fast for too long should stay away, in ms. */
const TOO_FAST_AWAY_MS = 10_000

/**
 * How long a client should stay away after an abnormal close, on average, in ms. At most 1.5 times as much; with the
 * client's own wait it must fit into OFFLINE_GRACE_MS (e2e/fit.test.ts).
 */
export const BACK_MS = 1_000

/** So many ids in a message count as one message more. */
const IDS_PER_MESSAGE = 100

/** A message that is refused for its haste is read no further than for its id, and only if it is short. */
const SHORT_TEXT = 1_024

/** One client's life: welcome, messages, goodbye. */
export class Connection implements Requester, NewSession, Member, Asker, Sender, Outlet {
  readonly dialect: Dialect
  readonly userId: UserId
  readonly sessionId: string
  readonly isNamed: boolean
  readonly isObserver: boolean
  readonly address: string | undefined
  readonly since: number
  /** When the last frame came, in awake time. */
  heardAt: number

  readonly #room: ConnectionRoom
  readonly #webSocket: WebSocket
  readonly #outbox: Outbox
  readonly #messages: MessageLimit
  readonly #allUsers: MessageLimit
  #state: 'open' | 'gone' = 'open'
  /** Shared answers that are asked for; one at a time is on its way. */
  #owed: Owed[] = []
  #isSharing = false
  #sharingId: RequestId
  /** Bytes of a large answer on its way: they don't count as a backlog as long as they move. */
  #largeBytes = 0
  /** How far delivery had come when it last moved, and when that was in awake time; undefined while nothing waits. */
  #stuck: { done: number; queued: number; since: number } | undefined
  /** The user's choice is another than the inactive client was told. */
  #choiceWaits = false
  /** What a v2 client follows. */
  readonly #follower: Follower | undefined

  constructor(room: ConnectionRoom, caller: Caller, webSocket: WebSocket, socket: Socket) {
    this.#room = room
    this.dialect = caller.dialect
    this.userId = caller.userId
    this.sessionId = caller.sessionId
    this.isNamed = caller.isNamed
    this.isObserver = caller.isObserver
    this.address = caller.address
    this.#webSocket = webSocket
    this.#outbox = new Outbox(webSocket, socket, this)
    this.#messages = new MessageLimit(room.limits.messages)
    this.#allUsers = new MessageLimit(room.limits.allUsers)
    this.heardAt = room.clock.awake()
    // The arrival first, then the place in the order of changes: a newcomer does not hear of itself.
    if (!this.isObserver) room.tracker.open(this, caller)
    this.since = room.feed.seq
    room.hub.arrived()
    if (this.dialect === 'v1') room.hub.join(this)
    else this.#follower = new Follower(room, this)
    room.heartbeat.add(this, this.heardAt)
    this.#welcome(caller.connectionId, caller.choice !== undefined)
  }

  // What the client does

  /** A text frame came. */
  receive(text: string): void {
    if (this.#state !== 'open') return
    this.beat()
    if (this.#isTooFast(this.#messages, text)) return
    const message = decode(text, this.dialect)
    const more = weightOf(message) - 1
    if (more > 0 && this.#isTooFast(this.#messages, text, more)) return
    if (asksForEverybody(message) && this.#isTooFast(this.#allUsers, text)) return
    this.#answer(message)
  }

  /** The client gave a sign of life. */
  beat(): void {
    this.heardAt = this.#room.clock.awake()
    this.#room.tracker.heard(this)
  }

  /** The client said goodbye with this code, or its end of the line broke (1006). */
  closed(code: number): void {
    // What was asked before the goodbye, in the same read, is answered before it.
    this.#outbox.flush()
    if (!this.#depart()) return
    this.#room.log.debug('connection closed', { userId: this.userId, code })
    // 1005: a close frame without a code. Anything else is an accident, or a page that is just reloading.
    if (this.isObserver) return
    if (code === CLOSE.normal || code === 1005) this.#room.tracker.leave(this)
    else this.#room.tracker.lose(this)
  }

  // What the server does

  reply(message: ServerMessage): void {
    if (this.#state === 'open') this.#outbox.reply(encode(message, this.dialect))
  }

  refuse(refused: Refused): void {
    this.reply(this.#room.requests.errorOf(refused))
  }

  /** The user has chosen something on another connection, or a choice has expired. */
  choiceChanged(): void {
    this.#choiceWaits = this.#follower?.looks === false
    if (!this.#choiceWaits) this.reply(this.#room.requests.choiceOf(this.userId))
  }

  /** Answers a request: itself, where it is about what this connection is told, or else from the state of the server. */
  #answer(request: ClientMessage | Refusal): void {
    switch (request.type) {
      case 'subscribe':
        return this.#follower?.subscribe(request)
      case 'unsubscribe':
        return this.#follower?.unsubscribe(request)
      case 'client_state':
        return this.#setVisibility(request.state, request.id)
      default:
        return this.#act(this.#room.requests.handle(this, request))
    }
  }

  /** Acts on a reply. */
  #act(reply: Reply): void {
    switch (reply.kind) {
      case 'message':
        return this.reply(reply.message)
      case 'shared':
        return this.#replyShared(reply.answer, reply.id)
      case 'refused':
        return this.refuse(reply.refused)
      case 'none':
        return
    }
  }

  #replyShared(answer: SharedAnswer, id: RequestId): void {
    if (this.#state !== 'open') return
    this.#owed.push({ answer, id })
    this.#payOwed()
  }

  #setVisibility(visibility: 'active' | 'inactive', id: RequestId): void {
    if (!this.isObserver) this.#room.tracker.setVisibility(this, visibility)
    // First what was missed: a client that has the ack is up to date.
    this.#follower?.look(visibility === 'active')
    if (visibility === 'active' && this.#choiceWaits) this.choiceChanged()
    this.reply({ type: 'ack', id })
  }

  /** Takes the shared answer that was asked for. */
  writeShared(frame: Buffer): void {
    const id = this.#sharingId
    this.#isSharing = false
    this.write(id === undefined ? frame : withMore(frame, `,"id":${JSON.stringify(id)}}`))
    this.#payOwed()
  }

  /** Writes whole frames: changes, or an answer that many share. */
  write(frames: Buffer): void {
    if (this.#state === 'open') this.#outbox.write(frames)
  }

  /** The client has not taken all that it was sent; the last write had this many bytes. */
  waits(bytes: number): void {
    if (this.#state !== 'open') return
    this.#room.slow.add(this)
    this.#stuck ??= { ...this.#outbox.progress, since: this.#room.clock.awake() }
    if (bytes > this.#room.maxBufferedBytes / 4) this.#largeBytes = bytes
    if (this.#outbox.backlog - this.#largeBytes > this.#room.maxBufferedBytes) {
      this.end(CLOSE.silentOrSlow, 'too slow to read')
    }
  }

  /** Bytes that wait because the client reads too slowly. */
  get backlog(): number {
    return this.#outbox.backlog
  }

  fellBehind(): void {
    this.end(CLOSE.silentOrSlow, 'too far behind')
  }

  ping(): void {
    if (this.#state === 'open') this.#webSocket.ping()
  }

  /**
   * Ends the connection when nothing of what waits for the client has moved for `STUCK_MS` of awake time: while this
   * process is suspended it writes nothing, so nothing can move.
   */
  checkDelivery(awake: number): void {
    if (this.#outbox.backlog === 0) return this.#caughtUp()
    const { done, queued } = this.#outbox.progress
    const moved = this.#stuck === undefined || done > this.#stuck.done || queued < this.#stuck.queued
    if (moved) this.#stuck = { done, queued, since: awake }
    else if (awake - (this.#stuck?.since ?? awake) >= STUCK_MS)
      this.end(CLOSE.silentOrSlow, 'too slow to read')
  }

  /**
   * Ends the connection for a reason of the server's. The user counts as lost from this moment, not from the
   * end of the closing handshake, which a dead client never finishes.
   */
  end(code: CloseCode, reason: string, retryAfterMs = mayReconnect(code) ? awhile() : 0): void {
    if (!this.#depart()) return
    this.#room.log.debug('connection ended', { userId: this.userId, code, reason })
    if (!this.isObserver) this.#room.tracker.lose(this)
    this.#close(code, reason, retryAfterMs)
  }

  /** The same session has another connection now, which goes on where this one was: nobody is lost. */
  replaced(): void {
    if (this.#depart()) this.#close(CLOSE.replaced, 'the same session has connected again', 0)
  }

  /** A bug of ours came up while this client was served. The others are served on. */
  fail(error: Error): void {
    this.#room.log.error('a bug: a message could not be handled', { error: error.stack ?? error.message })
    this.end(CLOSE.internal, 'our fault')
  }

  #depart(): boolean {
    if (this.#state === 'gone') return false
    this.#state = 'gone'
    this.#room.hub.part(this)
    this.#room.heartbeat.remove(this)
    this.#room.slow.delete(this)
    this.#follower?.end()
    this.#room.gone(this)
    return true
  }

  #close(code: CloseCode, reason: string, retryAfterMs: number): void {
    if (this.dialect === 'v2') {
      const reconnect = mayReconnect(code)
      this.#outbox.reply(encode({ type: 'disconnect', code, reason, reconnect, retryAfterMs }, 'v2'))
    }
    this.#outbox.flush()
    this.#webSocket.close(code, reason)
  }

  /** @param hasChoice whether the client has said a choice, and waits for what became of it. */
  #welcome(connectionId: string, hasChoice: boolean): void {
    const { feed, terms, requests, clock } = this.#room
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
    if (this.dialect === 'v1') return
    const choice = hasChoice ? requests.choiceOf(this.userId) : requests.reminderOf(this.userId)
    if (choice) this.reply(choice)
  }

  /** Counts the message that just came against a limit; one that is too fast is answered, or ends the connection. */
  #isTooFast(limit: MessageLimit, text: string, weight = 1): boolean {
    const verdict = limit.take(this.#room.clock.steady(), weight)
    if (verdict.verdict === 'taken') return false
    if (verdict.verdict === 'enough') {
      this.end(CLOSE.tooFast, 'too fast for too long', TOO_FAST_AWAY_MS)
    } else {
      const retryAfterMs = Math.ceil(verdict.retryAfterMs)
      const id = this.dialect === 'v2' && text.length <= SHORT_TEXT ? decode(text, 'v2').id : undefined
      const refusal = `more messages than allowed; retry in ${retryAfterMs} ms`
      this.refuse({ code: 'too_fast', text: refusal, retryAfterMs, id })
    }
    return true
  }

  #caughtUp(): void {
    this.#room.slow.delete(this)
    this.#stuck = undefined
    this.#largeBytes = 0
    this.#follower?.drained()
    this.#payOwed()
  }

  /** Asks for the next shared answer that is owed, once the one before it has been taken. */
  #payOwed(): void {
    const [owed] = this.#owed
    if (owed === undefined || this.#isSharing || this.#state !== 'open') return
    if (this.#outbox.backlog > 0) {
      this.#room.slow.add(this)
      return
    }
    this.#owed.shift()
    this.#isSharing = true
    this.#sharingId = owed.id
    this.#room.shared.send(this, owed.answer)
  }
}

/** When one of many should come back, in ms: not all of them at once. */
function awhile(): number {
  return Math.round(BACK_MS * (0.5 + Math.random()))
}

/** How many messages one counts as: a question about a thousand users is dearer than one about one. */
export function weightOf(message: ClientMessage | Refusal): number {
  if (message.type === 'list_users') return 1 + Math.floor((message.limit ?? 0) / IDS_PER_MESSAGE)
  return 'userIds' in message ? 1 + Math.floor((message.userIds?.length ?? 0) / IDS_PER_MESSAGE) : 1
}

function asksForEverybody(message: ClientMessage | Refusal): boolean {
  return message.type === 'get_all_users' || (message.type === 'subscribe' && message.all === true)
}
