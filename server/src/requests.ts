import type { ClientMessage, ProtocolVersion, ServerMessage, User } from '@who-is-online/protocol/catalogue'
import type { Refusal } from '@who-is-online/protocol/decode'
import { encode, formatTime } from '@who-is-online/protocol/encode'
import { basic, type UserId } from '@who-is-online/protocol/words'
import type { ChangeFeed } from './changes/feed.ts'
import type { OwnChoice } from './presence/change.ts'
import { type Choice, isPlain } from './presence/choice.ts'
import { cursorOf, placeOf } from './presence/page-cursor.ts'
import type { Presence } from './presence/presence.ts'
import type { SeenUser } from './presence/view.ts'
import {
  NO_REPLY,
  type Refused,
  type Reply,
  type Request,
  type RequestId,
  type SharedAnswer,
} from './reply.ts'
import type { Clock } from './time/clock.ts'
import type { Tracker } from './tracker.ts'
import { userList } from './user-json.ts'

/** The connection that asks, as far as an answer depends on it. */
export interface Asker {
  readonly version: ProtocolVersion
  readonly userId: UserId
  readonly sessionId: string
}

/** Requests about what one connection may do and is told, which only that connection can answer. */
type OwnRequest = Request<'subscribe'> | Request<'unsubscribe'> | Request<'client_state'> | Request<'refresh'>

/** A request that is answered from the state of the server. */
export type StateRequest = Exclude<ClientMessage, OwnRequest>

export interface RequestPorts {
  /** Queries read from here. */
  readonly presence: Pick<
    Presence,
    'choiceTime' | 'onlineCount' | 'see' | 'list' | 'page' | 'choice' | 'chosenAt'
  >
  /** Commands go here. */
  readonly tracker: Pick<Tracker, 'setStatus' | 'identify' | 'setActivity' | 'isStopped'>
  readonly feed: Pick<ChangeFeed, 'epoch' | 'seq'>
  readonly clock: Pick<Clock, 'now'>
  /** The most users an `all_users` lists. */
  readonly allUsersLimit: number
}

/** How many users `list_users` answers with where the request does not say. */
const LIST_LIMIT = 100

/**
 * Answers requests: maps a decoded request to a reply. Needs no socket. A query reads from `presence`; a
 * command goes to the `tracker` first and is confirmed after that.
 */
