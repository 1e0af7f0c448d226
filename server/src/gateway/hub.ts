import type { Change } from '../presence/change.ts'
import { SLICE_MS } from './slices.ts'
import type { Following, Watches } from './watches.ts'
import { ClosedWindow } from './window.ts'

/** A client of v1: whoever hears of every change. */
export interface Member {
  /** The number of the newest change when the member came: it hears what comes after. */
  readonly since: number
  write(frames: Buffer): void
}

/** Shortest time between two flushes: long enough to gather under load, too short to be seen. */
const WINDOW_MS = 10

/** A dear flush waits so long that flushing takes a third of the time: the rest is for whoever arrives and asks. */
const FLUSH_SHARE = 3

/** Longest time between two flushes, as far as the flush itself does not take longer. */
const LONGEST_WINDOW_MS = 50

/** The first change after a quiet time waits for others this part of the time that a flush takes: nothing, unless that is long. */
const FIRST_WAIT_SHARE = 0.1

/** More arrivals than that since the last flush, and within so many ms, are a crowd: letting it in takes a good part of the time. */
const CROWD = 16
const CROWD_MS = 200

/** While a crowd arrives: each of it is told to all, so whatever flushing takes, arriving takes the longer for. */
const CROWD_FLUSH_SHARE = 6
const CROWD_LONGEST_WINDOW_MS = 100

/** How many clients are written to between two looks at the clock. */
const LOOK_EVERY = 32

/**
 * Tells everybody who is to hear of changes: v1 clients of all, v2 clients of whom they follow. Changes gather
 * for a window; what is said of one is encoded once; each client gets a window in one write. The first change
 * after a quiet time goes at once.
 */
export class Hub {
  readonly #members = new Set<Member>()
  readonly #watches: Watches
  #gathering: Change[] = []
  /** The number of the newest change that was taken. */
  #seq: number
  #flushing = false
  #scheduled = false
  /** How many clients have come since the last flush, and since when they are counted. */
  #arrivals = 0
  #countedSince = 0
  /** `performance.now()` before which no window is flushed. */
  #notBefore = 0
  /** How long the last flush took, in ms. */
  #cost = 0

  constructor(seq: number, watches: Watches) {
    this.#seq = seq
    this.#watches = watches
  }

  /** A client has come, whatever it wants to hear. */
  arrived(): void {
    const now = performance.now()
    if (now - this.#countedSince > CROWD_MS) {
      this.#countedSince = now
      this.#arrivals = 0
    }
    this.#arrivals++
  }

  join(member: Member): void {
    this.#members.add(member)
  }

  part(member: Member): void {
    this.#members.delete(member)
  }

  /** Takes changes, as a listener of the feed. */
  changed(changes: readonly Change[], seq: number): void {
    this.#watches.note(changes, seq)
    for (const change of changes) this.#gathering.push(change)
    this.#seq = seq
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled || this.#flushing) return
    this.#scheduled = true
    const first = Math.min(WINDOW_MS, this.#cost * FIRST_WAIT_SHARE)
    const wait = Math.max(this.#notBefore - performance.now(), first)
    if (wait < 1) setImmediate(this.#flush)
    else setTimeout(this.#flush, Math.ceil(wait))
  }

  readonly #flush = (): void => {
    this.#scheduled = false
    this.#flushing = true
    const begun = performance.now()
    const changes = this.#gathering
    this.#gathering = []
    this.#slice(this.#tellAll(changes, this.#seq), begun, begun, 0)
  }

  /** Tells a slice of the clients, then lets others have a turn; whoever joins meanwhile came after the window. */
  #slice(clients: Iterator<void>, begun: number, sliceBegun: number, spentBefore: number): void {
    for (let told = 1; ; told++) {
      if (clients.next().done) break
      if (told % LOOK_EVERY !== 0) continue
      const spent = performance.now() - sliceBegun
      if (spent < SLICE_MS) continue
      setImmediate(() => this.#slice(clients, begun, performance.now(), spentBefore + spent))
      return
    }
    const cost = spentBefore + performance.now() - sliceBegun
    this.#cost = cost
    const isCrowd = this.#arrivals > CROWD
    this.#arrivals = 0
    const share = isCrowd ? CROWD_FLUSH_SHARE : FLUSH_SHARE
    const longest = isCrowd ? CROWD_LONGEST_WINDOW_MS : LONGEST_WINDOW_MS
    this.#notBefore = begun + Math.min(longest, Math.max(WINDOW_MS, cost * share))
    this.#flushing = false
    if (this.#gathering.length > 0) this.#schedule()
  }

  /** Tells one client a step. What is said is settled before the first: later changes are for the next window. */
  *#tellAll(changes: readonly Change[], seq: number): Generator<void> {
    const window = new ClosedWindow(changes, seq)
    const news = this.#watches.news(changes, seq)
    for (const member of this.#members) {
      const frames = window.after(member.since)
      if (frames.length > 0) member.write(frames)
      yield
    }
    for (const follower of this.#watches.everybody) {
      follower.tellAll(news)
      yield
    }
    const told: Following[] = []
    for (const item of news.items) {
      for (const follower of item.topic?.followers ?? []) if (follower.gather(item)) told.push(follower)
      yield
    }
    for (const follower of told) {
      follower.tellGathered(seq)
      yield
    }
  }
}
