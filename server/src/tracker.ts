import type { ClientMessage, Dialect, ServerMessage, User } from '@who-is-online/protocol/catalogue'
import type { Refusal } from '@who-is-online/protocol/decode'
import { encode, formatTime } from '@who-is-online/protocol/encode'
import { basic, type UserId } from '@who-is-online/protocol/words'
import type { Feed } from './feed.ts'
import type { Outcome } from './presence/change.ts'
import { type Choice, isPlain } from './presence/choice.ts'
import type { Arrival, Presence, SeenUser } from './presence/presence.ts'
import type { Store } from './storage/store.ts'
import type { Clock } from './time/clock.ts'
import { userList } from './user-item.ts'

/** An answer that many ask for: built after they asked, once for all who ask within a window. */
export interface SharedAnswer {
  build(): string
}

/** What a client wants its reply to be known by. */
export type RequestId = string | number | undefined

type Request<Type extends ClientMessage['type']> = Extract<ClientMessage, { type: Type }>

/** Whoever is connected, as the tracker sees them. */
export interface Client {
  readonly dialect: Dialect
  readonly userId: UserId
  readonly sessionId: string
  /** Whether the client itself named the session, and will name it again when it comes back. */
  readonly isNamed: boolean
  reply(message: ServerMessage): void
  replyShared(answer: SharedAnswer, id: RequestId): void
  /** Answers with what is so now, and tells from then on what changes. */
  subscribe(message: Request<'subscribe'>): void
  unsubscribe(message: Request<'unsubscribe'>): void
  /** Whether the client wants to be told of changes at once, or of what is so when it looks again. */
  activate(isActive: boolean): void
}

/** Why something that a client sent was not taken. */
export interface Refused {
  readonly code: ErrorCode
  /** For the developer who reads it. */
  readonly text: string
  readonly id?: RequestId
  readonly retryAfterMs?: number
}

export type ErrorCode = NonNullable<Extract<ServerMessage, { type: 'error' }>['code']>

export interface TrackerPorts {
  readonly presence: Presence
  readonly feed: Feed
  readonly store: Store
  readonly clock: Clock
  /** The user who only looks, and is never here; undefined where there is none. */
  readonly spectator: UserId | undefined
  /** The most users an `all_users` lists. */
  readonly allUsersLimit: number
  /** Called with the number of users who were forgotten, once for many. */
  readonly forgot: (users: number) => void
}

/** How many users `list_users` answers with where the request does not say. */
const LIST_LIMIT = 100

/** How many users one step looks at: about a millisecond of work. */
const USERS_PER_STEP = 500

/** What a process crash may cost in `lastSeen` of those online; see `Store.alive`. */
const ALIVE_EVERY_MS = 4_000

/** For how long users who are forgotten are counted before their number is said. */
const FORGOT_COUNT_MS = 5_000

