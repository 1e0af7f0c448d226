import { sleep } from '@who-is-online/testing/client'
import { seeded } from '@who-is-online/testing/random'
import type { ClientConnection, Version } from './client-connection.ts'
import { SLEEP_AWAY_MS } from './fault.ts'
import type { Seen } from './last-seen.ts'
import { type ObserverEvents, observe } from './observer.ts'
import { HiddenUser, pick, type RunContext, SteadyUser } from './simulated-users.ts'
import { Visitor } from './visitor.ts'

/** The numbers of clients of each kind and protocol version, 100 in all. */
const STEADY = 25
const OBSERVERS = 5
const HIDDEN = 5
const VISITORS = 15

/** The first seed of the clients, far from those of the schedule. */
const FIRST_CLIENT_SEED = 100_000

const CONNECTED_WITHIN_MS = 60_000

/** All clients of a run. */
export class Population {
  readonly steady: SteadyUser[] = []
  readonly observers: ClientConnection[] = []
  readonly hidden: HiddenUser[] = []
  readonly visitors: Visitor[] = []
  readonly #context: RunContext
  readonly #events: ObserverEvents
  readonly #random: () => number

  constructor(context: RunContext, events: ObserverEvents, seed: number) {
    this.#context = context
    this.#events = events
    let index = 0
    const random = () => seeded(seed + FIRST_CLIENT_SEED + index++)
    for (const version of ['v1', 'v2'] as const) {
      const id = (kind: string, n: number) => `${kind}-${version}-${n}`
      for (let n = 0; n < STEADY; n++)
        this.steady.push(new SteadyUser(context, id('steady', n), version, random()))
      for (let n = 0; n < OBSERVERS; n++)
        this.observers.push(this.#observer(id('observer', n), version, random()))
      for (let n = 0; n < HIDDEN; n++) {
        this.hidden.push(
          new HiddenUser(context, id('hidden', n), version, { repeats: n % 2 === 0, random: random() }),
        )
      }
      for (let n = 0; n < VISITORS; n++)
        this.visitors.push(new Visitor(context, id('visitor', n), version, random()))
    }
    this.#random = random()
  }

  /** Connects all clients. Resolves after the end of the run, when the users have stopped. */
  async live(): Promise<void> {
    const lives = [...this.steady, ...this.hidden, ...this.visitors].map(user => user.live())
    for (const observer of this.observers) observer.open()
    await Promise.all(lives)
  }

  /** Waits until all clients that stay are connected. Returns the users who are not connected in time. */
  async allOpen(): Promise<string[]> {
    const connections = [
      ...this.steady.map(({ connection }) => connection),
      ...this.hidden.map(({ connection }) => connection),
      ...this.observers,
    ]
    for (const until = performance.now() + CONNECTED_WITHIN_MS; performance.now() < until; ) {
      if (connections.every(({ isOpen }) => isOpen)) return []
      await sleep(100)
    }
    return connections.filter(({ isOpen }) => !isOpen).map(({ userId }) => userId)
  }

  /** Cuts all connections. The clients come back after some seconds, as after a sleep of the server. */
  cut(): void {
    const connections = [
      ...[...this.steady, ...this.hidden, ...this.visitors].map(({ connection }) => connection),
      ...this.observers,
    ]
    for (const connection of connections) connection?.cut(pick(this.#random, SLEEP_AWAY_MS))
  }

  /** The users whom an inspection queries. */
  userIds(): string[] {
    return [
      ...this.steady.map(({ connection }) => connection.userId),
      ...this.hidden.map(({ connection }) => connection.userId),
      ...this.visitors.flatMap(({ seen }) => [...seen.keys()]),
      ...this.observers.map(({ userId }) => userId),
    ]
  }

  /** When each user was last present, as far as it is known. */
  seen(): ReadonlyMap<string, Seen> {
    const all = new Map<string, Seen>()
    for (const { connection, seen } of [...this.steady, ...this.hidden])
      if (seen !== undefined) all.set(connection.userId, seen)
    for (const visitor of this.visitors) for (const [userId, seen] of visitor.seen) all.set(userId, seen)
    return all
  }

  destroy(): void {
    for (const { connection } of [...this.steady, ...this.hidden]) connection.destroy()
    for (const { connection } of this.visitors) connection?.destroy()
    for (const observer of this.observers) observer.destroy()
  }

  #observer(userId: string, version: Version, random: () => number): ClientConnection {
    let isKnown = false
    return observe({ url: this.#context.url, version, userId }, random, this.#events, () => {
      if (isKnown) return
      isKnown = true
      for (const checker of this.#context.checkers) checker.present(userId, this.#context.awake())
    })
  }
}
