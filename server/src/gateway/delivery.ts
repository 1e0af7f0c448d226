import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { Encoder } from '../fanout/encoder.ts'
import type { Served } from '../fanout/served.ts'
import type { AnswerReceiver, SharedAnswers } from '../fanout/shared-answers.ts'
import type { Traffic } from '../fanout/traffic.ts'
import type { Refused, RequestId, SharedAnswer } from '../reply.ts'
import type { Clock } from '../time/clock.ts'
import { withMore } from './frames.ts'
import { Outbox, type OutboxOwner } from './outbox.ts'
import { webSocketEncoder } from './websocket-encoder.ts'

/** What all deliveries share. */
export interface DeliveryPorts {
  readonly shared: SharedAnswers
  readonly clock: Pick<Clock, 'awake'>
  readonly traffic: Traffic
  /** How many bytes may wait for a client before its connection is ended. */
  readonly maxBufferedBytes: number
  /** The deliveries with a backlog, which must be checked. */
  readonly slow: Set<Delivery>
}

/** The connection of a delivery. */
export interface DeliveryOwner extends Served {
  /** The client reads too slowly, so the connection must end. */
  tooSlow(): void
  /** The client has read everything. */
  drained(): void
  /** Whether the connection may still be told about everybody, as shared answers do. */
  readonly seesAll: boolean
  refuse(refused: Refused): void
}

interface AskedAnswer {
  readonly answer: SharedAnswer
  readonly id: RequestId
}

/**
 * How many shared answers may wait for one client. The rate limit lets one a second in, and a client that reads a few
 * bytes now and then is never stuck, so without this bound they would add up for as long as it is connected.
 */
export const MAX_ASKED = 100

/** After how long a client may ask again that has too many waiting answers, in ms. */
const RETRY_AFTER_MS = 1_000

const TOO_MANY = 'too many lists of all users wait to be read: read them, then ask again'
const LOST_RIGHT = 'the new token does not allow lists of all users'

/** How long a backlog may make no progress before the connection ends, in ms of awake time. */
const STUCK_MS = 10_000

/**
 * Sends replies, batches and shared answers to one client, and checks the backlog of a client that reads slowly.
 * One shared answer is sent at a time. While a large write makes progress, its bytes do not count against
 * `maxBufferedBytes`.
 */
export class Delivery implements OutboxOwner, AnswerReceiver {
  readonly #ports: DeliveryPorts
  readonly #owner: DeliveryOwner
  readonly #outbox: Outbox
  #isOver = false
  /** Shared answers that wait to be sent, in the order of the requests; `undefined` if none wait. */
  #asked: AskedAnswer[] | undefined
  #isSharing = false
  #sharingId: RequestId
  /** The bytes of the large write that is in progress. */
  #largeBytes = 0
  /** The last progress of the backlog, and its awake time; `undefined` without a backlog. */
  #moved: { done: number; queued: number; at: number } | undefined

  constructor(ports: DeliveryPorts, webSocket: WebSocket, socket: Socket, owner: DeliveryOwner) {
    this.#ports = ports
    this.#owner = owner
    this.#outbox = new Outbox(webSocket, socket, this)
  }

  get encoder(): Encoder {
    return webSocketEncoder
  }

  /** Bytes that wait because the client reads too slowly, without those in the kernel's buffers. */
  get backlog(): number {
    return this.#outbox.backlog
  }

  /** Sends one message as JSON. All replies to the messages of one read leave in one write. */
  reply(text: string): void {
    if (!this.#isOver) this.#outbox.reply(text)
  }

  /** Writes encoded messages now, after the pending replies. The bytes must not change afterwards. */
  write(bytes: Buffer): void {
    if (!this.#isOver) this.#outbox.write(bytes)
  }

  /** Sends the handshake response now, because the first messages come later. */
  uncork(): void {
    this.#outbox.uncork()
  }

  /** Writes the pending replies. */
  flush(): void {
    this.#outbox.flush()
  }

  /** Sends a shared answer, after the shared answers to earlier requests. Refuses it if `MAX_ASKED` wait. */
  share(answer: SharedAnswer, id: RequestId): void {
    if (this.#isOver) return
    this.#asked ??= []
    if (this.#asked.length >= MAX_ASKED) {
      return this.#owner.refuse({ code: 'too_fast', text: TOO_MANY, id, retryAfterMs: RETRY_AFTER_MS })
    }
    this.#asked.push({ answer, id })
    this.#shareNext()
  }

  writeShared(bytes: Buffer): void {
    const id = this.#sharingId
    this.#isSharing = false
    // A new token may have taken the right away since the request.
    if (!this.#owner.seesAll) this.#owner.refuse({ code: 'not_allowed', text: LOST_RIGHT, id })
    else this.write(id === undefined ? bytes : withMore(bytes, `,"id":${JSON.stringify(id)}}`))
    this.#shareNext()
  }

  wrote(bytes: number): void {
    this.#ports.traffic.wrote(bytes)
  }

  /** Called by the outbox after a write of this many bytes, if the client has not read everything yet. */
  backlogged(bytes: number): void {
    if (this.#isOver) return
    const { slow, clock, maxBufferedBytes } = this.#ports
    slow.add(this)
    this.#moved ??= { ...this.#outbox.progress, at: clock.awake() }
    if (bytes > maxBufferedBytes / 4) this.#largeBytes = bytes
    if (this.backlog - this.#largeBytes > maxBufferedBytes) this.#owner.tooSlow()
  }

  /**
   * Checks at this awake time whether the backlog is gone, and whether it made progress within `STUCK_MS`.
   * Suspended time does not count: a suspended process writes nothing.
   */
  check(awake: number): void {
    if (this.backlog === 0) return this.#drained()
    const { done, queued } = this.#outbox.progress
    const last = this.#moved
    if (last === undefined || done > last.done || queued < last.queued) {
      this.#moved = { done, queued, at: awake }
    } else if (awake - last.at >= STUCK_MS) this.#owner.tooSlow()
  }

  fail(error: unknown): void {
    this.#owner.fail(error)
  }

  /** Stops sending. Only `sendLast` still sends a message. */
  end(): void {
    this.#isOver = true
    this.#asked = undefined
    this.#ports.slow.delete(this)
  }

  /** Sends a last message before the close frame. */
  sendLast(text: string): void {
    this.#outbox.reply(text)
  }

  #drained(): void {
    this.#ports.slow.delete(this)
    this.#moved = undefined
    this.#largeBytes = 0
    this.#owner.drained()
    this.#shareNext()
  }

  /** Sends the next shared answer when the client has read the one before it. */
  #shareNext(): void {
    const asked = this.#asked
    if (asked === undefined || this.#isSharing || this.#isOver) return
    if (this.backlog > 0) {
      this.#ports.slow.add(this)
      return
    }
    const next = asked.shift() as AskedAnswer
    if (asked.length === 0) this.#asked = undefined
    this.#isSharing = true
    this.#sharingId = next.id
    this.#ports.shared.send(this, next.answer)
  }
}
