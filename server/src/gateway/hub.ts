import { encode, formatTime } from '@who-is-online/protocol/encode'
import type { Change } from '../presence/change.ts'
import type { SharedAnswer } from '../tracker.ts'
import { frameLength, textFrames } from './outbox.ts'

/** A client of the hub: whoever hears of every change. */
export interface Member {
  /** The number of the newest change when the member came: it hears what comes after. */
  readonly since: number
  write(frames: Buffer): void
}

/** Who asked for a shared answer. */
export interface Asker {
  writeShared(frame: Buffer): void
}

/** The changes of one window, each encoded once, in the order of `seq`. */
interface Window {
  /** The number of the change before the first of this window. */
  readonly before: number
  readonly texts: string[]
}

/** Shortest time between two flushes: long enough to gather under load, too short to be seen. */
const WINDOW_MS = 10

/** A dear flush waits so long that flushing takes a third of the time: the rest is for whoever arrives and asks. */
const FLUSH_SHARE = 3

/** Longest time between two flushes, as far as the flush itself does not take longer. */
const LONGEST_WINDOW_MS = 50

/** How long a flush or a build may hold the loop before input, pings and timers get a turn. */
const SLICE_MS = 5

/** How many members are written to between two looks at the clock. */
const LOOK_EVERY = 32

/** A shared answer is built so seldom that building takes no more than a tenth of the time. */
const BUILD_SHARE = 10

/**
 * Tells all members of all changes. A change is encoded once; changes gather for a window; each member gets a
 * window in one write. The first change after a quiet time goes at once.
 */
export class Hub {
  readonly #members = new Set<Member>()
  #window: Window
  #flushing = false
  #scheduled = false
  /** `performance.now()` before which no window is flushed. */
  #notBefore = 0

  readonly #shared = new Map<SharedAnswer, SharedFrame>()

  constructor(seq: number) {
    this.#window = { before: seq, texts: [] }
  }

  join(member: Member): void {
    this.#members.add(member)
  }

  part(member: Member): void {
    this.#members.delete(member)
  }

  /** Takes changes, as a listener of the feed. */
  publish(changes: readonly Change[]): void {
    for (const { userId, status, at } of changes) {
      const timestamp = formatTime(at)
      this.#window.texts.push(encode({ type: 'user_status_change', userId, status, timestamp }))
    }
    this.#schedule()
  }

  /** Sends an answer that many ask for: the same bytes to all who ask within a window, built after they asked. */
  sendShared(asker: Asker, answer: SharedAnswer): void {
    let shared = this.#shared.get(answer)
    if (!shared) {
      shared = new SharedFrame(answer)
      this.#shared.set(answer, shared)
    }
    shared.send(asker)
  }

  #schedule(): void {
    if (this.#scheduled || this.#flushing) return
    this.#scheduled = true
    const wait = this.#notBefore - performance.now()
    if (wait <= 0) setImmediate(this.#flush)
    else setTimeout(this.#flush, Math.ceil(wait))
  }

  readonly #flush = (): void => {
    this.#scheduled = false
    this.#flushing = true
    const { before, texts } = this.#window
    this.#window = { before: before + texts.length, texts: [] }
    this.#writeSlices(this.#members.values(), new ClosedWindow(before, texts), performance.now(), 0)
  }

  /** Writes a window to the members, a slice at a time; whoever joins meanwhile came after it. */
  #writeSlices(members: Iterator<Member>, window: ClosedWindow, begun: number, spentBefore: number): void {
    const sliceBegun = performance.now()
    for (let written = 1; ; written++) {
      const next = members.next()
      if (next.done) break
      const bytes = window.after(next.value.since)
      if (bytes.length > 0) next.value.write(bytes)
      if (written % LOOK_EVERY !== 0) continue
      const spent = performance.now() - sliceBegun
      if (spent < SLICE_MS) continue
      setImmediate(() => this.#writeSlices(members, window, begun, spentBefore + spent))
      return
    }
    const cost = spentBefore + performance.now() - sliceBegun
    this.#notBefore = begun + Math.min(LONGEST_WINDOW_MS, Math.max(WINDOW_MS, cost * FLUSH_SHARE))
    this.#flushing = false
    if (this.#window.texts.length > 0) this.#schedule()
  }
}

/** A window as it is written: one buffer for all, of which whoever joined within it gets the tail. */
class ClosedWindow {
  readonly #before: number
  readonly #texts: readonly string[]
  readonly #frames: Buffer
  /** Where each change begins in the buffer; only found out when somebody joined within the window. */
  #offsets: readonly number[] | undefined

  constructor(before: number, texts: readonly string[]) {
    this.#before = before
    this.#texts = texts
    this.#frames = textFrames(texts)
  }

  /** The frames of the changes after the one with this number. */
  after(seq: number): Buffer {
    const missed = Math.min(seq - this.#before, this.#texts.length)
    if (missed <= 0) return this.#frames
    this.#offsets ??= this.#findOffsets()
    return this.#frames.subarray(this.#offsets[missed])
  }

  #findOffsets(): readonly number[] {
    let offset = 0
    return [0, ...this.#texts.map(text => (offset += frameLength(text)))]
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
    const frame = textFrames([this.#answer.build()])
    const cost = performance.now() - begun
    this.#notBefore = begun + Math.max(WINDOW_MS, cost * BUILD_SHARE)
    const waiting = this.#waiting
    this.#waiting = []
    for (const asker of waiting) asker.writeShared(frame)
  }
}
