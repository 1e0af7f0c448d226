import type { SharedAnswer } from '../reply.ts'
import type { Encoder } from './encoder.ts'
import { type Served, serve } from './served.ts'

/** A connection that asked for a shared answer. */
export interface AnswerReceiver extends Served {
  readonly encoder: Encoder
  /** Takes the answer: the same bytes for all who asked. */
  writeShared(bytes: Buffer): void
}

/** Shortest time between two builds, in ms. */
const WINDOW_MS = 10

/** An answer is built so seldom that building it takes no more than a tenth of the time. */
const BUILD_SHARE = 10

/** Answers that many ask for: built after they asked, and once for all who ask within a window. */
export class SharedAnswers {
  readonly #builders = new Map<SharedAnswer, Builder>()

  /** Sends an answer to a connection, now or with the next build. */
  send(receiver: AnswerReceiver, answer: SharedAnswer): void {
    let builder = this.#builders.get(answer)
    if (!builder) {
      builder = new Builder(answer)
      this.#builders.set(answer, builder)
    }
    builder.send(receiver)
  }
}

/** Builds one shared answer, and knows who waits for the next build. */
class Builder {
  readonly #answer: SharedAnswer
  /** `performance.now()` before which it is not built again. */
  #notBefore = 0
  #waiting: AnswerReceiver[] = []

  constructor(answer: SharedAnswer) {
    this.#answer = answer
  }

  /** Builds the answer now and sends it, or with the next build if it was built just now: never an older one. */
  send(receiver: AnswerReceiver): void {
    this.#waiting.push(receiver)
    if (this.#waiting.length > 1) return
    const wait = this.#notBefore - performance.now()
    if (wait <= 0) this.#build()
    else setTimeout(this.#build, Math.ceil(wait))
  }

  readonly #build = (): void => {
    const begun = performance.now()
    // First take those who wait: if the build throws, later requests must not wait behind them.
    const waiting = this.#waiting
    this.#waiting = []
    let encoded: ReadonlyMap<Encoder, Buffer>
    try {
      encoded = this.#encode(waiting)
    } catch (error) {
      // The others are not concerned: an answer changes nothing.
      for (const receiver of waiting) receiver.fail(error)
      return
    } finally {
      const cost = performance.now() - begun
      this.#notBefore = begun + Math.max(WINDOW_MS, cost * BUILD_SHARE)
    }
    for (const receiver of waiting) {
      serve(receiver, receiver => receiver.writeShared(encoded.get(receiver.encoder) as Buffer))
    }
  }

  /** Builds the answer once, and encodes it once for each kind of connection. */
  #encode(waiting: readonly AnswerReceiver[]): ReadonlyMap<Encoder, Buffer> {
    const text = this.#answer.build()
    const encoded = new Map<Encoder, Buffer>()
    for (const { encoder } of waiting) {
      if (!encoded.has(encoder)) encoded.set(encoder, encoder.share(encoder.encode(text)))
    }
    return encoded
  }
}
