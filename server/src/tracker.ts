import type { ClientMessage, ListedUser, ServerMessage } from '@who-is-online/protocol/catalogue'
import type { Refusal } from '@who-is-online/protocol/decode'
import { encode, formatTime } from '@who-is-online/protocol/encode'
import type { Status, UserId } from '@who-is-online/protocol/words'
import type { Clock } from './clock.ts'
import type { Feed } from './feed.ts'
import type { Outcome } from './presence/change.ts'
import type { Presence, SeenUser } from './presence/presence.ts'
import type { Store } from './storage/store.ts'

/** An answer that many ask for: built after they asked, once for all who ask within a window. */
export interface SharedAnswer {
  build(): string
}

/** Whoever is connected, as the tracker sees them. */
export interface Client {
  readonly userId: UserId
  readonly sessionId: string
  reply(message: ServerMessage): void
  replyShared(answer: SharedAnswer): void
}

export interface TrackerPorts {
  readonly presence: Presence
  readonly feed: Feed
  readonly store: Store
  readonly clock: Clock
  /** The most users an `all_users` lists. */
  readonly allUsersLimit: number
}

/** How many users one step looks at: about a millisecond of work. */
const USERS_PER_STEP = 500

/** What a process crash may cost in `lastSeen` of those online; see `Store.alive`. */
const ALIVE_EVERY_MS = 4_000

/** Answers clients, and hands every change on: to the feed, which tells the watchers, and to the store. */
export class Tracker {
  readonly #ports: TrackerPorts
  readonly #allUsers: SharedAnswer = { build: () => this.#buildAllUsers() }
  #aliveAt = 0
  #stopped = false

  constructor(ports: TrackerPorts) {
    this.#ports = ports
  }

  /** A client is here. Everybody but the client hears of it, if it is news. */
  arrive({ userId, sessionId }: Client, username: string | undefined): void {
    if (this.#stopped) return
    const { presence, clock } = this.#ports
    this.#publish(presence.open(userId, sessionId, clock.now()))
    if (username !== undefined) this.#publish(presence.identify(userId, username))
  }

  /** A client said goodbye; `heardAt` is when. */
  leave({ userId, sessionId }: Client, heardAt: number): void {
    if (this.#stopped) return
    const { presence, clock } = this.#ports
    presence.heard(userId, heardAt)
    this.#publish(presence.leave(userId, sessionId, clock.now()))
  }

  /** A client was lost; the last sign of life came at `heardAt`. */
  lose({ userId, sessionId }: Client, heardAt: number): void {
    if (this.#stopped) return
    const { presence, clock } = this.#ports
    presence.heard(userId, heardAt)
    this.#publish(presence.lose(userId, sessionId, clock.now()))
  }

  /** A client gave a sign of life at `at`. */
  heard({ userId }: Client, at: number): void {
    this.#ports.presence.heard(userId, at)
  }

  /** A client said something. Answers at once. */
  receive(client: Client, message: ClientMessage | Refusal): void {
    if (this.#stopped) return
    switch (message.type) {
      case 'get_online_count':
        return this.#onlineCount(client)
      case 'check_user_status':
        return this.#userStatus(client, message.targetUserId)
      case 'get_all_users':
        return client.replyShared(this.#allUsers)
      case 'set_status':
        return this.#setStatus(client, message.status)
      case 'identify':
        return this.#identify(client, message.username)
      case 'refusal':
        return this.refuse(client, message.code, message.text)
    }
  }

  /** Tells a client that something it sent was not taken, and why. */
  refuse(client: Client, code: string, text: string): void {
    client.reply({ type: 'error', message: `${code}: ${text}`, timestamp: this.#timestamp() })
  }

  /**
   * Time passes. Returns whether there is more to do at once: a million users who are due are not handled in
   * one step.
   */
  advance(now: number): boolean {
    if (this.#stopped) return false
    const { presence, store } = this.#ports
    this.#publish(presence.advance(now, USERS_PER_STEP))
    this.#publish(presence.forgetStale(now, USERS_PER_STEP))
    if (presence.onlineCount > 0 && now - this.#aliveAt >= ALIVE_EVERY_MS) {
      store.alive(now)
      this.#aliveAt = now
    }
    return presence.nextDeadline <= now
  }

  /** This process stood still for `ms`; nobody loses anything by it. */
  paused(ms: number): void {
    this.#ports.presence.paused(ms)
  }

  /** From now on nothing happens any more: what is saved next is how this process leaves the world. */
  stop(): void {
    this.#stopped = true
  }

  #onlineCount(client: Client): void {
    const count = this.#ports.presence.onlineCount
    client.reply({ type: 'online_count', count, timestamp: this.#timestamp() })
  }

  #userStatus(client: Client, targetUserId: UserId): void {
    const { userId, status, lastSeen } = this.#ports.presence.see(targetUserId)
    client.reply({
      type: 'user_status',
      userId,
      online: status !== 'offline',
      lastSeen: lastSeen === null ? null : formatTime(lastSeen),
    })
  }

  #setStatus(client: Client, status: Status): void {
    const now = this.#ports.clock.now()
    client.reply({ type: 'status_updated', status, timestamp: formatTime(now) })
    this.#publish(this.#ports.presence.setStatus(client.userId, status, now))
  }

  #identify(client: Client, username: string): void {
    this.#publish(this.#ports.presence.identify(client.userId, username))
  }

  #buildAllUsers(): string {
    const users = Array.from(this.#ports.presence.list(this.#ports.allUsersLimit), asListed)
    return encode({ type: 'all_users', users, timestamp: this.#timestamp() })
  }

  /** The one door out: what changed goes to the store and to everybody who watches. */
  #publish({ changes, touched }: Outcome): void {
    const { presence, store, feed } = this.#ports
    for (const userId of touched) {
      const record = presence.record(userId)
      if (record) store.note(record)
      else store.forget(userId)
    }
    feed.publish(changes)
  }

  #timestamp(): string {
    return formatTime(this.#ports.clock.now())
  }
}

function asListed({ userId, status, lastSeen, username }: SeenUser): ListedUser {
  const listed = { userId, status, lastSeen: formatTime(lastSeen ?? 0) }
  return username === undefined ? listed : { ...listed, username }
}
