import type { SharedAnswer } from '../reply.ts'
import { deflatable } from './deflate.ts'
import { textFrame } from './frames.ts'

/** Who asked for a shared answer. */
export interface Asker {
  /** Takes the answer as a whole frame, the same bytes for all who ask. */
  writeShared(frame: Buffer): void
}

/** Shortest time between two builds. */
const WINDOW_MS = 10

/** A shared answer is built so seldom that building takes no more than a tenth of the time. */
const BUILD_SHARE = 10

/** Answers that many ask for: the same bytes to all who ask within a window, built after they asked. */
export class SharedAnswers {
  readonly #frames = new Map<SharedAnswer, SharedFrame>()

  send(asker: Asker, answer: SharedAnswer): void {
    let shared = this.#frames.get(answer)
    if (!shared) {
      shared = new SharedFrame(answer)
      this.#frames.set(answer, shared)
    }
    shared.send(asker)
  }
}

/** The frame of one shared answer, and who waits for the next build. */
class SharedFrame {
  readonly #answer: SharedAnswer
  /** `performance.now()` before which it is not built again. */
  #notBefore = 0
  #waiting: Asker[] = []

  constructor(answer: SharedAnswer) {
    this.#answer = answer
  }

  /** Builds it now and sends it, or, when it was built just now, with the next build: never an older one. */
  send(asker: Asker): void {
    this.#waiting.push(asker)
    if (this.#waiting.length > 1) return
    const wait = this.#notBefore - performance.now()
    if (wait <= 0) this.#build()
    else setTimeout(this.#build, Math.ceil(wait))
  }

  readonly #build = (): void => {
    const begun = performance.now()
    const frame = deflatable(textFrame(this.#answer.build()))
    const cost = performance.now() - begun
    this.#notBefore = begun + Math.max(WINDOW_MS, cost * BUILD_SHARE)
    const waiting = this.#waiting
    this.#waiting = []
    for (const asker of waiting) asker.writeShared(frame)
  }
}
