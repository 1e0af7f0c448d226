import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import { type Served, serve } from '../fanout/served.ts'
import { deflatable, deflated } from './deflate.ts'
import { textFrames } from './frames.ts'

// The only module that depends on how `ws` writes. A server does not mask its frames, so all clients can get the same
// bytes, and a whole run of frames can be written directly to the socket. This is safe for two reasons: `ws` writes
// each of its own frames completely within one tick if it does not deflate, and this module writes nothing after a
// close frame. With compression, `ws` only inflates what clients send, and this module deflates what they are sent.
// outbox.test.ts fails if a new version of `ws` changes any of this.

/**
 * Calls `callback` with the close code when the client's close frame arrives. `ws` answers the frame when `callback`
 * calls `answer`; until then, replies can be written, and nothing may be read. The code of a frame without one is 1005.
 * The event `close` of `ws` comes only after the end of the TCP connection, which a client can delay.
 */
export function onCloseFrame(
  webSocket: WebSocket,
  callback: (this: WebSocket, code: number, answer: () => void) => void,
): void {
  const { _receiver: receiver } = webSocket as WebSocket & { _receiver?: EventEmitter }
  const [answer] = receiver?.listeners('conclude') ?? []
  receiver?.removeAllListeners('conclude')
  receiver?.on('conclude', (code: number, reason: Buffer) => {
    callback.call(webSocket, code, () => answer?.call(receiver, code, reason))
  })
}

/**
 * Whether a client accepts deflated messages that refer to earlier ones. A client that asked for a smaller window, or
 * for no context takeover, gets uncompressed messages.
 */
function takesDeflated(webSocket: WebSocket): boolean {
  const { _extensions: extensions } = webSocket as WebSocket & {
    _extensions?: { 'permessage-deflate'?: { params?: Readonly<Record<string, unknown>> } }
  }
  const params = extensions?.['permessage-deflate']?.params
  return params !== undefined && !params['server_no_context_takeover'] && !params['server_max_window_bits']
}

/** The owner of an outbox. */
export interface OutboxOwner extends Served {
  /** Called after each write, with its bytes. */
  wrote(bytes: number): void
  /** Called after a write of `bytes` bytes, if the client has not read everything yet. */
  backlogged(bytes: number): void
}

/** A reply with fewer characters is not worth deflating for one client. */
const LARGE_REPLY = 1_024

/** Outboxes with pending replies, which are written when the input of this tick has been handled. */
let waiting: Outbox[] = []

function flushWaiting(): void {
  const flushing = waiting
  waiting = []
  for (const outbox of flushing) serve(outbox, flush)
}

function flush(outbox: Outbox): void {
  outbox.flush()
}

/** Writes to one client, in order: replies, which are gathered per tick, and runs of frames. */
export class Outbox implements Served {
  readonly #webSocket: WebSocket
  readonly #socket: Socket
  readonly #owner: OutboxOwner
  readonly #deflates: boolean
  #replies: string[] = []
  /** The handshake response waits in the corked socket, and is sent in one write with the first messages. */
  #isCorked = true

  constructor(webSocket: WebSocket, socket: Socket, owner: OutboxOwner) {
    this.#webSocket = webSocket
    this.#socket = socket
    this.#owner = owner
    this.#deflates = takesDeflated(webSocket)
  }

  /** Sends a text. All replies to the messages of one read leave in one write. */
  reply(text: string): void {
    if (this.#replies.length === 0) {
      if (waiting.length === 0) process.nextTick(flushWaiting)
      waiting.push(this)
    }
    this.#replies.push(text)
  }

  /** Writes a run of frames now, after the pending replies. `frames` must not change afterwards. */
  write(frames: Buffer): void {
    this.flush()
    this.#write(frames)
  }

  fail(error: unknown): void {
    this.#owner.fail(error)
  }

  /** Writes the pending replies. */
  flush(): void {
    const replies = this.#replies
    if (replies.length === 0) return
    this.#replies = []
    const frames = textFrames(replies)
    // Small replies are not deflated, even many: they go to one client only, and deflating costs more than encoding.
    const isWorth = this.#deflates && replies.some(reply => reply.length >= LARGE_REPLY)
    this.#write(isWorth ? deflatable(frames) : frames)
  }

  /** Sends the handshake response now. Otherwise it is sent with the first messages. */
  uncork(): void {
    if (!this.#isCorked) return
    this.#isCorked = false
    this.#socket.uncork()
  }

  #write(frames: Buffer): void {
    if (this.#webSocket.readyState !== WebSocket.OPEN) return
    const bytes = this.#deflates ? deflated(frames) : frames
    this.#socket.write(bytes)
    this.#owner.wrote(bytes.length)
    this.uncork()
    if (this.#socket.writableLength > 0) this.#owner.backlogged(bytes.length)
  }

  /** Bytes that wait because the client reads too slowly, without those in the kernel's buffers. */
  get backlog(): number {
    return this.#socket.writableLength
  }

  /**
   * The progress of delivery. It changes whenever the kernel accepts bytes, even in the middle of a large write.
   * Only libuv's own queue shows the latter; Node's socket timeouts use the same number.
   */
  get progress(): { readonly done: number; readonly queued: number } {
    const { _handle: handle } = this.#socket as Socket & { _handle?: { writeQueueSize?: number } | null }
    return {
      done: this.#socket.bytesWritten - this.#socket.writableLength,
      queued: handle?.writeQueueSize ?? 0,
    }
  }
}
