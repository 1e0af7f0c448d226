import { type Pace, readyAt, type Spent } from '../presence/pace.ts'

/** The connection of a throttle. */
export interface ThrottleOwner<Item> {
  /** Handles an item that has waited. */
  handle(item: Item): void
  /** Stops reading from the client. */
  stopReading(): void
  readAgain(): void
  /** Tells the client that its messages wait. Called at most once per `TELL_EVERY_MS`. */
  tellTooFast(): void
  /** The client has sent too much, or too fast for too long, so the connection must end. */
  sentTooMuch(): void
}

/** For each group of this many values, a text counts as one more message. 100 ids cost about as much as a request. */
const VALUES_PER_MESSAGE = 100

/** For each group of this many bytes, a text counts as one more message: parsing them takes as long as a request. */
const BYTES_PER_MESSAGE = 16 * 1_024

/** A character of UTF-16 is at most three bytes of UTF-8. */
const BYTES_PER_CHARACTER = 3

/** How long a client may keep sending too fast before its connection ends, in ms of awake time. */
const TOO_FAST_FOR_MS = 10_000

/** After this time without a waiting message, a client no longer counts as sending too fast, in ms. */
const PAUSE_MS = 1_000

/** The minimum time between two `too_fast` errors, in ms. */
const TELL_EVERY_MS = 100

/** When the waiting messages count as more than this many bursts, the connection ends. */
const MAX_BURSTS = 10

/**
 * How long a client that was closed for sending too fast should wait before it reconnects, in ms. A client that waits
 * as long has no debt left that stops it.
 */
export const TOO_FAST_AWAY_MS = 10_000

/**
 * How many messages a text counts as. It is known before the text is decoded, because decoding is the expensive part.
 * In JSON, all values except the first of an object or a list follow a comma.
 */
export function weightOfText(text: string): number {
  if (text.length < VALUES_PER_MESSAGE) return 1
  let commas = 0
  for (let at = text.indexOf(','); at >= 0; at = text.indexOf(',', at + 1)) commas++
  const isLong = text.length * BYTES_PER_CHARACTER >= BYTES_PER_MESSAGE
  const bytes = isLong ? Buffer.byteLength(text) : 0
  return 1 + Math.floor(commas / VALUES_PER_MESSAGE) + Math.floor(bytes / BYTES_PER_MESSAGE)
}

/** What is known of a client that is stopped, or was shortly before. Most clients never are, so most have none. */
interface Stop<Item> {
  isStopped: boolean
  /** The items that wait, in their order. */
  waiting: { readonly item: Item; readonly weight: number }[]
  waitingWeight: number
  /** Until when it is held, in awake time; `undefined` if it is not. */
  heldUntil: number | undefined
  tooFastSince: number
  tooFastAt: number
  toldAt: number
}

/**
 * Delays what one connection sends beyond its rate. Nothing is dropped: items wait in their order, and reading from
 * the client stops until there is room, so that TCP slows the client down. In the same way items wait while the
 * throttle is held, because an earlier item is not done.
 *
 * Times named `now` are `Clock.steady`, for the rate. Times named `awake` are `Clock.awake`, for the ten seconds.
 */
export class Throttle<Item> {
  readonly #pace: Pace
  readonly #owner: ThrottleOwner<Item>
  #spent: Spent
  #stop: Stop<Item> | undefined
  #isOver = false

  /** @param debt what earlier connections of the user have spent, from `debtAt`; 0 for none */
  constructor(pace: Pace, owner: ThrottleOwner<Item>, debt: Spent = 0) {
    this.#pace = pace
    this.#owner = owner
    this.#spent = debt
  }

  /** Whether `advance` must be called. */
  get isStopped(): boolean {
    return this.#stop?.isStopped === true
  }

  /** Whether items wait because an earlier one is not done. Such waiting is not the client's fault. */
  get isHeld(): boolean {
    return this.#stop?.heldUntil !== undefined
  }

  /** Lets all later items wait until `release`, or until `until` (awake time) at most. */
  hold(until: number): void {
    this.#stopped().heldUntil = until
  }

