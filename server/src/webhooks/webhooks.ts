import { randomBytes } from 'node:crypto'
import type { ChangeFeed, FeedListener, NumberedChange } from '../changes/feed.ts'
import type { ChangeReader } from '../changes/reader.ts'
import type { Log } from '../log.ts'
import type { Clock } from '../time/clock.ts'
import { Endpoint } from './endpoint.ts'
import { FullStates } from './full-states.ts'
import type { PlaceStore } from './places.ts'
import { type Attempt, post, type Result } from './poster.ts'
import { Sender } from './sender.ts'

/** What {@link Webhooks} need. */
export interface WebhooksOptions {
  readonly urls: readonly string[]
  readonly secrets: readonly Buffer[]
  readonly reader: Pick<ChangeReader, 'read' | 'isClosed' | 'place'>
  readonly feed: Pick<ChangeFeed, 'listen' | 'recalls' | 'after'>
  readonly places: PlaceStore
  /** In a cluster: whose turn it is to deliver. Otherwise this server always does. */
  readonly turns?: Turns | undefined
  readonly clock: Pick<Clock, 'steady' | 'now'>
  readonly log: Pick<Log, 'info' | 'error'>
  readonly version: string
  /** How long an endpoint may take to answer, in ms. Default: 10 s. */
  readonly answerMs?: number
  /** Default: `Math.random`. */
  readonly random?: () => number
}

/** How the nodes of a cluster share the work: one of them delivers. */
export interface Turns {
  /** Whether this node delivers now. */
  isMine(): boolean
  /** The places of endpoints for one turn. When another node has begun its turn, nothing can be saved with them. */
  newPlaces(): PlaceStore
  /** Adds a listener. It is told that about so many more changes can be read. */
  listen(listener: (count: number) => void): void
}

/** What an endpoint said to a test message. */
export interface TestResult {
  readonly url: string
  readonly delivered: boolean
  /** The status of the answer; `undefined` without one. */
  readonly status?: number | undefined
  readonly error?: string | undefined
}

/** Sends the changes to the endpoints of the operator, to each in order and at least once. */
export class Webhooks implements FeedListener {
  readonly #options: WebhooksOptions
  readonly #sender: Sender
  readonly #targets: readonly Target[]
  #isStarted = false
  /** Those of this turn; empty while another node delivers. */
  #endpoints: readonly Endpoint[] = []
  /** The end of the turn before. */
  #ended: Promise<void> | undefined
  readonly #stopping = new AbortController()
  readonly #counts = new Map<string, Record<Result, number>>()
  /** How many changes came since the last call of {@link synced}. */
  #count = 0

