import { sleep } from '@who-is-online/testing/client'
import type { Choice } from './choices.ts'
import { ClientConnection, type Message, type Version } from './client-connection.ts'
import type { InvariantChecker, Leaving } from './invariants.ts'

/** What the users of a run share. */
export interface RunContext {
  readonly url: string
  /** All checkers of this run; they receive the same facts. */
  readonly checkers: readonly InvariantChecker[]
  /** How long the server has run without being suspended, in ms. */
  awake(): number
  /** Whether the server is running now. */
  isRunning(): boolean
  /**
   * A text that changes whenever the clock of the server is set. It starts with `right` while the clock is
   * right.
   */
  clock(): string
  /** Whether the run is over, so that users must stop. */
  isOver(): boolean
  /** Called when the server closes the connection of a client that behaves correctly. */
  onCut(userId: string, code: number): void
}

/** The time between two choices of a user: twice what the rate limit of visible changes requires. */
const CHOICE_EVERY_MS: [number, number] = [7_000, 11_000]
const STATUSES = ['online', 'busy', 'away']

/** Whether the server has no reason to send this close code to a client that behaves correctly. */
const isCut = (code: number) => (code >= 4400 && code < 4500) || code === 4508

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
        if (isCut(code)) context.onCut(userId, code)
      },
    })
  }

  /** Connects, and sets a status from time to time until the run is over. */
  async live(): Promise<void> {
    this.connection.open()
    while (!this.#context.isOver()) {
      await sleep(pick(this.#random, CHOICE_EVERY_MS))
      if (this.connection.isOpen && this.#waiting.size === 0 && !this.#context.isOver()) this.#choose()
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
  #at: string | undefined

  /** @param repeats whether the URL repeats the choice; otherwise the server must remember it */
  constructor(
    context: RunContext,
    userId: string,
    version: Version,
    { repeats, random }: { repeats: boolean; random: () => number },
  ) {
    this.#context = context
    this.#random = random
    this.connection = new ClientConnection({
      url: context.url,
      version,
      userId,
      random,
      query: () =>
        repeats ? { status: 'offline', ...(version === 'v2' && this.#at && { chosenAt: this.#at }) } : {},
      onWelcome: () => {
        if (this.#at === undefined) this.connection.send({ type: 'set_status', status: 'offline' })
      },
      onMessage: ({ type, timestamp }) => {
        if (type !== 'status_updated' || this.#at !== undefined) return
        this.#at = timestamp
        for (const checker of context.checkers) checker.hidden(userId, context.awake())
      },
    })
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

/** A user who connects and leaves repeatedly. */
export class Visitor {
  readonly #context: RunContext
  readonly #random: () => number
  readonly userId: string
  readonly #version: Version
  /** The current connection, or the one that has just ended. */
  connection: ClientConnection | undefined
  /**
   * When the user left, in ms by the wall clock, if the clock of the server was right; `lastSeen` must match
   * it.
   */
  leftAt: number | undefined

  constructor(context: RunContext, userId: string, version: Version, random: () => number) {
    this.#context = context
    this.#random = random
    this.userId = userId
    this.#version = version
  }

  async live(): Promise<void> {
    const context = this.#context
    const { checkers } = context
    while (!context.isOver()) {
      const connection = this.#connect()
      await this.#until(() => connection.isOpen)
      await sleep(pick(this.#random, [4_000, 12_000]))
      // Leave only while the server runs: otherwise it would notice the leaving later.
      await this.#until(() => connection.isOpen && this.#context.isRunning())
      if (context.isOver()) return
      const how = leaving(this.#random())
      const [leftAt, clock] = [Date.now(), this.#context.clock()]
      this.leftAt = undefined
      for (const checker of checkers) checker.left(this.userId, how, this.#context.awake())
      connection.leave(how)
      await this.#until(
        () => checkers[0]?.isOfflineForAll(this.userId) || checkers[0]?.isSettled(this.userId),
      )
      if (clock.startsWith('right') && clock === this.#context.clock()) this.leftAt = leftAt
      await sleep(pick(this.#random, [1_000, 3_000]))
      connection.destroy()
      if (context.isOver()) return
      this.leftAt = undefined
      for (const checker of checkers) checker.returning(this.userId)
    }
  }

  #connect(): ClientConnection {
    let isKnown = false
    const connection = new ClientConnection({
      url: this.#context.url,
      version: this.#version,
      userId: this.userId,
      random: this.#random,
      onWelcome: () => {
        if (isKnown) return
        isKnown = true
        for (const checker of this.#context.checkers) checker.present(this.userId, this.#context.awake())
      },
      onClose: code => {
        if (isCut(code)) this.#context.onCut(this.userId, code)
      },
    })
    this.connection = connection
    connection.open()
    return connection
  }

  async #until(isSo: () => boolean | undefined): Promise<void> {
    while (!isSo() && !this.#context.isOver()) await sleep(50)
  }
}

function leaving(random: number): Leaving {
  if (random < 0.45) return 'clean'
  return random < 0.8 ? 'reset' : 'silent'
}

function pick(random: () => number, [from, to]: [number, number]): number {
  return from + random() * (to - from)
}
