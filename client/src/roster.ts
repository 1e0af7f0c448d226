import { PresenceError } from './errors.ts'
import { split } from './ids.ts'
import { call } from './listeners.ts'
import type { Platform } from './platform.ts'
import type { ErrorMessage, Position, PresenceDiff, PresenceState, User, Welcome } from './protocol.ts'
import { isSame } from './same.ts'
import { timer } from './timer.ts'
import type { Message, Reply, Request } from './wire.ts'

/** What can be followed: a user, by the id, or one of these, as a message names them. */
export type Topic = string | typeof EVERYBODY | typeof COUNT

export const EVERYBODY = { all: true } as const
/** A number is told whole: it has no place to go on from. */
export const COUNT = { count: true, since: undefined } as const

/** Shortest time between two rounds of subscriptions: a list that is scrolled stays well below what a server takes. */
export const FLUSH_MS = 200

/**
 * How much longer than it asks for a server is left alone that has refused something for now: it closes a connection that
 * is refused again and again without a pause of a second.
 */
export const AGAIN_MS = 1_100

/**
 * Whether what is shown of a user is kept up by the server at this moment. `stale`: it was so when the connection was
 * lost, the page is hidden, or the server has not yet said what has become of it. No green dot should be drawn for it as if it were sure.
 */
export type Freshness = 'live' | 'stale'

/** A user who is followed. Frozen in time: a change makes another object, so `===` tells whether there was one. */
export interface PresenceUser extends User {
  readonly freshness: Freshness
}

/** One thing that is followed. */
interface Follow {
  readonly topic: Topic
  /** Who follows it here, each to be called when it has changed: ten rows with one user are one subscription. */
  readonly followers: Set<() => void>
  /**
   * Up to where the server has told of it. That moves on with the line, as long as it is the line; when the line breaks
   * it stays, and from there it goes on.
   */
  upTo: Position | undefined
}

export interface Roster {
  /** How many are online, as it was told last. */
  readonly count: number | undefined
  /** Whether all that is followed is as the server has it. */
  readonly freshness: Freshness
  get(userId: string): PresenceUser | undefined
  /** Everybody who is known: the same array until somebody changes. */
  users(): readonly PresenceUser[]
  /** Follows something until what is returned is called; calls `listener` when it has changed. */
  follow(topics: Iterable<Topic>, listener?: () => void): () => void
  /** The connection is open, at this place in the order of changes. */
  resume(welcome: Welcome): void
  lost(): void
  /** The server keeps changes to itself because nobody looks, or does so no more. */
  hide(isHidden: boolean): void
  /** Takes what a message says of what is followed, and a refusal for now; returns whether it was one. */
  receive(message: Message): boolean
}

/**
 * What is followed here, and what the server has told of it, as objects that stay the same until something changes. Says
 * what the server has to be told; takes what it tells. `sayAgain` says all else that a refusal for now may have been meant for.
 *
 * A state of several pages is taken whole, when its last page is there. Each page is of its own moment, and only the
 * last one has what changed meanwhile, so a half-told state is no state: nobody sees a list grow or half of it old,
 * and a connection that is lost in the middle leaves what was true before, with the place it was true at.
 */
