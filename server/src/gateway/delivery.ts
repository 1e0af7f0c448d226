import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { Encoder } from '../fanout/encoder.ts'
import type { AnswerReceiver, SharedAnswers } from '../fanout/shared-answers.ts'
import type { RequestId, SharedAnswer } from '../reply.ts'
import type { Clock } from '../time/clock.ts'
import { withMore } from './frames.ts'
import { Outbox, type OutboxOwner } from './outbox.ts'
import { webSocketEncoder } from './websocket-encoder.ts'

/** What all deliveries share. */
export interface DeliveryPorts {
  readonly shared: SharedAnswers
  readonly clock: Pick<Clock, 'awake'>
  /** How many bytes may wait for a client before its connection is ended. */
  readonly maxBufferedBytes: number
  /** The deliveries with a backlog, which have to be checked. */
  readonly slow: Set<Delivery>
}

/** The connection of a delivery. */
export interface DeliveryOwner {
  /** The client reads too slowly: the connection has to end. */
  tooSlow(): void
  /** The client has read everything. */
  drained(): void
}

interface AskedAnswer {
  readonly answer: SharedAnswer
  readonly id: RequestId
}

/** How long nothing of a backlog may move, in ms of awake time. */
const STUCK_MS = 10_000

/**
 * What is sent to one client: replies, batches and shared answers, the backlog of a client that reads slowly,
 * and whether it moves. One large answer at a time is sent; while it moves, its bytes do not count as a
 * backlog.
 */
export class Delivery implements OutboxOwner, AnswerReceiver {
  readonly #ports: DeliveryPorts
  readonly #owner: DeliveryOwner
  readonly #outbox: Outbox
  #isOver = false
  /** Shared answers that the client asked for; one at a time is sent. */
  #asked: AskedAnswer[] = []
  #isSharing = false
  #sharingId: RequestId
  /** Bytes of a large answer that is being sent. */
  #largeBytes = 0
  /** How far delivery had come when it last moved, and when that was in awake time; undefined without a backlog. */
  #moved: { done: number; queued: number; at: number } | undefined

  constructor(ports: DeliveryPorts, webSocket: WebSocket, socket: Socket, owner: DeliveryOwner) {
    this.#ports = ports
    this.#owner = owner
    this.#outbox = new Outbox(webSocket, socket, this)
  }

  get encoder(): Encoder {
    return webSocketEncoder
  }

  /** Bytes that wait because the client reads too slowly; what the kernel has taken does not count. */
  get backlog(): number {
    return this.#outbox.backlog
  }

  /** Sends one message as JSON. All replies to the messages of one read leave in one write. */
  reply(text: string): void {
    if (!this.#isOver) this.#outbox.reply(text)
  }

  /** Writes encoded messages now, after the replies that wait. The bytes must not change afterwards. */
  write(bytes: Buffer): void {
    if (!this.#isOver) this.#outbox.write(bytes)
  }

  /** Writes the replies that wait. */
  flush(): void {
    this.#outbox.flush()
  }

  /** Sends a shared answer, after those that were asked for before. */
  share(answer: SharedAnswer, id: RequestId): void {
    if (this.#isOver) return
    this.#asked.push({ answer, id })
    this.#shareNext()
  }

  writeShared(bytes: Buffer): void {
    const id = this.#sharingId
    this.#isSharing = false
    this.write(id === undefined ? bytes : withMore(bytes, `,"id":${JSON.stringify(id)}}`))
    this.#shareNext()
  }

  /** Called by the outbox: the client has not read all that it was sent; the last write had this many bytes. */
  backlogged(bytes: number): void {
    if (this.#isOver) return
    const { slow, clock, maxBufferedBytes } = this.#ports
    slow.add(this)
    this.#moved ??= { ...this.#outbox.progress, at: clock.awake() }
    if (bytes > maxBufferedBytes / 4) this.#largeBytes = bytes
    if (this.backlog - this.#largeBytes > maxBufferedBytes) this.#owner.tooSlow()
  }

  /**
   * Looks at a backlog at this awake time: whether it is gone, and whether it moved within `STUCK_MS`. A
   * suspended process writes nothing, so nothing can move then, and that time does not count.
   */
  check(awake: number): void {
    if (this.backlog === 0) return this.#drained()
    const { done, queued } = this.#outbox.progress
    const last = this.#moved
    if (last === undefined || done > last.done || queued < last.queued) {
      this.#moved = { done, queued, at: awake }
    } else if (awake - last.at >= STUCK_MS) this.#owner.tooSlow()
  }

  /** Nothing more is sent but a last message with `farewell`. */
  end(): void {
    this.#isOver = true
    this.#asked = []
    this.#ports.slow.delete(this)
  }

  /** Sends a last message before the close frame. */
  farewell(text: string): void {
    this.#outbox.reply(text)
  }

  #drained(): void {
    this.#ports.slow.delete(this)
    this.#moved = undefined
    this.#largeBytes = 0
    this.#owner.drained()
    this.#shareNext()
  }

  /** Asks for the next shared answer once the one before it has been read. */
  #shareNext(): void {
    const [next] = this.#asked
    if (next === undefined || this.#isSharing || this.#isOver) return
    if (this.backlog > 0) {
      this.#ports.slow.add(this)
      return
    }
    this.#asked.shift()
    this.#isSharing = true
    this.#sharingId = next.id
    this.#ports.shared.send(this, next.answer)
  }
}