/** Answers clients, and hands every change on: to the feed, which tells the watchers, and to the store. */
export class Tracker {
  readonly #ports: TrackerPorts
  readonly #allUsers: Readonly<Record<Dialect, SharedAnswer>> = {
    v1: { build: () => this.#buildListV1() },
    v2: { build: () => this.#buildListV2() },
  }
  /** In awake time. */
  #aliveAt = Number.NEGATIVE_INFINITY
  /** How many users were forgotten of whom that was not said yet, and since when (awake). */
  #forgotten = 0
  #forgottenSince = 0
  #stopped = false

  constructor(ports: TrackerPorts) {
    this.#ports = ports
  }

  /** A client has connected, perhaps with a name and a choice. All subscribers but the client itself are told, if anything changed. */
  arrive({ userId, sessionId, isNamed }: Client, arrival: Arrival): void {
    if (this.#stopped || this.#onlyLooks(userId)) return
    const { presence, clock } = this.#ports
    const session = { id: sessionId, named: isNamed }
    this.#publish(presence.open(userId, session, clock.now(), arrival), sessionId)
  }

  /** Tells a client what its user has chosen, unless that is a plain `online`. */
  remind(client: Client): void {
    if (!isPlain(this.#ports.presence.choice(client.userId))) this.tellChoice(client)
  }

  /** Tells a client what its user has chosen: the truth, which is only for the user's own connections. */
  tellChoice(client: Client): void {
    const { presence, clock } = this.#ports
    const { userId } = client
    this.#confirm(client, presence.choice(userId), presence.chosenAt(userId) ?? clock.now(), undefined)
  }

  /** Tells a client of a choice, and when it was made: a client that says it again later says also how old it is. */
  #confirm(client: Client, { status, text, expiresAt }: Choice, madeAt: number, id: RequestId): void {
    client.reply({
      type: 'status_updated',
      status,
      timestamp: formatTime(madeAt),
      text,
      expiresAt: expiresAt === undefined ? undefined : formatTime(expiresAt),
      id,
    })
  }

  /** A client closed its connection on purpose, which is its last sign of life. */
  leave({ userId, sessionId }: Client): void {
    if (this.#stopped || this.#onlyLooks(userId)) return
    const { presence, clock } = this.#ports
    const now = clock.now()
    presence.heard(userId, now)
    this.#publish(presence.leave(userId, sessionId, now))
  }

  /** The connection to a client was lost. */
  lose({ userId, sessionId }: Client): void {
    if (this.#stopped || this.#onlyLooks(userId)) return
    const { presence, clock } = this.#ports
    this.#publish(presence.lose(userId, sessionId, clock.now()))
  }

  /** A client gave a sign of life, just now. */
  heard({ userId }: Client): void {
    const { presence, clock } = this.#ports
    presence.heard(userId, clock.now())
  }

  /** A client said something. Answers at once. */
  receive(client: Client, message: ClientMessage | Refusal): void {
    if (this.#stopped) return
    switch (message.type) {
      case 'get_online_count':
        return this.#onlineCount(client, message)
      case 'check_user_status':
        return this.#userStatus(client, message)
      case 'get_all_users':
        return client.replyShared(this.#allUsers[client.dialect], message.id)
      case 'set_status':
        return this.#setStatus(client, message)
      case 'identify':
        return this.#identify(client, message)
      case 'set_activity':
        return this.#setActivity(client, message)
      case 'subscribe':
        return client.subscribe(message)
      case 'unsubscribe':
        return client.unsubscribe(message)
      case 'get_users':
        return this.#users(client, message)
      case 'list_users':
        return this.#listUsers(client, message)
      case 'client_state':
        return this.#clientState(client, message)
      case 'ping':
        return client.reply({ type: 'pong', id: message.id })
      case 'refusal':
        return this.refuse(client, message)
    }
  }

  /** Tells a client that something it sent was not taken, and why. */
  refuse(client: Client, { code, text, id, retryAfterMs }: Refused): void {
    const message = `${code}: ${text}`
    client.reply({ type: 'error', message, timestamp: this.#timestamp(), code, retryAfterMs, id })
  }

  /**
   * Time passes. Returns whether there is more to do at once: a million users who are due are not handled in
   * one step.
   */
  advance(now: number, awake: number): boolean {
    if (this.#stopped) return false
    const { presence, store } = this.#ports
    this.#publish(presence.advance(now, USERS_PER_STEP))
    const forgotten = presence.forgetStale(now, USERS_PER_STEP)
    this.#publish(forgotten)
    this.#sayForgotten(forgotten.touched.length, awake)
    if (presence.onlineCount > 0 && awake - this.#aliveAt >= ALIVE_EVERY_MS) {
      store.alive(now, presence.knownTime(now))
      this.#aliveAt = awake
    }
    return presence.nextDeadline <= now
  }

  /** The wall clock was set by `ms` and says `now`; see `Presence.jumped`. */
  jumped(ms: number, now: number): void {
    this.#publish(this.#ports.presence.jumped(ms, now))
  }

  /** The server has listened for the first time, after `ms` in which nobody could come back. */
  listens(afterMs: number): void {
    this.#ports.presence.delayed(afterMs)
  }

  /** This process was suspended for `ms`; see `Presence.suspended`. */
  suspended(ms: number, now: number): void {
    this.#ports.presence.suspended(ms, now)
  }

  /** From now on nothing happens any more: what is saved next is how this process leaves the world. */
  stop(): void {
    this.#stopped = true
  }

  #onlyLooks(userId: UserId): boolean {
    return userId === this.#ports.spectator
  }

  #onlineCount(client: Client, { id }: Request<'get_online_count'>): void {
    const count = this.#ports.presence.onlineCount
    client.reply({ type: 'online_count', count, timestamp: this.#timestamp(), id })
  }

  #userStatus(client: Client, { targetUserId, id }: Request<'check_user_status'>): void {
    const { userId, status, lastSeen } = this.#ports.presence.see(targetUserId)
    client.reply({
      type: 'user_status',
      userId,
      online: status !== 'offline',
      lastSeen: lastSeen === null ? null : formatTime(lastSeen),
      id,
    })
  }

  #setStatus(client: Client, { status, text, expiresAt, id }: Request<'set_status'>): void {
    if (this.#onlyLooks(client.userId)) {
      return this.refuse(client, { code: 'not_allowed', text: 'who only looks has no status', id })
    }
    const { presence, clock } = this.#ports
    const now = clock.now()
    const until = expiresAt === undefined ? undefined : Date.parse(expiresAt)
    if (until !== undefined && until <= now) {
      return this.refuse(client, { code: 'bad_message', text: '"expiresAt" must be in the future', id })
    }
    const choice = { status, text: text || undefined, expiresAt: until }
    const outcome = presence.setStatus(client.userId, choice, now)
    this.#confirm(client, choice, presence.chosenAt(client.userId) ?? now, id)
    this.#publish(outcome, client.sessionId)
  }

  #identify(client: Client, { username, id }: Request<'identify'>): void {
    if (client.dialect === 'v2') client.reply({ type: 'ack', id })
    this.#publish(this.#ports.presence.identify(client.userId, username, this.#ports.clock.now()))
  }

  #setActivity(client: Client, { state, id }: Request<'set_activity'>): void {
    const { presence, clock } = this.#ports
    client.reply({ type: 'ack', id })
    this.#publish(presence.setActivity(client.userId, client.sessionId, state, clock.now()))
  }

  #users(client: Client, { userIds, id }: Request<'get_users'>): void {
    const { presence, feed } = this.#ports
    const users = userList(userIds.map(userId => presence.see(userId)))
    client.reply({ type: 'users', users, seq: feed.seq, id })
  }

  #listUsers(client: Client, { status, limit, cursor, id }: Request<'list_users'>): void {
    const { presence, feed } = this.#ports
    const after = cursor === undefined ? 0 : this.#placeOf(cursor)
    if (after === undefined) {
      const text = '"cursor" is none that this server gave since its start; begin without one'
      return this.refuse(client, { code: 'bad_cursor', text, id })
    }
    const { users, next } = presence.page(after, limit ?? LIST_LIMIT, status)
    client.reply({
      type: 'users',
      users: userList(users),
      seq: feed.seq,
      cursor: next === undefined ? undefined : `${feed.epoch}.${next.toString(36)}`,
      id,
    })
  }

  /** The place in the list that a cursor of this epoch stands for. */
  #placeOf(cursor: string): number | undefined {
    const [epoch, place = '', ...more] = cursor.split('.')
    if (epoch !== this.#ports.feed.epoch || more.length > 0 || !/^[0-9a-z]{1,10}$/.test(place))
      return undefined
    return Number.parseInt(place, 36)
  }

  #clientState(client: Client, { state, id }: Request<'client_state'>): void {
    const { presence, clock } = this.#ports
    this.#publish(presence.setVisibility(client.userId, client.sessionId, state, clock.now()))
    // First what was missed: a client that has the ack is up to date.
    client.activate(state === 'active')
    client.reply({ type: 'ack', id })
  }

  #sayForgotten(users: number, awake: number): void {
    if (this.#forgotten === 0) this.#forgottenSince = awake
    this.#forgotten += users
    if (this.#forgotten === 0 || awake - this.#forgottenSince < FORGOT_COUNT_MS) return
    this.#ports.forgot(this.#forgotten)
    this.#forgotten = 0
  }

  #buildListV1(): string {
    const users = Array.from(this.#ports.presence.list(this.#ports.allUsersLimit), asListedV1)
    return encode({ type: 'all_users', users, timestamp: this.#timestamp() }, 'v1')
  }

  #buildListV2(): string {
    const users = userList(this.#ports.presence.list(this.#ports.allUsersLimit))
    return encode({ type: 'all_users', users, timestamp: this.#timestamp() }, 'v2')
  }

  /** The one door out: what changed goes to the store and to everybody who watches. */
  #publish({ changes, touched, choices }: Outcome, bySession?: string): void {
    const { presence, store, feed } = this.#ports
    for (const userId of touched) {
      const record = presence.record(userId)
      if (record) store.note(record)
      else store.forget(userId)
    }
    for (const userId of choices) feed.chosen(userId, bySession)
    feed.publish(changes)
  }

  #timestamp(): string {
    return formatTime(this.#ports.clock.now())
  }
}

/** A user in the words of v1. */
function asListedV1({ userId, status, lastSeen, username }: SeenUser): User {
  return { userId, status: basic(status), lastSeen: formatTime(lastSeen ?? 0), username }
}
