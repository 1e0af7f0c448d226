/** How many changes or users a batch has. There may be more changes, because those with one number come together. */
export const BATCH_LIMIT = 100

/** For how long changes are gathered, in ms since the first of them. */
const GATHER_MS = 1_000

/** The wait after the first failure, in ms. Each further failure in a row doubles it. */
const FIRST_RETRY_MS = 1_000

/** The longest wait after a failure, in ms, whatever the endpoint asks for. */
const MAX_RETRY_MS = 300_000

/** How often a failure that continues is reported, in ms. */
const REPORT_EVERY_MS = 60_000

/** What to do next: make a batch of the changes and store its end, or send the batch. */
export type Step = 'prepare' | 'send'

/** What the operator must be told. */
export type Report = 'fails' | 'works again'

/**
 * What is due when for one endpoint. At most one step is under way, so there is at most one batch, and it is sent
 * until the endpoint takes it. Pure: all times are arguments, in ms of a clock that never jumps.
 */
export class Delivery {
  readonly #random: () => number
  #isUnderWay = false
  /** Whether there is a batch that the endpoint has not taken. */
  #hasBatch = false
  /** How many changes can be read, as far as it is known. At first there may be a batch from before a restart. */
  #unread = BATCH_LIMIT
  /** When the first of them came; `undefined` without one. */
  #firstAt: number | undefined = Number.NEGATIVE_INFINITY
  /** How many attempts have failed in a row. */
  #failures = 0
  #retryAt = Number.NEGATIVE_INFINITY
  #behindSince: number | undefined
  #reportedAt: number | undefined

  /** @param random a number from 0 up to 1, for the jitter */
  constructor(random: () => number) {
    this.#random = random
  }

  /** How many attempts have failed since the last success. */
  get failures(): number {
    return this.#failures
  }

  /** Since when the endpoint has not everything; `undefined` if it has. */
  get behindSince(): number | undefined {
    return this.#behindSince
  }

  /** When to call {@link next}; `undefined` while a step is under way, and while there is nothing to send. */
  get wakeAt(): number | undefined {
    if (this.#isUnderWay) return undefined
    if (this.#hasBatch) return this.#retryAt
    if (this.#firstAt === undefined) return undefined
    const gatheredAt = this.#unread >= BATCH_LIMIT ? this.#firstAt : this.#firstAt + GATHER_MS
    return Math.max(gatheredAt, this.#retryAt)
  }

  /** Takes that more changes can be read. */
  changed(count: number, now: number): void {
    this.#unread += count
    this.#firstAt ??= now
    this.#behindSince ??= now
  }

  /** Begins the step that is due. The caller does it, and then calls the method for its end. */
  next(now: number): Step | undefined {
    const { wakeAt } = this
    if (wakeAt === undefined || wakeAt > now) return undefined
    this.#isUnderWay = true
    this.#behindSince ??= now
    if (this.#hasBatch) return 'send'
    this.#unread = 0
    this.#firstAt = undefined
    return 'prepare'
  }

  /**
   * Takes the end of `prepare`.
   *
   * @param hasBatch whether there was something to send
   * @param isMore whether more can be read already, so that the next batch need not be gathered
   */
  prepared(hasBatch: boolean, isMore: boolean, now: number): void {
    this.#isUnderWay = false
    this.#hasBatch = hasBatch
    if (isMore) this.changed(BATCH_LIMIT, now)
    if (!hasBatch) this.#behindSince = this.#firstAt
  }

  /** Takes that the endpoint has taken the batch. */
  delivered(): Report | undefined {
    this.#isUnderWay = false
    this.#hasBatch = false
    this.#failures = 0
    // What is left came after the batch was made, or could not be in it.
    this.#behindSince = this.#firstAt
    const wasReported = this.#reportedAt !== undefined
    this.#reportedAt = undefined
    return wasReported ? 'works again' : undefined
  }

  /**
   * Takes that a step has failed. It is repeated later.
   *
   * @param retryAfterMs how long the endpoint asks to wait
   */
  failed(now: number, retryAfterMs = 0): Report | undefined {
    this.#isUnderWay = false
    if (!this.#hasBatch) this.changed(BATCH_LIMIT, now)
    // Beyond this exponent the wait is the longest one anyway.
    const doubled = FIRST_RETRY_MS * 2 ** Math.min(this.#failures, 20)
    this.#failures++
    // Half of the wait is random, so that servers and endpoints that failed together do not come back together.
    const waitMs = Math.min(doubled, MAX_RETRY_MS) * (0.5 + this.#random() / 2)
    this.#retryAt = now + Math.max(waitMs, Math.min(retryAfterMs, MAX_RETRY_MS))
    if (this.#reportedAt !== undefined && now - this.#reportedAt < REPORT_EVERY_MS) return undefined
    this.#reportedAt = now
    return 'fails'
  }
}