export class Requests {
  readonly #ports: RequestPorts
  readonly #allUsers: Readonly<Record<ProtocolVersion, SharedAnswer>> = {
    v1: { build: () => this.#buildListV1() },
    v2: { build: () => this.#buildListV2() },
  }

  constructor(ports: RequestPorts) {
    this.#ports = ports
  }

  /**
   * The reply to one request. What could not be decoded is refused with the reason that `decode` gave. A
   * server that stops answers nothing more: the client asks again when it is back, and nothing is confirmed
   * that is not saved.
   */
  handle(asker: Asker, request: StateRequest | Refusal): Reply {
    if (this.#ports.tracker.isStopped) return NO_REPLY
    switch (request.type) {
      case 'get_online_count':
        return this.#onlineCount(request)
      case 'check_user_status':
        return this.#userStatus(request)
      case 'get_all_users':
        return { kind: 'shared', answer: this.#allUsers[asker.version], id: request.id }
      case 'set_status':
        return this.#setStatus(asker, request)
      case 'identify':
        return this.#identify(asker, request)
      case 'set_activity':
        return this.#setActivity(asker, request)
      case 'get_users':
        return this.#users(request)
      case 'list_users':
        return this.#listUsers(request)
      case 'ping':
        return message({ type: 'pong', id: request.id })
      case 'refusal':
        return { kind: 'refused', refused: request }
      default:
        // A request without a case is a compile error that names it.
        return request satisfies never
    }
  }

  /** The `error` message that says why something was refused. */
  errorOf({ code, text, id, retryAfterMs, ended }: Refused): ServerMessage {
    const timestamp = this.#timestamp()
    return { type: 'error', message: `${code}: ${text}`, timestamp, code, retryAfterMs, ended, id }
  }

  /**
   * The message that tells users what they have chosen: the truth, which is only for their own connections.
   */
  choiceOf(userId: UserId): ServerMessage {
    const { presence } = this.#ports
    return this.announcementOf({ choice: presence.choice(userId), madeAt: presence.chosenAt(userId) })
  }

  /** The same message for a choice that was made just now on another connection, or has ended. */
  announcementOf({ choice, madeAt }: Pick<OwnChoice, 'choice' | 'madeAt'>): ServerMessage {
    return confirmation(choice, madeAt ?? this.#ports.clock.now(), undefined)
  }

  /** The same, unless the choice is a plain `online`, which is what a client expects. */
  reminderOf(userId: UserId): ServerMessage | undefined {
    return isPlain(this.#ports.presence.choice(userId)) ? undefined : this.choiceOf(userId)
  }

  #onlineCount({ id }: Request<'get_online_count'>): Reply {
    const count = this.#ports.presence.onlineCount
    return message({ type: 'online_count', count, timestamp: this.#timestamp(), id })
  }

  #userStatus({ targetUserId, id }: Request<'check_user_status'>): Reply {
    const { userId, status, lastSeen } = this.#ports.presence.see(targetUserId)
    return message({
      type: 'user_status',
      userId,
      online: status !== 'offline',
      lastSeen: lastSeen === null ? null : formatTime(lastSeen),
      id,
    })
  }

  #setStatus({ userId, sessionId }: Asker, request: Request<'set_status'>): Reply {
    const { status, text, expiresAt, id } = request
    const { tracker, presence, clock } = this.#ports
    const until = expiresAt === undefined ? undefined : Date.parse(expiresAt)
    if (until !== undefined && until <= presence.choiceTime(clock.now())) {
      return refused({ code: 'bad_message', text: '"expiresAt" must be in the future', id })
    }
    const choice = { status, text: text || undefined, expiresAt: until }
    const { madeAt, placed } = tracker.setStatus({ userId, sessionId }, choice)
    const confirmed = confirmation(choice, madeAt, id)
    // A user who is told to be hidden must be hidden on every node.
    if (status === 'offline' && placed !== undefined) return { kind: 'placed', placed, message: confirmed }
    return message(confirmed)
  }

  #identify({ userId, version }: Asker, { username, id }: Request<'identify'>): Reply {
    this.#ports.tracker.identify(userId, username)
    return version === 'v1' ? NO_REPLY : message({ type: 'ack', id })
  }

  #setActivity(asker: Asker, { state, forMs, id }: Request<'set_activity'>): Reply {
    this.#ports.tracker.setActivity(asker, state, forMs ?? undefined)
    return message({ type: 'ack', id })
  }

  #users({ userIds, id }: Request<'get_users'>): Reply {
    const { presence, feed } = this.#ports
    const users = userList(userIds.map(userId => presence.see(userId)))
    return message({ type: 'users', users, seq: feed.seq, id })
  }

  #listUsers({ status, limit, cursor, id }: Request<'list_users'>): Reply {
    const { presence, feed } = this.#ports
    const from = cursor === undefined ? undefined : placeOf(cursor)
    if (cursor !== undefined && !from) {
      return refused({ code: 'bad_cursor', text: 'unknown "cursor": start again without one', id })
    }
    const { users, next } = presence.page(from, limit ?? LIST_LIMIT, status)
    return message({
      type: 'users',
      users: userList(users),
      seq: feed.seq,
      cursor: next && cursorOf(next),
      id,
    })
  }

  #buildListV1(): string {
    const users = Array.from(this.#ports.presence.list(this.#ports.allUsersLimit), asListedV1)
    return encode({ type: 'all_users', users, timestamp: this.#timestamp() }, 'v1')
  }

  #buildListV2(): string {
    const users = userList(this.#ports.presence.list(this.#ports.allUsersLimit))
    return encode({ type: 'all_users', users, timestamp: this.#timestamp() }, 'v2')
  }

  #timestamp(): string {
    return formatTime(this.#ports.clock.now())
  }
}

function message(message: ServerMessage): Reply {
  return { kind: 'message', message }
}

function refused(refused: Refused): Reply {
  return { kind: 'refused', refused }
}

/** Says what was chosen, and when: a client that repeats the choice later says how old it is. */
function confirmation({ status, text, expiresAt }: Choice, madeAt: number, id: RequestId): ServerMessage {
  return {
    type: 'status_updated',
    status,
    timestamp: formatTime(madeAt),
    text,
    expiresAt: expiresAt === undefined ? undefined : formatTime(expiresAt),
    id,
  }
}

/** A user in the words of v1. */
function asListedV1({ userId, status, lastSeen, username }: SeenUser): User {
  return { userId, status: basic(status), lastSeen: formatTime(lastSeen ?? 0), username }
}
