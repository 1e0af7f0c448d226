import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'

// The one place that knows how `ws` writes. A server's frames are not masked, so the same bytes serve every
// client, and a whole run of frames may be written to the socket at once. That is sound because `ws`, with
// compression off, writes each frame of its own whole within one tick, and because nothing is written here
// after a close frame was. outbox.test.ts fails when `ws` changes either.

/** Texts as whole frames in one buffer: unmasked, unfragmented (RFC 6455, section 5.2). */
export function textFrames(texts: readonly string[]): Buffer {
  const lengths = texts.map(text => Buffer.byteLength(text))
  let bytes = 0
  for (const length of lengths) bytes += headerLength(length) + length
  const frames = Buffer.allocUnsafe(bytes)
  let at = 0
  for (let index = 0; index < texts.length; index++) {
    at = writeHeader(frames, at, lengths[index] as number)
    at += frames.write(texts[index] as string, at)
  }
  return frames
}

/** One text as a whole frame. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const frame = Buffer.allocUnsafe(headerLength(length) + length)
  frame.write(text, writeHeader(frame, 0, length))
  return frame
}

/** How many bytes a text is as a frame. */
export function frameLength(text: string): number {
  const length = Buffer.byteLength(text)
  return headerLength(length) + length
}

function headerLength(length: number): 2 | 4 | 10 {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10
}

function writeHeader(frames: Buffer, at: number, length: number): number {
  frames[at] = 0x81
  switch (headerLength(length)) {
    case 2:
      frames[at + 1] = length
      return at + 2
    case 4:
      frames[at + 1] = 126
      return frames.writeUInt16BE(length, at + 2)
    case 10:
      frames[at + 1] = 127
      return frames.writeBigUInt64BE(BigInt(length), at + 2)
  }
}

/**
 * Calls back when the client's close frame has come, with its code (1005 for none), before `ws` answers it. `ws`
 * itself tells only when the TCP connection has ended too, for which a client may take its time.
 */
export function onCloseFrame(webSocket: WebSocket, callback: (this: WebSocket, code: number) => void): void {
  const { _receiver: receiver } = webSocket as WebSocket & { _receiver?: EventEmitter }
  receiver?.prependListener('conclude', (code: number) => callback.call(webSocket, code))
}

/** Whose outbox it is. */
export interface Sender {
  /** Something was written, `bytes` of it, and the client has not taken all that it was sent. */
  waits(bytes: number): void
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
  readonly #sender: Sender
  #replies: string[] = []
  /** The answer to the handshake waits in the corked socket for the first words, and leaves in the same write. */
  #isCorked = true

  constructor(webSocket: WebSocket, socket: Socket, sender: Sender) {
    this.#webSocket = webSocket
    this.#socket = socket
    this.#sender = sender
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
    this.#write(textFrames(replies))
  }

  #write(frames: Buffer): void {
    if (this.#webSocket.readyState !== WebSocket.OPEN) return
    this.#socket.write(frames)
    this.#uncork()
    if (this.#socket.writableLength > 0) this.#sender.waits(frames.length)
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
