import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import { deflatable, deflated } from './deflate.ts'
import { textFrames } from './frames.ts'

// The one place that knows how `ws` writes. A server's frames are not masked, so the same bytes serve every
// client, and a whole run of frames may be written to the socket at once. That is sound because `ws`, as long as it has
// nothing to deflate, writes each frame of its own whole within one tick, and because nothing is written here
// after a close frame was. With compression on, `ws` inflates what comes; what goes out is deflated here.
// outbox.test.ts fails when `ws` changes any of this.

/**
 * Calls back when the client's close frame has come, with its code (1005 for none), before `ws` answers it. `ws`
 * itself tells only when the TCP connection has ended too, for which a client may take its time.
 */
export function onCloseFrame(webSocket: WebSocket, callback: (this: WebSocket, code: number) => void): void {
  const { _receiver: receiver } = webSocket as WebSocket & { _receiver?: EventEmitter }
  receiver?.prependListener('conclude', (code: number) => callback.call(webSocket, code))
}

/**
 * Whether a client takes deflated messages that build on the one before. One that wants each message for itself, or a
 * small window, is sent them as they are.
 */
function takesDeflated(webSocket: WebSocket): boolean {
  const { _extensions: extensions } = webSocket as WebSocket & {
    _extensions?: { 'permessage-deflate'?: { params?: Readonly<Record<string, unknown>> } }
  }
  const params = extensions?.['permessage-deflate']?.params
  return params !== undefined && !params['server_no_context_takeover'] && !params['server_max_window_bits']
}

/** The owner of an outbox. */
export interface OutboxOwner {
  /** `bytes` were written, and the client has not read all that it was sent. */
  backlogged(bytes: number): void
}

/** From so many characters on a reply is worth deflating for one client. */
const LARGE_REPLY = 1_024

/** Outboxes with replies that leave when this tick's input has been read. */
let waiting: Outbox[] = []

function flushWaiting(): void {
  const flushing = waiting
  waiting = []
  for (const outbox of flushing) outbox.flush()
}

/** What goes out to one client, in order: its replies, gathered per tick, and whole runs of frames. */
export class Outbox {
  readonly #webSocket: WebSocket
  readonly #socket: Socket
  readonly #owner: OutboxOwner
  readonly #deflates: boolean
  #replies: string[] = []
  /** The answer to the handshake waits in the corked socket for the first words, and leaves in the same write. */
  #isCorked = true

  constructor(webSocket: WebSocket, socket: Socket, owner: OutboxOwner) {
    this.#webSocket = webSocket
    this.#socket = socket
    this.#owner = owner
    this.#deflates = takesDeflated(webSocket)
  }

  /** Sends a text. All replies to what one read brought leave in one write. */
  reply(text: string): void {
    if (this.#replies.length === 0) {
      if (waiting.length === 0) process.nextTick(flushWaiting)
      waiting.push(this)
    }
    this.#replies.push(text)
  }

  /** Writes whole frames now, after the replies that are waiting. `frames` must not change afterwards. */
  write(frames: Buffer): void {
    this.flush()
    this.#write(frames)
  }

  /** Writes the replies that are waiting. */
  flush(): void {
    const replies = this.#replies
    if (replies.length === 0) return
    this.#replies = []
    const frames = textFrames(replies)
    // Not many small ones together: each is one client's own, and would cost more to deflate than to make.
    const isWorth = this.#deflates && replies.some(reply => reply.length >= LARGE_REPLY)
    this.#write(isWorth ? deflatable(frames) : frames)
  }

  #write(frames: Buffer): void {
    if (this.#webSocket.readyState !== WebSocket.OPEN) return
    const bytes = this.#deflates ? deflated(frames) : frames
    this.#socket.write(bytes)
    this.#uncork()
    if (this.#socket.writableLength > 0) this.#owner.backlogged(bytes.length)
  }

  #uncork(): void {
    if (!this.#isCorked) return
    this.#isCorked = false
    this.#socket.uncork()
  }

  /** Bytes that wait because the client reads too slowly; what the kernel has taken does not count. */
  get backlog(): number {
    return this.#socket.writableLength
  }

  /**
   * How far delivery has come: it changes whenever the kernel takes a byte, also in the middle of a large
   * write, which only libuv's own queue shows (Node's socket timeouts look at the same number).
   */
  get progress(): { readonly done: number; readonly queued: number } {
    const { _handle: handle } = this.#socket as Socket & { _handle?: { writeQueueSize?: number } | null }
    return {
      done: this.#socket.bytesWritten - this.#socket.writableLength,
      queued: handle?.writeQueueSize ?? 0,
    }
  }
}