export function roster(
  platform: Platform,
  say: (request: Request) => number,
  sayAgain: () => void,
  tellChanged: (users: readonly PresenceUser[]) => void,
  tellCount: (count: number) => void,
): Roster {
  // Strangers choose the keys, so these are Maps.
  const follows = new Map<Topic, Follow>()
  /** What the server tells of on this connection, or perhaps does, whether it is followed still or not. */
  const told = new Set<Follow>()
  /** What was asked in a request whose answer is on its way. */
  const asked = new Map<unknown, readonly Follow[]>()
  const known = new Map<string, PresenceUser>()
  /** Who has changed since the listeners were told last. */
  const changed = new Map<string, PresenceUser>()
  /** All who are known, when somebody has asked for them. */
  let all: readonly PresenceUser[] | undefined
  let count: number | undefined
  /** How much a connection can follow, everybody and the count among it, once the server has said so. */
  let maxTopics = Number.POSITIVE_INFINITY
  /** How far this connection was told, since nothing was missed. */
  let line = { epoch: '', seq: 0 }
  /** Of the state that is being told. */
  let pages: (PresenceState & Reply)[] = []
  let isOpen = false
  let isHidden = false
  const flushing = timer(platform)
  /** Nothing is said of subscriptions until the next flush. */
  let isQuiet = false

  const isUser = (topic: Topic): topic is string => typeof topic === 'string'

  // What is shown

  const isLive = (follow?: Follow): boolean => !isHidden && follow?.upTo === line

  /** How sure it is what is known of a user; undefined for one whom nobody follows here. */
  function freshness(userId: string): Freshness | undefined {
    const own = follows.get(userId)
    const every = follows.get(EVERYBODY)
    if (own || every) return isLive(own) || isLive(every) ? 'live' : 'stale'
    return undefined
  }

  /** Shows a user; one whom nobody follows here is none of our business. */
  function show(user: User): void {
    const { userId } = user
    const fresh = freshness(userId)
    if (fresh) {
      const after = { ...user, freshness: fresh }
      if (isSame(known.get(userId), after)) return
      known.set(userId, after)
      changed.set(userId, after)
    } else known.delete(userId)
    all = undefined
  }

  /** Shows those who are known as sure as they are now. */
  function refresh(): void {
    for (const user of known.values()) if (user.freshness !== freshness(user.userId)) show(user)
    tellChanges()
  }

  function tellChanges(): void {
    const users = [...changed.values()]
    changed.clear()
    const rows = users.flatMap(({ userId }) => [...(follows.get(userId)?.followers ?? [])])
    for (const row of new Set(rows)) call(row)
    if (users.length > 0) tellChanged(users)
  }

  // What is said

  /** Says soon what is followed now: a thousand rows that appear together are one round, one that only blinks is none. */
  function flushSoon(): void {
    if (!isQuiet) flushing.set(0, flush)
  }

  /** Says nothing for so long; then what is to be said by then. */
  function quiet(ms: number, then: () => void): void {
    isQuiet = true
    flushing.set(ms, then)
  }

  /** Forgets what nobody follows any more. */
  function forget(): void {
    for (const { topic, followers } of follows.values()) if (followers.size === 0) follows.delete(topic)
  }

  function flush(): void {
    isQuiet = false
    forget()
    refresh()
    if (!isOpen) return
    const waiting = new Set([...asked.values()].flat())
    const due = [...follows.values()].filter(follow => follow.upTo !== line && !waiting.has(follow))
    const gone = [...told].filter(({ topic }) => !follows.has(topic))
    tell('unsubscribe', gone)
    for (const since of new Set(due.map(({ upTo }) => upTo))) {
      const part = due.filter(({ upTo }) => upTo === since)
      tell('subscribe', part, since)
    }
  }

  /** Says it of all these, in as many messages as it takes. */
  function tell(type: 'subscribe' | 'unsubscribe', those: readonly Follow[], since?: Position): void {
    function ask(part: readonly Follow[], selector: object): void {
      asked.set(say({ type, since, ...selector } as Request), part)
      const note = type === 'subscribe' ? 'add' : 'delete'
      for (const follow of part) told[note](follow)
      quiet(FLUSH_MS, flush)
    }
    for (const part of split(those.filter(({ topic }) => isUser(topic))))
      ask(part, { userIds: part.map(({ topic }) => topic) })
    for (const follow of those) if (!isUser(follow.topic)) ask([follow], follow.topic)
  }

  // What is told

  function answered({ id }: Message): void {
    for (const follow of asked.get(id) ?? []) follow.upTo = line
    if (asked.delete(id)) flushSoon()
  }

  /** What was live is so no more: it was, at the place that was told last. */
  function interrupt(): void {
    line = { ...line }
    refresh()
  }

  function state(page: PresenceState & Reply): void {
    const { seq, last, recovered, all, id } = page
    pages.push(page)
    if (!last) return
    // One that turned out to be too long ends as another, which is whole without it.
    const users = pages.flatMap(other =>
      other.id === id && other.recovered === recovered ? other.users : [],
    )
    pages = []
    // Before anything is taken: what is no list of users throws here.
    const present = new Set(users.map(({ userId }) => userId))
    line.seq = seq
    answered(page)
    users.forEach(show)
    if (all && !recovered) {
      // Whoever is not on a list of everybody is offline, whether it was asked for or not.
      for (const user of known.values()) {
        if (!present.has(user.userId) && user.status !== 'offline')
          show({ ...user, status: 'offline', text: undefined, expiresAt: undefined })
      }
    }
    refresh()
  }

  function diff({ prevSeq, seq, users }: PresenceDiff): void {
    if (line.seq !== prevSeq) {
      interrupt()
      flushSoon()
    }
    // What it says is so, whether it joins or not.
    users.forEach(show)
    line.seq = seq
    // While a state is told there are no diffs: one that was begun will not be ended.
    pages = []
  }

  /**
   * One that may be made again is made after a while; any other waits for another connection. A long request is refused
   * unread, so nobody knows which it was: then all that wait are made again.
   */
  function refused({ code, id, retryAfterMs = 0 }: ErrorMessage & Reply): boolean {
    if (code !== 'too_fast') return false
    for (const [by, part] of asked) {
      if (id !== undefined && id !== by) continue
      asked.delete(by)
      // It may have been an end that was refused.
      for (const follow of part) told.add(follow)
    }
    quiet(AGAIN_MS + retryAfterMs, () => {
      sayAgain()
      flush()
    })
    return true
  }

  return {
    get count() {
      return count
    },
    get freshness() {
      return isOpen && [...follows.values()].every(isLive) ? 'live' : 'stale'
    },
    get: userId => known.get(userId),
    users() {
      all ??= [...known.values()]
      return all
    },

    follow(topics, listener) {
      // One function of ours for each, so that two may share a listener.
      const follower = (): void => listener?.()
      const unfollow = (): void => {
        for (const topic of topics) follows.get(topic)?.followers.delete(follower)
        flushSoon()
      }
      for (const topic of topics) {
        const follow = follows.get(topic) ?? { topic, followers: new Set(), upTo: undefined }
        follows.set(topic, follow)
        follow.followers.add(follower)
      }
      flushSoon()
      if (follows.size > maxTopics) forget()
      if (follows.size > maxTopics) {
        unfollow()
        throw new PresenceError('too_many')
      }
      return unfollow
    },

    resume({ epoch, seq, limits }) {
      maxTopics = limits.maxWatchedUsers
      line = { epoch, seq }
      isOpen = true
      asked.clear()
      told.clear()
      pages = []
      flush()
    },

    lost() {
      isOpen = false
      interrupt()
    },

    hide(isHiddenNow) {
      isHidden = isHiddenNow
      refresh()
    },

    receive(message) {
      if (message.type === 'error') return refused(message)
      if (message.type === 'presence_state') state(message)
      else answered(message)
      if (message.type === 'presence_diff') diff(message)
      if (message.type === 'online_count' && message.count !== count) {
        count = message.count
        tellCount(count)
      }
      tellChanges()
      return false
    },
  }
}
