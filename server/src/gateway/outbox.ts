import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'

// The one place that knows how `ws` writes. A server's frames are not masked, so the same bytes serve every
// client, and a whole run of frames may be written to the socket at once. That is sound because `ws`, with
// compression off, writes each frame of its own whole within one tick, and because nothing is written here
// after a close frame was. outbox.test.ts fails when `ws` changes either.

/** The bytes of a text frame, unmasked, unfragmented (RFC 6455, section 5.2). */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(header + length)
  frame[0] = 0x81
  if (header === 2) {
    frame[1] = length
  } else if (header === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeUInt32BE(0, 2)
    frame.writeUInt32BE(length, 6)
  }
  frame.write(text, header)
  return frame
}

/**
 * Calls back when the client's close frame has come, with its code (1005 for none). `ws` itself tells only when
 * the TCP connection has ended too, for which a client may take its time.
 */
export function onCloseFrame(webSocket: WebSocket, callback: (this: WebSocket, code: number) => void): void {
  const { _receiver: receiver } = webSocket as WebSocket & { _receiver?: EventEmitter }
  receiver?.on('conclude', (code: number) => callback.call(webSocket, code))
}

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
  #replies: Buffer[] = []

  constructor(webSocket: WebSocket, socket: Socket) {
    this.#webSocket = webSocket
    this.#socket = socket
  }

  /** Sends a text. All replies to what one read brought leave in one write. */
  reply(text: string): void {
    if (this.#replies.length === 0) {
      if (waiting.length === 0) process.nextTick(flushWaiting)
      waiting.push(this)
    }
    this.#replies.push(textFrame(text))
  }

  /** Writes whole frames now, after the replies that are waiting. `frames` must not change afterwards. */
  write(frames: Buffer): void {
    this.flush()
    if (this.#webSocket.readyState === WebSocket.OPEN) this.#socket.write(frames)
  }

  /** Writes the replies that are waiting. */
  flush(): void {
    const replies = this.#replies
    if (replies.length === 0) return
    this.#replies = []
    if (this.#webSocket.readyState !== WebSocket.OPEN) return
    this.#socket.write(replies.length === 1 ? (replies[0] as Buffer) : Buffer.concat(replies))
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

  /** Calls back once when nothing waits any more. */
  onceDrained(callback: () => void): void {
    this.#socket.once('drain', callback)
  }
}
