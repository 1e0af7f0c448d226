import { sleep } from '@who-is-online/testing/client'
import { DURABLE_MS } from './choices.ts'
import { ClientConnection, type Version } from './client-connection.ts'
import type { Leaving } from './invariants.ts'
import { type Seen, SILENT_MS } from './last-seen.ts'
import { isCut, pick, type RunContext } from './simulated-users.ts'

/** How often a visitor does not come back: the next visit is that of another user. */
const GONE_FOREVER = 0.4

/** How many users who are gone are kept for inspections, of each visitor. */
const KEPT_GONE = 12

/** How often a visitor who is cut off by an outage of the server does not come back. */
const STAYS_AWAY = 0.4

/** A client that connects and leaves repeatedly. Some of its users never come back. */
export class Visitor {
  /** The current connection, or the one that has just ended. */
  connection: ClientConnection | undefined
  readonly #context: RunContext
  readonly #random: () => number
  readonly #name: string
  readonly #version: Version
  #userId: string
  #users = 1
  /** When users were last present who have left. */
  readonly #left = new Map<string, { from: number; to: number; isObserved: boolean }>()
  #closedAt: number | undefined
  /** When the current user was last welcomed, in steady time. */
  #welcomedAt = Number.NEGATIVE_INFINITY
  /** Whether the server may have lost the arrival of the current user. */
  #mayBeLost = false

  constructor(context: RunContext, name: string, version: Version, random: () => number) {
    this.#context = context
    this.#random = random
    this.#name = name
    this.#userId = name
    this.#version = version
  }

  /** When each of the users was last present. */
  get seen(): ReadonlyMap<string, Seen> {
    const now = this.#context.now()
    const seen = new Map<string, Seen>()
    for (const [userId, { from, to, isObserved }] of this.#left)
      seen.set(userId, { from, to: isObserved ? to : now })
    if (this.#mayBeLost) seen.delete(this.#userId)
    else if (this.#closedAt !== undefined && !seen.has(this.#userId))
      seen.set(this.#userId, { from: this.#closedAt - SILENT_MS, to: now })
    return seen
  }

  /** The server ended at `killedAt` (steady time, in ms): an arrival of the moment before may be lost. */
  crashed(killedAt: number): void {
    if (this.#welcomedAt >= killedAt - DURABLE_MS) this.#mayBeLost = true
  }

  async live(): Promise<void> {
    const context = this.#context
    while (!context.isOver()) {
      const connection = this.#connect()
      await this.#until(() => connection.isOpen)
      await sleep(pick(this.#random, [4_000, 12_000]))
      const staysAway = this.#random() < STAYS_AWAY
      // While the server runs, leave an open connection only: otherwise it would notice the leaving later.
      await this.#until(
        () =>
          (context.isRunning() && connection.isOpen) || (staysAway && context.isDown() && !connection.isOpen),
      )
      if (context.isOver()) return
      await this.#leave(connection)
      await sleep(pick(this.#random, [1_000, 3_000]))
      connection.destroy()
      if (context.isOver()) return
      if (this.#random() < GONE_FOREVER) this.#becomeAnother()
      else this.#comeBack()
    }
  }

  async #leave(connection: ClientConnection): Promise<void> {
    const { checkers } = this.#context
    const now = this.#context.now()
    const how = connection.isOpen ? leaving(this.#random()) : 'away'
    const from = (how === 'away' ? (this.#closedAt ?? now) : now) - SILENT_MS
    const left = { from, to: now, isObserved: how === 'away' }
    this.#left.set(this.#userId, left)
    for (const checker of checkers) checker.left(this.#userId, how, this.#context.awake())
    connection.leave(how)
    await this.#until(
      () => checkers[0]?.isOfflineForAll(this.#userId) || checkers[0]?.isSettled(this.#userId),
    )
    // A silent user counts as present until the server notices.
    if (how !== 'away') left.to = this.#context.now()
    left.isObserved = true
  }

  #becomeAnother(): void {
    if (this.#mayBeLost) this.#left.delete(this.#userId)
    this.#mayBeLost = false
    this.#closedAt = undefined
    this.#userId = `${this.#name}-${++this.#users}`
    for (const userId of [...this.#left.keys()].slice(0, -KEPT_GONE)) this.#left.delete(userId)
  }

  #comeBack(): void {
    this.#left.delete(this.#userId)
    for (const checker of this.#context.checkers) checker.returning(this.#userId)
  }

  #connect(): ClientConnection {
    const context = this.#context
    const userId = this.#userId
    let isKnown = false
    const connection = new ClientConnection({
      url: context.url,
      version: this.#version,
      userId,
      random: this.#random,
      onWelcome: () => {
        this.#closedAt = context.now()
        this.#welcomedAt = performance.now()
        this.#mayBeLost = false
        if (isKnown) return
        isKnown = true
        for (const checker of context.checkers) checker.present(userId, context.awake())
      },
      onClose: code => {
        this.#closedAt = context.now()
        if (isCut(code)) context.onCut(userId, code)
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
