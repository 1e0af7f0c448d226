import { PresenceError } from './errors.ts'
import { chunk } from './ids.ts'
import { callListener } from './listeners.ts'
import type { Platform } from './platform.ts'
import type {
  EndedSubscriptions,
  ErrorMessage,
  Position,
  PresenceDiff,
  PresenceState,
  Welcome,
} from './protocol.ts'
import { timer } from './timer.ts'
import { type Freshness, type PresenceUser, userView } from './user-view.ts'
import type { Message, Reply, Request } from './wire.ts'

/**
 * What a subscription is for: a user, by id, or one of the two constants, which are the selectors of the
 * messages.
 */
export type Topic = string | typeof ALL_USERS | typeof ONLINE_COUNT

export const ALL_USERS = { all: true } as const
/** Without a position: the server always sends the whole number. */
export const ONLINE_COUNT = { count: true, since: undefined } as const

/**
 * Shortest time between two rounds of subscriptions, in ms: a list that scrolls stays below the server's
 * message rate.
 */
export const FLUSH_MS = 200

/**
 * Added to `retryAfterMs` after a `too_fast`, in ms. The server forgives after a pause of one second, and closes a
 * connection that it must refuse again and again without such a pause.
 */
export const TOO_FAST_RETRY_MS = 1_100

/** One subscription of this client, shared by all subscribers in the application. */
interface Subscription {
  readonly topic: Topic
  /** One function for each subscriber, called when the user has changed. */
  readonly subscribers: Set<() => void>
  /**
   * The position from which the subscription is resumed. While the subscription is up to date this is the
   * current position, the same object, so that both move on together. Undefined before the first state.
   */
  since?: Position
}

/** The subscriptions of this client, and what the server has sent for them. */
export interface Subscriptions {
  /** Returns the number of users online, as last received. */
  count(): number | undefined
  /** Returns `live` if all subscriptions are up to date. */
  freshness(): Freshness
  get(userId: string): PresenceUser | undefined
  /** Returns all known users: the same array until one of them changes. */
  users(): readonly PresenceUser[]
  /**
   * Subscribes until the returned function is called; calls `listener` after changes. Throws a {@link
   * PresenceError} `too_many` beyond the server's limit.
   */
  subscribe(topics: Iterable<Topic>, listener?: () => void): () => void
  /** The connection is open: resumes all subscriptions. */
  resume(welcome: Welcome): void
  /** The connection is lost: all users become stale. */
  lost(): void
  /** The server sends changes from now on, or has stopped, because this device is visible or hidden. */
  setVisible(isVisible: boolean): void
  /** Takes a message. Returns whether it is a `too_fast` error, after which everything is sent again by itself. */
  receive(message: Message): boolean
}

/**
 * Makes an empty list of subscriptions, which keeps the server's subscriptions equal to the application's.
 * `resendOthers` sends all other requests again that a `too_fast` error may have been for.
 *
 * A state of several pages is applied when its last page has arrived. Each page is of its own moment, and
 * only the last one has what changed meanwhile. So the application never sees half a state, and a connection
 * that is lost in between leaves the old state together with its position.
 */
