import { sleep, TestClient } from '@who-is-online/testing/client'
import type { RunningServer } from '@who-is-online/testing/start-server'

/** Where the users are. */
export type LoadedServers = () => readonly Pick<RunningServer, 'url' | 'origin'>[]

const USERS = 60
const STATUSES = ['online', 'busy', 'away', 'offline'] as const
const TEXTS = ['', 'hi', 'at lunch'] as const
const NAMES = ['Ann', 'Bob', 'Eve'] as const

/** Users who come, choose and go, at random, as clients and as leased sessions. */
export class Load {
  readonly #servers: LoadedServers
  readonly #random: () => number
  readonly #clients = new Map<string, TestClient>()
  readonly #opening = new Set<string>()

  constructor(servers: LoadedServers, random: () => number) {
    this.#servers = servers
    this.#random = random
  }

  /** @param perSecond how many acts */
  async run(ms: number, perSecond: number): Promise<void> {
    const begun = Date.now()
    for (let done = 0; Date.now() - begun < ms; await sleep(5)) {
      for (; done < ((Date.now() - begun) * perSecond) / 1_000; done++) this.#act()
    }
  }

  /** Ends all connections without a close, as a server that is gone. */
  drop(): void {
    for (const client of this.#clients.values()) client.socket.terminate()
    this.#clients.clear()
  }

  #act(): void {
    const userId = `u${this.#pick(USERS)}`
    const client = this.#clients.get(userId)
    if (!client) return this.#open(userId)
    client.texts.length = 0
    const kind = this.#random()
    if (client.socket.readyState !== client.socket.OPEN) this.#clients.delete(userId)
    else if (kind < 0.55) this.#choose(client)
    else if (kind < 0.7) client.send({ type: 'identify', username: this.#of(NAMES) })
    else if (kind < 0.8) void client.leave().catch(() => {})
    else if (kind < 0.9) client.socket.terminate()
    else this.#lease(userId)
  }

  #choose(client: TestClient): void {
    const forMs = 100 + this.#pick(2_000)
    const until = this.#random() < 0.2 ? { expiresAt: new Date(Date.now() + forMs).toISOString() } : {}
    const text = this.#of(TEXTS)
    client.send({ type: 'set_status', status: this.#of(STATUSES), ...(text && { text }), ...until })
  }

  #open(userId: string): void {
    if (this.#opening.has(userId)) return
    this.#opening.add(userId)
    TestClient.v2(this.#server(), userId)
      .then(client => this.#clients.set(userId, client))
      .catch(() => {})
      .finally(() => this.#opening.delete(userId))
  }

  #lease(userId: string): void {
    const path = `/api/v1/users/${userId}/sessions/bot`
    const body = JSON.stringify({ ttlMs: 2_000 })
    fetch(this.#server().origin + path, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body,
    }).catch(() => {})
  }

  #server() {
    return this.#of(this.#servers())
  }

  #pick(count: number): number {
    return Math.floor(this.#random() * count)
  }

  #of<Item>(items: readonly Item[]): Item {
    return items[this.#pick(items.length)] as Item
  }
}
