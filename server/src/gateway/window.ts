import { encode, formatTime } from '@who-is-online/protocol/encode'
import { basic } from '@who-is-online/protocol/words'
import type { Change } from '../presence/change.ts'
import { deflatable } from './deflate.ts'
import { frameLength, textFrames } from './frames.ts'

/**
 * The changes that gathered between two flushes, as v1 says them: one frame a change, in one buffer for all, of
 * which whoever joined within the window gets the tail. Encoded when the first member asks.
 */
export class ClosedWindow {
  /** The number of the last change of this window. */
  readonly seq: number
  readonly #changes: readonly Change[]
  #encoded: Encoded | undefined

  constructor(changes: readonly Change[], seq: number) {
    this.#changes = changes
    this.seq = seq
  }

  /** The frames of the changes after the one with this number; empty when v1 has no words for them. */
  after(seq: number): Buffer {
    this.#encoded ??= new Encoded(this.#changes, this.seq - this.#changes.length)
    return this.#encoded.after(seq)
  }
}

class Encoded {
  readonly #texts: string[] = []
  /** The number of each text's change. */
  readonly #seqs: number[] = []
  readonly #frames: Buffer
  /** Where each change begins in the buffer; only found out when somebody joined within the window. */
  #offsets: readonly number[] | undefined

  constructor(changes: readonly Change[], before: number) {
    let seq = before
    for (const { userId, status, previous, at } of changes) {
      seq++
      // A change among online, away and busy, or of a text, is none in v1.
      if (basic(status) === basic(previous)) continue
      const timestamp = formatTime(at)
      this.#texts.push(encode({ type: 'user_status_change', userId, status: basic(status), timestamp }, 'v1'))
      this.#seqs.push(seq)
    }
    this.#frames = deflatable(textFrames(this.#texts))
  }

  after(seq: number): Buffer {
    const [first] = this.#seqs
    if (first === undefined || seq < first) return this.#frames
    const missed = this.#seqs.findIndex(other => other > seq)
    if (missed < 0) return NO_FRAMES
    this.#offsets ??= this.#findOffsets()
    return this.#frames.subarray(this.#offsets[missed])
  }

  #findOffsets(): readonly number[] {
    let offset = 0
    return [0, ...this.#texts.map(text => (offset += frameLength(text)))]
  }
}

const NO_FRAMES = Buffer.alloc(0)
