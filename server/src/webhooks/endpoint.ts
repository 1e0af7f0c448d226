import type { Place } from '../changes/feed.ts'
import { type ChangePage, NOWHERE, type StatePlace, textOf } from '../changes/page.ts'
import type { ChangeReader } from '../changes/reader.ts'
import type { Log } from '../log.ts'
import type { Clock } from '../time/clock.ts'
import { type Batch, batchOf, type StoredPlace } from './batch.ts'
import { BATCH_LIMIT, Delivery, type Report } from './delivery.ts'
import type { FullStates } from './full-states.ts'
import type { PlaceStore } from './places.ts'
import type { Attempt } from './poster.ts'

/** What an endpoint is made of. */
export interface EndpointOptions {
  readonly url: string
  /** How log lines and metrics name the endpoint. */
  readonly name: string
  readonly reader: Pick<ChangeReader, 'read' | 'isClosed'>
  readonly places: PlaceStore
  /** The full states that the endpoint gets, also in other turns of this server. */
  readonly states: FullStates
  /** Whether this server still delivers. Without it no step begins. */
  readonly isMine: () => boolean
  /** Sends a signed request, and counts it. Never rejects. */
  readonly post: (url: string, id: string, body: Buffer, signal: AbortSignal) => Promise<Attempt>
  readonly newId: () => string
  readonly clock: Pick<Clock, 'steady'>
  readonly log: Pick<Log, 'info' | 'error'>
  readonly random: () => number
}

/** Delivers the changes to one endpoint, batch by batch. {@link Delivery} says what is due when. */
export class Endpoint {
  readonly #options: EndpointOptions
  readonly #delivery: Delivery
  readonly #stopping = new AbortController()
  /** What the endpoint was told; `undefined` until the stored place was read. */
  #told: Place | StatePlace | undefined
  /** What was stored before the start, until the first batch is made. */
  #before: StoredPlace | undefined
  /** The text of the place that is stored without a batch. */
  #settled: string | undefined
  #batch: Batch | undefined
  #timer: NodeJS.Timeout | undefined
  #step: Promise<void> = Promise.resolve()

  constructor(options: EndpointOptions) {
    this.#options = options
    this.#delivery = new Delivery(options.random)
  }

  get name(): string {
    return this.#options.name
  }

  get url(): string {
    return this.#options.url
  }

  /** The place up to which the endpoint was told everything; `undefined` at first and within a full state. */
  get told(): Place | undefined {
    return this.#told && 'next' in this.#told ? undefined : this.#told
  }

  /** See `Delivery.behindSince`. */
  get behindSince(): number | undefined {
    return this.#delivery.behindSince
  }

  start(): void {
    this.#advance()
  }

  /** Takes that more changes can be read. */
  changed(count: number): void {
    this.#delivery.changed(count, this.#options.clock.steady())
    this.#advance()
  }

  /** Aborts the request that is under way. Its batch is sent again after the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#timer)
    await this.#step
  }

  // Private

  #advance(): void {
    if (this.#stopping.signal.aborted || !this.#options.isMine()) return
    const now = this.#options.clock.steady()
    const step = this.#delivery.next(now)
    if (step) {
      const done = step === 'prepare' ? this.#prepare() : this.#send()
      this.#step = done.then(() => this.#advance())
      return
    }
    clearTimeout(this.#timer)
    const { wakeAt } = this.#delivery
    if (wakeAt === undefined) return
    // A timer may be a millisecond early.
    this.#timer = setTimeout(() => this.#advance(), wakeAt - now + 1)
  }

  /** Makes a batch of what the endpoint was not told, and stores its end. */
  async #prepare(): Promise<void> {
    const { reader, places, url, newId, clock, states } = this.#options
    const { signal } = this.#stopping
    let page: ChangePage
    try {
      this.#told ??= await this.#load()
      const { usersPerPage: usersLimit } = states
      page = await reader.read({ since: this.#told, limit: BATCH_LIMIT, usersLimit, signal })
    } catch (error) {
      return this.#failedToStore(error)
    }
    // Then a crash may undo what the page says.
    if (signal.aborted || reader.isClosed) return
    const batch = batchOf(page, newId, this.#before)
    if (batch?.stored) {
      this.#settled = undefined
      try {
        await places.save(url, batch.stored)
      } catch (error) {
        return this.#failedToStore(error)
      }
    }
    if (states.next(this.#told, page, clock.steady())) this.#reportAgain()
    this.#before = undefined
    this.#batch = batch
    // Without changes the place stays, although numbers may be left out: the next batch follows the last one.
    if (!batch) await this.#settle()
    this.#delivery.prepared(batch !== undefined, batch?.isMore ?? false, clock.steady())
  }

  /** Reads what was stored before the start. Returns what the endpoint was told. */
  async #load(): Promise<Place> {
    const { places, url } = this.#options
    this.#before = await places.load(url)
    const { since = NOWHERE, batch } = this.#before ?? {}
    if (!batch) this.#settled = textOf(since)
    return since
  }

  async #send(): Promise<void> {
    const { post, url, clock } = this.#options
    const { signal } = this.#stopping
    const batch = this.#batch as Batch
    const attempt = await post(url, batch.id, batch.body, signal)
    if (attempt.result === 'ok') {
      this.#told = batch.end
      this.#batch = undefined
      // Before the next step can begin, which stores a place too.
      if (!batch.isMore) await this.#settle()
      this.#report(this.#delivery.delivered())
    } else if (!signal.aborted) {
      this.#report(this.#delivery.failed(clock.steady(), attempt.retryAfterMs), attempt.reason)
    }
  }

  /** Stores that the endpoint has taken everything that was sent, so that a restart repeats nothing. */
  async #settle(): Promise<void> {
    const { places, url } = this.#options
    const told = this.#told as Place | StatePlace
    if ('next' in told || this.#settled === textOf(told)) return
    const { epoch, seq } = told
    try {
      await places.save(url, { since: { epoch, seq } })
      this.#settled = textOf(told)
    } catch {
      // Then a restart repeats the last batch. The next batch reports the failure.
    }
  }

  #reportAgain(): void {
    const { log, name: endpoint, states } = this.#options
    const { usersPerPage } = states
    log.error(
      'the full state of a webhook endpoint begins again, because the log has dropped the place at which it began: raise RECENT_CHANGES, or let the endpoint answer faster',
      { endpoint, usersPerPage },
    )
  }

  #failedToStore(error: unknown): void {
    const { log, clock, name: endpoint, isMine } = this.#options
    // Another node delivers, or this one does not reach Redis, and says so.
    if (this.#stopping.signal.aborted || !isMine()) return
    if (!this.#delivery.failed(clock.steady())) return
    const reason = error instanceof Error ? error.message : String(error)
    log.error('the place of a webhook endpoint can not be read or stored: nothing is sent', {
      endpoint,
      reason,
    })
  }

  #report(report: Report | undefined, reason?: string): void {
    const { log, name: endpoint } = this.#options
    if (report === 'works again') log.info('a webhook endpoint works again', { endpoint })
    else if (report) {
      const attempts = this.#delivery.failures
      log.error('a webhook endpoint fails: its changes wait', { endpoint, reason, attempts })
    }
  }
}
