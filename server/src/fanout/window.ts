import { encode, formatTime } from '@who-is-online/protocol/encode'
import { basic } from '@who-is-online/protocol/words'
import type { NumberedChange } from '../changes/feed.ts'
import type { Encoder } from './encoder.ts'

/**
 * The changes that gathered between two flushes, in the messages of v1: one per change, in one buffer that
 * all connections share. A connection that joined within the window gets the tail of it. Encoded when the
 * first connection asks.
 */
export class ClosedWindow {
  readonly #changes: readonly NumberedChange[]
  readonly #encoded = new Map<Encoder, EncodedWindow>()
  #messages: Messages | undefined

  constructor(changes: readonly NumberedChange[]) {
    this.#changes = changes
  }

  /** The bytes of the changes with greater numbers; empty if v1 has no message for any of them. */
  after(seq: number, encoder: Encoder): Buffer {
    let encoded = this.#encoded.get(encoder)
    if (!encoded) {
      this.#messages ??= messagesOf(this.#changes)
      encoded = new EncodedWindow(this.#messages, encoder)
      this.#encoded.set(encoder, encoded)
    }
    return encoded.after(seq)
  }
}

/** The messages of a window, and the number of the change that each is about. */
interface Messages {
  readonly texts: readonly string[]
  readonly seqs: readonly number[]
}

function messagesOf(changes: readonly NumberedChange[]): Messages {
  const texts: string[] = []
  const seqs: number[] = []
  for (const { seq, userId, status, previousStatus, at } of changes) {
    // A change among online, away and busy, or of a text, is no change in v1.
    if (basic(status) === basic(previousStatus)) continue
    const timestamp = formatTime(at)
    texts.push(encode({ type: 'user_status_change', userId, status: basic(status), timestamp }, 'v1'))
    seqs.push(seq)
  }
  return { texts, seqs }
}

/** A window in the bytes of one transport. */
class EncodedWindow {
  readonly #messages: Messages
  readonly #encoder: Encoder
  readonly #bytes: Buffer
  /** Where each message begins; computed only if a connection joined within the window. */
  #offsets: readonly number[] | undefined

  constructor(messages: Messages, encoder: Encoder) {
    this.#messages = messages
    this.#encoder = encoder
    this.#bytes = encoder.share(encoder.encodeAll(messages.texts))
  }

  after(seq: number): Buffer {
    const { seqs } = this.#messages
    const [first] = seqs
    if (first === undefined || seq < first) return this.#bytes
    const missed = seqs.findIndex(other => other > seq)
    if (missed < 0) return NO_BYTES
    this.#offsets ??= this.#findOffsets()
    return this.#bytes.subarray(this.#offsets[missed])
  }

  #findOffsets(): readonly number[] {
    let offset = 0
    return [0, ...this.#messages.texts.map(text => (offset += this.#encoder.lengthOf(text)))]
  }
}

const NO_BYTES = Buffer.alloc(0)