export function createSubscriptions(
  platform: Platform,
  send: (request: Request) => number,
  resendOthers: () => void,
  emitChanged: (users: readonly PresenceUser[]) => void,
  emitCount: (count: number) => void,
): Subscriptions {
  const subscriptions = new Map<Topic, Subscription>()
  /**
   * What the server has, or may have, subscribed on this connection, including subscriptions that have ended
   * here.
   */
  const onServer = new Set<Subscription>()
  /** The subscriptions in each request that is not answered yet, by its `id`. */
  const inFlight = new Map<unknown, readonly Subscription[]>()
  /** The server's limit of subscriptions a connection. */
  let maxTopics = Number.POSITIVE_INFINITY
  let count: number | undefined
  /**
   * The current position: up to where this connection has received everything. Replaced when something was
   * missed.
   */
  let position = { epoch: '', seq: 0 }
  /** The pages of the state that is arriving. */
  let pages: (PresenceState & Reply)[] = []
  let isOpen = false
  let isVisible = true
  const flushTimer = timer(platform)
  /** Nothing is sent before the timer has run. */
  let isThrottled = false

  const view = userView(freshnessOf, userId => subscriptions.get(userId)?.subscribers ?? [], emitChanged)

  const isUser = (topic: Topic): topic is string => typeof topic === 'string'

  const isLive = (subscription?: Subscription): boolean => isVisible && subscription?.since === position

  function freshnessOf(userId: string): Freshness | undefined {
    const own = subscriptions.get(userId)
    const all = subscriptions.get(ALL_USERS)
    if (own || all) return isLive(own) || isLive(all) ? 'live' : 'stale'
    return undefined
  }

  // Sending

  /**
   * Flushes after the current task: a thousand rows that appear together need one round; one that blinks
   * needs none.
   */
  function flushSoon(): void {
    if (!isThrottled) flushTimer.set(0, flush)
  }

  function throttle(ms: number, then: () => void): void {
    isThrottled = true
    flushTimer.set(ms, then)
  }

  function removeUnused(): void {
    for (const [topic, { subscribers }] of subscriptions) if (!subscribers.size) subscriptions.delete(topic)
  }

  /** Sends what differs between the application's subscriptions and the server's. */
  function flush(): void {
    isThrottled = false
    removeUnused()
    view.refresh()
    if (!isOpen) return
    const waiting = new Set([...inFlight.values()].flat())
    const due = [...subscriptions.values()].filter(each => each.since !== position && !waiting.has(each))
    const ended = [...onServer].filter(({ topic }) => !subscriptions.has(topic))
    sendAll('unsubscribe', ended)
    for (const since of new Set(due.map(each => each.since))) {
      const part = due.filter(each => each.since === since)
      sendAll('subscribe', part, since)
    }
  }

  /** Sends a request for all these subscriptions, in as many messages as needed. */
  function sendAll(type: 'subscribe' | 'unsubscribe', all: readonly Subscription[], since?: Position): void {
    function sendPart(part: readonly Subscription[], selector: object): void {
      inFlight.set(send({ type, since, ...selector } as Request), part)
      const change = type === 'subscribe' ? 'add' : 'delete'
      for (const each of part) onServer[change](each)
      throttle(FLUSH_MS, flush)
    }
    for (const part of chunk(all.filter(({ topic }) => isUser(topic))))
      sendPart(part, { userIds: part.map(({ topic }) => topic) })
    for (const each of all) if (!isUser(each.topic)) sendPart([each], each.topic)
  }

  // Receiving

  /** A reply confirms the subscriptions of its request: they are up to date. */
  function confirm({ id }: Message): void {
    for (const each of inFlight.get(id) ?? []) each.since = position
    if (inFlight.delete(id)) flushSoon()
  }

  /** Something was missed: subscriptions keep the position up to which they have everything, and become stale. */
  function interrupt(): void {
    position = { ...position }
    view.refresh()
  }

  function receiveState(page: PresenceState & Reply): void {
    const { last, recovered, all, id } = page
    pages.push(page)
    if (!last) return
    // A state that turned out to be too long ends as another one, with other flags, which is complete without
    // its pages.
    const users = pages.flatMap(each => (each.id === id && each.recovered === recovered ? each.users : []))
    pages = []
    // Before anything is applied: this throws for an invalid list.
    const present = new Set(users.map(({ userId }) => userId))
    position.seq = page.seq
    // In a cluster it may be another one than that of the welcome.
    position.epoch = page.epoch
    confirm(page)
    users.forEach(view.receive)
    if (all && !recovered) {
      // A complete list of all users, whether requested or not: users who are missing are offline.
      for (const user of view.all()) {
        if (!present.has(user.userId) && user.status !== 'offline')
          view.receive({
            ...user,
            status: 'offline',
            text: undefined,
            expiresAt: undefined,
            since: undefined,
          })
      }
    }
    view.refresh()
  }

  function receiveDiff({ prevSeq, seq, users }: PresenceDiff): void {
    if (position.seq !== prevSeq) {
      interrupt()
      flushSoon()
    }
    // The users of this diff are up to date, even if an earlier diff is missing.
    for (const user of users) {
      const { since, lastSeen, status } = user
      // The server leaves out a start that is the same as the last sign of life.
      view.receive(since === undefined && status !== 'offline' ? { ...user, since: lastSeen } : user)
    }
    position.seq = seq
    // The server sends no diffs between the pages of a state, so it has given this one up.
    pages = []
  }

  /**
   * A new token does not allow these subscriptions. They become stale, and are not asked for again on this connection:
   * they count as a request that is never answered.
   */
  function end(ended: EndedSubscriptions): void {
    const { userIds = [], all, count } = ended
    const part = [...subscriptions.values()].filter(({ topic }) => {
      if (isUser(topic)) return userIds.includes(topic)
      return topic === ALL_USERS ? all : count
    })
    for (const each of part) {
      onServer.delete(each)
      each.since = { ...position }
    }
    inFlight.set(ended, part)
    view.refresh()
    view.emit()
  }

  /**
   * After a `too_fast` everything that may have been refused is sent again. Other errors are final for this
   * connection. The server refuses a long message unread, so the error may have no `id`: then all requests in
   * flight are sent again.
   */
  function receiveError({ code, id, retryAfterMs, ended }: ErrorMessage & Reply): boolean {
    if (ended) end(ended)
    if (code !== 'too_fast') return false
    // Nothing was dropped: the server answers later.
    if (retryAfterMs === undefined) return true
    for (const [requestId, part] of inFlight) {
      if ((id ?? requestId) !== requestId) continue
      inFlight.delete(requestId)
      // If it was an `unsubscribe`, the server still has the subscription.
      for (const each of part) onServer.add(each)
    }
    throttle(TOO_FAST_RETRY_MS + retryAfterMs, () => {
      resendOthers()
      flush()
    })
    return true
  }

  return {
    count: () => count,
    freshness: () => (isOpen && [...subscriptions.values()].every(isLive) ? 'live' : 'stale'),
    get: view.get,
    users: view.all,

    subscribe(topics, listener) {
      // A function of its own, because two subscribers may pass the same listener.
      const subscriber = (): void => listener?.()
      const unsubscribe = (): void => {
        for (const topic of topics) subscriptions.get(topic)?.subscribers.delete(subscriber)
        flushSoon()
      }
      for (const topic of topics) {
        const subscription = subscriptions.get(topic) ?? { topic, subscribers: new Set() }
        subscriptions.set(topic, subscription)
        subscription.subscribers.add(subscriber)
      }
      flushSoon()
      if (subscriptions.size > maxTopics) removeUnused()
      if (subscriptions.size > maxTopics) {
        unsubscribe()
        throw new PresenceError('too_many', `more than ${maxTopics} subscriptions`)
      }
      return unsubscribe
    },

    resume({ epoch, seq, limits }) {
      maxTopics = limits.maxWatchedUsers
      position = { epoch, seq }
      isOpen = true
      inFlight.clear()
      onServer.clear()
      pages = []
      flush()
    },

    lost() {
      isOpen = false
      interrupt()
    },

    setVisible(isVisibleNow) {
      isVisible = isVisibleNow
      view.refresh()
    },

    receive(message) {
      if (message.type === 'error') return receiveError(message)
      if (message.type === 'presence_state') receiveState(message)
      else confirm(message)
      if (message.type === 'presence_diff') receiveDiff(message)
      if (message.type === 'online_count' && message.count !== count) {
        count = message.count
        emitCount(count)
        for (const changed of subscriptions.get(ONLINE_COUNT)?.subscribers ?? []) callListener(changed)
      }
      view.emit()
      return false
    },
  }
}