  /** Ends `hold`. The next `advance` handles what has waited. */
  release(): void {
    if (this.#stop) this.#stop.heldUntil = undefined
  }

  /** Stops reading at the start of a connection, if its user has no room. */
  start(now: number): void {
    if (!this.#hasRoom(now)) this.#stopped()
  }

  /** Whether items wait. */
  get isWaiting(): boolean {
    return this.#stop !== undefined && this.#stop.waiting.length > 0
  }

  /** Whether the next `advance` handles an item. */
  isDue(now: number, awake: number): boolean {
    return this.isWaiting && awake >= (this.#stop?.heldUntil ?? 0) && this.#hasRoom(now)
  }

  /** Whether a message that arrives now may be handled now. */
  admits(now: number): boolean {
    return !this.isHeld && !this.isWaiting && this.#hasRoom(now)
  }

  /** Counts a message, and returns true if it may be handled now. Otherwise, pass it to `delay`. */
  take(now: number, weight: number): boolean {
    if (!this.admits(now)) return false
    this.#spend(now, weight)
    return true
  }

  /** Counts a message that was handled as `more` messages more. They delay later messages. */
  charge(now: number, more: number): void {
    this.#spend(now, more)
  }

  /** Keeps an item until there is room for it. */
  delay(item: Item, weight: number, now: number, awake: number): void {
    if (this.#isOver) return
    const stop = this.#stopped()
    stop.waiting.push({ item, weight })
    stop.waitingWeight += weight
    if (stop.waitingWeight > MAX_BURSTS * this.#pace.burst) return this.#owner.sentTooMuch()
    if (this.isHeld) return
    if (isTooLong(stop, awake)) return this.#owner.sentTooMuch()
    if (now - stop.toldAt < TELL_EVERY_MS) return
    stop.toldAt = now
    this.#owner.tellTooFast()
  }

  /** Handles the items that are due, and reads again when there is room. */
  advance(now: number, awake: number): void {
    const stop = this.#stop
    if (!stop) return
    if (stop.heldUntil !== undefined && awake >= stop.heldUntil) this.release()
    while (!this.#isOver && stop.heldUntil === undefined && this.#hasRoom(now)) {
      const next = stop.waiting.shift()
      if (!next) return this.#readAgain(stop, awake)
      stop.waitingWeight -= next.weight
      this.#spend(now, next.weight)
      this.#owner.handle(next.item)
    }
    if (this.#isOver || this.isHeld || stop.waiting.length === 0) return
    if (isTooLong(stop, awake)) this.#owner.sentTooMuch()
  }

  /** Ends it: what still waits is dropped, and reading does not start again. */
  end(): void {
    this.#isOver = true
    if (this.#stop) this.#stop.waiting = []
  }

  /**
   * What the user has spent, for the next connection; `undefined` if there is room now. What waits counts too. After
   * `TOO_FAST_AWAY_MS` there is room again.
   */
  debtAt(now: number): Spent | undefined {
    const owed = this.#spent + (this.#stop?.waitingWeight ?? 0) * this.#pace.everyMs
    const ready = readyAt(this.#pace, owed)
    if (ready <= now) return undefined
    return owed - Math.max(0, ready - now - TOO_FAST_AWAY_MS)
  }

  #hasRoom(now: number): boolean {
    return readyAt(this.#pace, this.#spent) <= now
  }

  #spend(now: number, weight: number): void {
    this.#spent = Math.max(this.#spent, now) + this.#pace.everyMs * weight
  }

  /** Stops reading, unless it has stopped already. */
  #stopped(): Stop<Item> {
    this.#stop ??= newStop()
    if (!this.#stop.isStopped) {
      this.#stop.isStopped = true
      this.#owner.stopReading()
    }
    return this.#stop
  }

  #readAgain(stop: Stop<Item>, awake: number): void {
    stop.isStopped = false
    // After a pause, a client counts as one that never was too fast.
    if (isPause(stop, awake)) this.#stop = undefined
    this.#owner.readAgain()
  }
}

function newStop<Item>(): Stop<Item> {
  const never = Number.NEGATIVE_INFINITY
  return {
    isStopped: false,
    waiting: [],
    waitingWeight: 0,
    heldUntil: undefined,
    tooFastSince: 0,
    tooFastAt: never,
    toldAt: never,
  }
}

function isPause({ tooFastAt }: Stop<unknown>, awake: number): boolean {
  return awake - tooFastAt > PAUSE_MS
}

/** Records that messages wait, and returns whether some have waited for ten seconds without a pause. */
function isTooLong(stop: Stop<unknown>, awake: number): boolean {
  if (isPause(stop, awake)) stop.tooFastSince = awake
  stop.tooFastAt = awake
  return awake - stop.tooFastSince >= TOO_FAST_FOR_MS
}
