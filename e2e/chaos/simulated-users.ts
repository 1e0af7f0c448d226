import { sleep } from '@who-is-online/testing/client'
import type { Choice } from './choices.ts'
import { ClientConnection, type Message, type Version } from './client-connection.ts'
import type { InvariantChecker } from './invariants.ts'
import { type Seen, SILENT_MS } from './last-seen.ts'

/** What the users of a run share. */
export interface RunContext {
  readonly url: string
  /** All checkers of this run; they receive the same facts. */
  readonly checkers: readonly InvariantChecker[]
  /** How long the server has run without being suspended, in ms. */
  awake(): number
  /** Whether the server is running now. */
  isRunning(): boolean
  /** Whether no process of the server exists, so that nobody can connect. */
  isDown(): boolean
  /** The right time at the server, in ms since the epoch. */
  now(): number
  /** Whether the run is over, so that users must stop. */
  isOver(): boolean
  /** Called when the server closes the connection of a client that behaves correctly. */
  onCut(userId: string, code: number): void
}

/** The time between two choices of a user: twice what the rate limit of visible changes requires. */
const CHOICE_EVERY_MS: [number, number] = [7_000, 11_000]
const STATUSES = ['online', 'busy', 'away']

/** How often a user loses the connection between two choices, and for how long in ms: less than the grace. */
const LOSES = 0.25
const LOST_MS: [number, number] = [500, 2_000]

/** Whether the server has no reason to send this close code to a client that behaves correctly. */
export const isCut = (code: number) => (code >= 4400 && code < 4500) || code === 4508

/** A user who is always connected, reconnects after an outage, and sets a status from time to time. */
export class SteadyUser {
  readonly connection: ClientConnection
  /** All choices, oldest first. */
  readonly choices: Choice[] = []
  /** Whether the client has reconnected since the last start of the server. */
  isBack = false
  readonly #context: RunContext
  readonly #random: () => number
  /**
   * The last acknowledged choice, with its time by the clock of the server. It is sent again on reconnect, as
   * in the SDK.
   */
  #acknowledged: { index: number; at: string } | undefined
  /** Pending requests by `id`. v1 has no ids; its replies come in order. */
  readonly #waiting = new Map<string, number>()
  #isKnown = false
  #closedAt: number | undefined

  constructor(context: RunContext, userId: string, version: Version, random: () => number) {
    this.#context = context
    this.#random = random
    this.connection = new ClientConnection({
      url: context.url,
      version,
      userId,
      random,
      query: () => this.#query(),
      onWelcome: () => this.#welcomed(),
      onMessage: message => this.#take(message),
      onClose: code => {
        this.#closedAt = context.now()
        if (isCut(code)) context.onCut(userId, code)
      },
    })
  }

  /** When the user was last present; `undefined` before the first connection. */
  get seen(): Seen | undefined {
    const now = this.#context.now()
    if (this.connection.isOpen) return { from: now - SILENT_MS, to: now }
    return this.#closedAt === undefined ? undefined : { from: this.#closedAt - SILENT_MS, to: now }
  }

  /**
   * Connects. Until the run is over, sets a status from time to time, or loses the connection for a short
   * time that nobody must notice.
   */
  async live(): Promise<void> {
    this.connection.open()
    while (!this.#context.isOver()) {
      await sleep(pick(this.#random, CHOICE_EVERY_MS))
      if (!this.connection.isOpen || this.#waiting.size > 0 || this.#context.isOver()) continue
      if (this.#random() < LOSES) this.connection.lose(pick(this.#random, LOST_MS))
      else this.#choose()
    }
  }

  #query(): Record<string, string> {
    const { userId, version } = this.connection
    const own: Record<string, string> = version === 'v2' ? { sessionId: `${userId}-tab` } : {}
    if (!this.#acknowledged) return own
    const { status = 'online' } = this.choices[this.#acknowledged.index] ?? {}
    return { ...own, status, ...(version === 'v2' && { chosenAt: this.#acknowledged.at }) }
  }

  #welcomed(): void {
    this.isBack = true
    this.#waiting.clear()
    if (!this.#isKnown) {
      this.#isKnown = true
      for (const checker of this.#context.checkers)
        checker.present(this.connection.userId, this.#context.awake())
    }
    // A text is never part of the URL, so it is sent in the first message.
    if (this.connection.version === 'v2' && this.#acknowledged)
      this.#setStatus(this.#acknowledged.index, 'again')
  }

  #choose(): void {
    const { version } = this.connection
    const status =
      version === 'v1' ? 'online' : (STATUSES[Math.floor(this.#random() * STATUSES.length)] ?? 'online')
    const index = this.choices.push({ status }) - 1
    this.connection.send({ type: 'identify', username: `name-${index}` })
    this.#waiting.set(version === 'v1' ? 'v1' : String(index), index)
    this.#setStatus(index, String(index))
  }

  #setStatus(index: number, id: string): void {
    const { status } = this.choices[index] ?? {}
    this.connection.send({
      type: 'set_status',
      status,
      ...(this.connection.version === 'v2' && { text: `text-${index}`, id }),
    })
  }

  #take({ type, id, timestamp }: Message): void {
    if (type !== 'status_updated') return
    const key = this.connection.version === 'v1' ? 'v1' : String(id)
    const index = this.#waiting.get(key)
    if (index === undefined) return
    this.#waiting.delete(key)
    const choice = this.choices[index]
    if (choice) choice.acknowledgedAt = performance.now()
    this.#acknowledged = { index, at: timestamp }
  }
}

/**
 * A user who chose to appear offline, and loses the connection from time to time for longer than the grace.
 */
export class HiddenUser {
  readonly connection: ClientConnection
  readonly #context: RunContext
  readonly #random: () => number
  readonly #repeats: boolean
  #at: string | undefined
  /** When others could see the user: from the first connection until the choice. */
  #seen: { from: number; to: number } | undefined

  /** @param repeats whether the URL repeats the choice; otherwise the server must remember it */
  constructor(
    context: RunContext,
    userId: string,
    version: Version,
    { repeats, random }: { repeats: boolean; random: () => number },
  ) {
    this.#context = context
    this.#random = random
    this.#repeats = repeats
    this.connection = new ClientConnection({
      url: context.url,
      version,
      userId,
      random,
      query: () =>
        repeats ? { status: 'offline', ...(version === 'v2' && this.#at && { chosenAt: this.#at }) } : {},
      onWelcome: () => {
        if (this.#at !== undefined) return
        this.#seen ??= { from: context.now(), to: context.now() }
        this.connection.send({ type: 'set_status', status: 'offline' })
      },
      onMessage: ({ type, timestamp }) => {
        if (type !== 'status_updated' || this.#at !== undefined) return
        this.#at = timestamp
        if (this.#seen) this.#seen.to = context.now()
        for (const checker of context.checkers) checker.hidden(userId, context.awake())
      },
    })
  }

  /** When the user was last seen; `undefined` before the choice. A user whose URL has the choice is never seen. */
  get seen(): Seen | undefined {
    if (this.#at === undefined) return undefined
    return this.#repeats ? null : this.#seen
  }

  async live(): Promise<void> {
    this.connection.open()
    while (!this.#context.isOver()) {
      await sleep(pick(this.#random, [10_000, 25_000]))
      if (this.#at !== undefined && !this.#context.isOver())
        this.connection.lose(pick(this.#random, [6_000, 8_000]))
    }
  }
}

/** Returns a number of a range. */
export function pick(random: () => number, [from, to]: readonly [number, number]): number {
  return from + random() * (to - from)
}