  constructor(options: WebhooksOptions) {
    this.#options = options
    const { urls, clock, answerMs } = options
    this.#sender = new Sender({ now: () => clock.now(), ...(answerMs !== undefined && { answerMs }) })
    this.#targets = namesOf(urls).map((name, index) => ({
      name,
      url: urls[index] as string,
      states: new FullStates(),
    }))
    for (const { name } of this.#targets) {
      this.#counts.set(name, { ok: 0, status: 0, timeout: 0, connection: 0 })
    }
  }

  start(): void {
    const { feed, turns } = this.#options
    if (this.#targets.length === 0) return
    this.#isStarted = true
    if (turns) turns.listen(count => this.#changed(count))
    else feed.listen(this)
    this.advance()
  }

  /** Begins or ends the turn of this node. In a cluster, call it several times a second after {@link start}. */
  advance(): void {
    if (!this.#isStarted || this.#stopping.signal.aborted || this.#ended) return
    const isMine = this.#isMine()
    if (isMine && !this.isDelivering) this.#begin()
    if (!isMine && this.isDelivering) {
      const ended = Promise.all(this.#endpoints.map(endpoint => endpoint.stop()))
      this.#endpoints = []
      this.#ended = ended.then(() => {
        this.#ended = undefined
      })
    }
  }

  /** Whether this server delivers, and not another node of the cluster. */
  get isDelivering(): boolean {
    return this.#endpoints.length > 0
  }

  /** Takes changes, as a listener of the feed. They are sent when a crash can't undo them. */
  changed({ length }: readonly NumberedChange[]): void {
    this.#count += length
  }

  synced(): void {
    // Changes of an earlier call may be readable only now.
    const count = Math.max(1, this.#count)
    this.#count = 0
    this.#changed(count)
  }

  /** Sends each endpoint a signed message that says nothing, and returns what they said, in their order. */
  test(): Promise<TestResult[]> {
    const { epoch, seq } = this.#options.reader.place
    const page = { test: true, epoch, prevSeq: seq, seq, recovered: true, changes: [] }
    const body = Buffer.from(JSON.stringify(page))
    return Promise.all(
      this.#targets.map(async ({ name, url }) => {
        const attempt = await this.#post(name, url, newId(), body, this.#stopping.signal)
        const { result, status, reason: error } = attempt
        return { url: name, delivered: result === 'ok', status, error }
      }),
    )
  }

  /** How many attempts have ended how, by endpoint. */
  get counts(): ReadonlyMap<string, Readonly<Record<Result, number>>> {
    return this.#counts
  }

  /** How many full states each endpoint has begun to get; see `FullStates.counts`. */
  get states(): Map<string, FullStates['counts']> {
    return new Map(this.#targets.map(({ name, states }) => [name, states.counts]))
  }

  /**
   * The age of the oldest change that each endpoint has not taken, in ms; 0 without such a change. Empty while another
   * node delivers: only that one knows.
   */
  unsentMs(): Map<string, number> {
    const { feed, clock } = this.#options
    return new Map(
      this.#endpoints.map(({ name, told, behindSince }) => {
        const unsent = told && feed.recalls(told) ? feed.after(told.seq, 1) : undefined
        const steady = clock.steady()
        // Without the change itself, its age is not known exactly.
        const ms = unsent ? clock.now() - (unsent[0]?.at ?? clock.now()) : steady - (behindSince ?? steady)
        return [name, Math.max(0, ms)]
      }),
    )
  }

  /** Aborts all requests. Resolves when nothing more is written. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all([this.#ended, ...this.#endpoints.map(endpoint => endpoint.stop())])
    this.#sender.close()
  }

  #isMine(): boolean {
    return this.#options.turns?.isMine() ?? true
  }

  #begin(): void {
    const { turns, random = Math.random } = this.#options
    const places = turns?.newPlaces() ?? this.#options.places
    this.#endpoints = this.#targets.map(
      ({ name, url, states }) =>
        new Endpoint({
          ...this.#options,
          places,
          url,
          name,
          states,
          newId,
          random,
          isMine: () => this.#isMine(),
          post: (url, id, body, signal) => this.#post(name, url, id, body, signal),
        }),
    )
    for (const endpoint of this.#endpoints) endpoint.start()
  }

  #changed(count: number): void {
    for (const endpoint of this.#endpoints) endpoint.changed(count)
  }

  async #post(name: string, url: string, id: string, body: Buffer, signal: AbortSignal): Promise<Attempt> {
    const { secrets, clock, version } = this.#options
    const options = { sender: this.#sender, secrets, version, now: () => clock.now() }
    const attempt = await post(options, url, id, body, signal)
    const counts = this.#counts.get(name)
    if (counts && !signal.aborted) counts[attempt.result]++
    return attempt
  }
}

/** An endpoint, and how log lines and metrics name it. */
interface Target {
  readonly name: string
  readonly url: string
  readonly states: FullStates
}

/** An id for a message: 96 random bits. It has no dot, which separates the parts of what is signed. */
function newId(): string {
  return `msg_${randomBytes(12).toString('base64url')}`
}

/** The names of endpoints for people: the URLs without their queries, which may have secrets. */
function namesOf(urls: readonly string[]): string[] {
  const names = urls.map(url => new URL(url).origin)
  return names.map((name, index) => (names.indexOf(name) < index ? `${name} (${index + 1})` : name))
}
