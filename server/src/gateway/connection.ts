import type { Socket } from 'node:net'
import type { ServerMessage } from '@who-is-online/protocol/catalogue'
import { CLOSE } from '@who-is-online/protocol/close-codes'
import { decode } from '@who-is-online/protocol/decode'
import { encode } from '@who-is-online/protocol/encode'
import type { UserId } from '@who-is-online/protocol/words'
import type { WebSocket } from 'ws'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Client, SharedAnswer, Tracker } from '../tracker.ts'
import type { Heartbeat } from './heartbeat.ts'
import type { Asker, Hub, Member } from './hub.ts'
import { type LimitOptions, MessageLimit } from './limits.ts'
import { Outbox, type Sender } from './outbox.ts'

/** What all connections share. */
export interface ConnectionRoom {
  readonly tracker: Tracker
  readonly hub: Hub
  readonly heartbeat: Heartbeat<Connection>
  readonly clock: Clock
  readonly log: Log
  readonly limits: LimitOptions
  /** The number of the newest change. */
  readonly seq: () => number
  /** Those for whom something waits. */
  readonly slow: Set<Connection>
  /** How many bytes may wait for a client before it is given up. */
  readonly maxBufferedBytes: number
  /** Called once, when the connection no longer counts. */
  readonly gone: (connection: Connection) => void
}

export interface Caller {
  readonly userId: UserId
  readonly sessionId: string
  readonly username: string | undefined
  /** Where it comes from, if that may be counted against it. */
  readonly address: string | undefined
}

/** How long a client may take nothing of what waits for it, in ms. */
const STUCK_MS = 10_000

/** One client's life: welcome, messages, goodbye. */
export class Connection implements Client, Member, Asker, Sender {
  readonly userId: UserId
  readonly sessionId: string
  readonly address: string | undefined
  readonly since: number
  heardAt: number

  readonly #room: ConnectionRoom
  readonly #webSocket: WebSocket
  readonly #outbox: Outbox
  readonly #messages: MessageLimit
  readonly #allUsers: MessageLimit
  #state: 'open' | 'gone' = 'open'
  /** Shared answers that are asked for; one at a time is on its way. */
  #owed: SharedAnswer[] = []
  #isSharing = false
  /** Bytes of a large answer on its way: they don't count as a backlog as long as they move. */
  #largeBytes = 0
  /** How far delivery had come when it last moved, and when that was; undefined while nothing waits. */
  #stuck: { done: number; queued: number; since: number } | undefined

  constructor(room: ConnectionRoom, caller: Caller, webSocket: WebSocket, socket: Socket) {
    this.#room = room
    this.userId = caller.userId
    this.sessionId = caller.sessionId
    this.address = caller.address
    this.#webSocket = webSocket
    this.#outbox = new Outbox(webSocket, socket, this)
    this.#messages = new MessageLimit(room.limits.messages)
    this.#allUsers = new MessageLimit(room.limits.allUsers)
    const now = room.clock.now()
    this.heardAt = now
    // The arrival first, then the place in the order of changes: a newcomer does not hear of itself.
    room.tracker.arrive(this, caller.username)
    this.since = room.seq()
    room.hub.join(this)
    room.heartbeat.add(this, now)
    this.reply({ type: 'welcome', userId: this.userId, message: 'Connected to server' })
  }

  // What the client does

  /** A text frame came. */
  receive(text: string): void {
    if (this.#state !== 'open') return
    const { tracker } = this.#room
    this.heardAt = this.#room.clock.now()
    tracker.heard(this, this.heardAt)
    if (this.#isTooFast(this.#messages)) return
    const message = decode(text)
    if (message.type === 'get_all_users' && this.#isTooFast(this.#allUsers)) return
    tracker.receive(this, message)
  }

  /** A ping or a pong came. */
  beat(): void {
    this.heardAt = this.#room.clock.now()
    this.#room.tracker.heard(this, this.heardAt)
  }

  /** The client said goodbye with this code, or its end of the line broke (1006). */
  closed(code: number): void {
    // What was asked before the goodbye, in the same read, is answered before it.
    this.#outbox.flush()
    if (!this.#depart()) return
    this.#room.log.debug('connection closed', { userId: this.userId, code })
    // 1005: a close frame without a code. Anything else is an accident, or a page that is just reloading.
    if (code === CLOSE.normal || code === 1005) this.#room.tracker.leave(this, this.#room.clock.now())
    else this.#room.tracker.lose(this, this.heardAt)
  }

  // What the server does

  reply(message: ServerMessage): void {
    if (this.#state === 'open') this.#outbox.reply(encode(message))
  }

  replyShared(answer: SharedAnswer): void {
    if (this.#state !== 'open') return
    this.#owed.push(answer)
    this.#payOwed()
  }

  /** Takes the frame of a shared answer that was asked for. */
  writeShared(frame: Buffer): void {
    this.#isSharing = false
    this.write(frame)
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
    this.#stuck ??= { ...this.#outbox.progress, since: this.#room.clock.now() }
    if (bytes > this.#room.maxBufferedBytes / 4) this.#largeBytes = bytes
    if (this.#outbox.backlog - this.#largeBytes > this.#room.maxBufferedBytes) {
      this.end(CLOSE.silentOrSlow, 'too slow to read')
    }
  }

  ping(): void {
    if (this.#state === 'open') this.#webSocket.ping()
  }

  /** Looks whether what waits for the client is moving, and gives the client up when it has not for long. */
  checkDelivery(now: number): void {
    if (this.#outbox.backlog === 0) return this.#caughtUp()
    const { done, queued } = this.#outbox.progress
    const moved = this.#stuck === undefined || done > this.#stuck.done || queued < this.#stuck.queued
    if (moved) this.#stuck = { done, queued, since: now }
    else if (now - (this.#stuck?.since ?? now) >= STUCK_MS) this.end(CLOSE.silentOrSlow, 'too slow to read')
  }

  /**
   * Ends the connection for a reason of the server's. The user counts as lost from this moment, not from the
   * end of the closing handshake, which a dead client never finishes.
   */
  end(code: number, reason: string): void {
    if (!this.#depart()) return
    this.#room.log.debug('connection ended', { userId: this.userId, code, reason })
    this.#room.tracker.lose(this, this.heardAt)
    this.#outbox.flush()
    this.#webSocket.close(code, reason)
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
    this.#room.gone(this)
    return true
  }

  /** Counts the message that just came against a limit; one that is too fast is answered, or ends the connection. */
  #isTooFast(limit: MessageLimit): boolean {
    const verdict = limit.take(this.heardAt)
    if (verdict.verdict === 'taken') return false
    if (verdict.verdict === 'enough') {
      this.end(CLOSE.tooFast, 'too fast for too long')
    } else {
      const retry = `retry in ${Math.ceil(verdict.retryAfterMs)} ms`
      this.#room.tracker.refuse(this, 'too_fast', `more messages than allowed; ${retry}`)
    }
    return true
  }

  #caughtUp(): void {
    this.#room.slow.delete(this)
    this.#stuck = undefined
    this.#largeBytes = 0
    this.#payOwed()
  }

  /** Asks for the next shared answer that is owed, once the one before it has been taken. */
  #payOwed(): void {
    const [answer] = this.#owed
    if (answer === undefined || this.#isSharing || this.#state !== 'open') return
    if (this.#outbox.backlog > 0) {
      this.#room.slow.add(this)
      return
    }
    this.#owed.shift()
    this.#isSharing = true
    this.#room.hub.sendShared(this, answer)
  }
}
