import { PresenceError } from './errors.ts'
import { type MessageLimits, split } from './ids.ts'
import { LIMITS } from './link.ts'
import { call } from './listeners.ts'
import type { Platform } from './platform.ts'
import { isSame } from './same.ts'
import { AGAIN_MS } from './self.ts'
import { timer } from './timer.ts'
import type {
  Message,
  Numbered,
  Place,
  PresenceDiff,
  PresenceState,
  Refusal,
  Said,
  Selector,
  User,
} from './wire.ts'

// What is followed is known by a key: a user's id, or one of these two, which are none, before the word of the selector.
export const EVERYBODY = '\0all'
export const COUNT = '\0count'

/** Shortest time between two rounds of subscriptions: a list that is scrolled stays well below what a server takes. */
const FLUSH_MS = 200

/**
 * Whether what is shown of a user is kept up by the server at this moment. `stale`: it was so when the connection was
 * lost, the page is hidden, or the server has not yet said what has become of it. No green dot should be drawn for it as if it were sure.
 */
export type Freshness = 'live' | 'stale'

/** A user who is followed. Frozen in time: a change makes another object, so `===` tells whether there was one. */
export interface PresenceUser extends User {
  readonly freshness: Freshness
}

/** One thing that is followed: a user, everybody, or the count. */
interface Follow {
  readonly key: string
  /** Who follows it here, each to be called when it has changed: ten rows with one user are one subscription. */
  readonly followers: Set<() => void>
  /**
   * Whether the server tells of it on this connection. A number: it was asked for in that request, whose answer is on the
   * way. Undefined: it has to be asked for.
   */
  told: 'live' | number | undefined
  /** How far the server had told of it when that was interrupted: from there it goes on. */
  since: Place | undefined
}

/** How much a server lets one connection follow. */
type Limits = MessageLimits & { readonly maxWatchedUsers: number }

export interface Roster {
  readonly limits: Limits
  /** How many are online, as it was told last. */
  readonly count: number | undefined
  /** Whether all that is followed is as the server has it. */
  readonly freshness: Freshness
  get(userId: string): PresenceUser | undefined
  /** Everybody who is known: the same array until somebody changes. */
  users(): readonly PresenceUser[]
  /** Follows something until what is returned is called; calls `listener` when it has changed. */
  follow(keys: ReadonlySet<string>, listener?: () => void): () => void
  /** The connection is open, at this place in the order of changes. */
  resume(welcome: Place & { readonly limits: Limits }): void
  lost(): void
  /** The server keeps changes to itself because nobody looks, or does so no more. */
  hide(isHidden: boolean): void
  /** Takes what a message says of what is followed; returns whether that was its business. */
  receive(message: Message): boolean
}

/**
 * What is followed here, and what the server has told of it, as objects that stay the same until something changes. Says
 * what the server has to be told; takes what it tells.
 *
 * A state of several pages is taken whole, when its last page is there. Each page is of its own moment, and only the
 * last one has what changed meanwhile, so a half-told state is no state: nobody sees a list grow or half of it old,
 * and a connection that is lost in the middle leaves what was true before, with the place it was true at.
 */
export function roster(
  platform: Platform,
  say: (said: Said) => void,
  wait: (said: Said) => number,
  nextId: () => number,
  tellChanged: (users: readonly PresenceUser[]) => void,
  tellCount: (count: number) => void,
): Roster {
  // Strangers choose the keys, so these are Maps.
  const follows = new Map<string, Follow>()
  const known = new Map<string, PresenceUser>()
  /** Who has changed since the listeners were told last. */
  const changed = new Map<string, PresenceUser>()
  /** All who are known, when somebody has asked for them. */
  let all: readonly PresenceUser[] | undefined
  let count: number | undefined
  /** How many users somebody here follows. */
  let wanted = 0
  let limits: Limits = LIMITS
  /** How far this connection was told. What is `live` is so at this place. */
  let place: Place = { epoch: '', seq: 0 }
  /** Of the state that is being told. */
  let pages: (PresenceState & Numbered)[] = []
  let isOpen = false
  let isHidden = false
  /**
   * What the server tells of, or perhaps does, though nobody follows it any more: by its key, the request that ends it.
   * Undefined: it has to be ended.
   */
  const ending = new Map<string, number | undefined>()
  const flushing = timer(platform)
  /** Before this time nothing is said of subscriptions. */
  let quietUntil = 0

  const isUser = (key: string): boolean => key[0] !== '\0'
  const which = (is: (follow: Follow) => unknown): Follow[] => [...follows.values()].filter(is)

  const ends = (is: (id: unknown) => unknown): string[] =>
    [...ending].flatMap(([key, id]) => (is(id) ? key : []))

  // What is shown

  /** How sure it is what is known of a user; undefined for one whom nobody follows here. */
  function freshness(userId: string): Freshness | undefined {
    const by = [userId, EVERYBODY].flatMap(key => follows.get(key) ?? [])
    if (by.length === 0) return undefined
    return !isHidden && by.some(({ told }) => told === 'live') ? 'live' : 'stale'
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
    } else {
      known.delete(userId)
      changed.delete(userId)
    }
    all = undefined
  }

  /** Shows those who are known as sure as they are now. */
  function refresh(): void {
    for (const user of known.values()) if (user.freshness !== freshness(user.userId)) show(user)
  }

  function tellChanges(): void {
    const users = [...changed.values()]
    changed.clear()
    const rows = users.flatMap(({ userId }) => [...(follows.get(userId)?.followers ?? [])])
    for (const row of new Set(rows)) call(row)
    if (users.length > 0) tellChanged(users)
  }

  // What is said

  /** Says soon what is followed now: a thousand rows that appear together are one message, one that only blinks is none. */
  function flushSoon(): void {
    flushing.set(Math.max(0, quietUntil - platform.now()), flush)
  }

  function flush(): void {
    flushing.stop()
    const gone = which(({ followers }) => followers.size === 0)
    for (const { key } of gone) follows.delete(key)
    if (gone.length > 0) refresh()
    // One with a place was told of, up to there; it may be that the server does not know that it was interrupted.
    for (const { key } of gone.filter(({ told, since }) => told || since)) ending.set(key, undefined)
    if (!isOpen) return ending.clear()
    if (
      !tell(
        'unsubscribe',
        ends(id => !id).filter(key => !follows.has(key)),
      )
    )
      return
    const due = which(({ told }) => !told)
    for (const since of new Set(due.map(follow => follow.since))) {
      const part = due.filter(follow => follow.since === since).map(({ key }) => key)
      if (!tell('subscribe', part, since)) return
    }
  }

  /** Says it of all these; returns whether the server takes that now. */
  function tell(type: 'subscribe' | 'unsubscribe', keys: readonly string[], since?: Place): boolean {
    return named(keys).every(([selector, those]) => {
      const id = nextId()
      if (!sayNow({ type, ...selector, since, id } as Said)) return false
      for (const key of those) {
        const follow = follows.get(key)
        if (follow) {
          follow.told = id
          ending.delete(key)
        } else ending.set(key, id)
      }
      return true
    })
  }

  /** Says it, or, when that is more than the server takes now, lets all that is left wait until it does. */
  function sayNow(said: Said): boolean {
    const waitMs = wait(said)
    quietUntil = platform.now() + Math.max(FLUSH_MS, waitMs)
    if (waitMs > 0) flushSoon()
    else say(said)
    return waitMs === 0
  }

  /** What names these, in as many messages as it takes, each with those it names. */
  function named(keys: readonly string[]): (readonly [Selector, readonly string[]])[] {
    return [
      ...split(keys.filter(isUser), limits).map(userIds => [{ userIds }, userIds] as const),
      ...keys
        .filter(key => !isUser(key))
        .map(key => [{ [key.slice(1)]: true } as unknown as Selector, [key]] as const),
    ]
  }

  // What is told

  function answered(id: unknown): void {
    for (const follow of which(({ told }) => told === id && id)) {
      follow.told = 'live'
      follow.since = undefined
    }
    for (const key of ends(by => by && by === id)) ending.delete(key)
  }

  /** What was live is so no more: it was, at the place that was told last. */
  function interrupt(): void {
    for (const follow of follows.values()) {
      if (follow.told !== 'live' || follow.key === COUNT) continue
      follow.told = undefined
      follow.since = place
    }
    refresh()
  }

  function state(page: PresenceState & Numbered): void {
    const { epoch, seq, last, recovered, all, id } = page
    pages.push(page)
    if (!last) return
    // One that turned out to be too long ends as another, which is whole without it.
    const users = pages.flatMap(other =>
      other.id === id && other.recovered === recovered ? other.users : [],
    )
    pages = []
    // Before anything is taken: what is no list of users throws here.
    const present = new Set(users.map(({ userId }) => userId))
    place = { epoch, seq }
    answered(id)
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
    if (place.seq !== prevSeq) {
      interrupt()
      flushSoon()
    }
    // What it says is so, whether it joins or not.
    users.forEach(show)
    place = { ...place, seq }
    // While a state is told there are no diffs: one that was begun will not be ended.
    pages = []
  }

  /**
   * One that may be made again is made soon; any other waits for another connection, and is not our business. A long
   * request is refused unread, so nobody knows which it was: then all that wait are made again.
   */
  function refused({ code, id, retryAfterMs = AGAIN_MS }: Refusal & Numbered): boolean {
    if (code !== 'too_fast' && code !== 'unavailable') return false
    const isMeant = (by: unknown): boolean => (id === undefined ? typeof by === 'number' : by === id)
    const keys = ends(isMeant)
    for (const key of keys) ending.set(key, undefined)
    const asked = which(({ told }) => isMeant(told))
    if (keys.length + asked.length === 0) return false
    for (const follow of asked) {
      follow.told = undefined
      // It may be that the server has taken this one: then it has to be ended when nobody wants it any more.
      if (id === undefined) ending.set(follow.key, undefined)
    }
    quietUntil = platform.now() + retryAfterMs
    flushSoon()
    return true
  }

  return {
    get limits() {
      return limits
    },
    get count() {
      return count
    },
    get freshness() {
      const isBehind = which(({ told, followers }) => told !== 'live' && followers.size > 0).length > 0
      return isBehind || isHidden || !isOpen ? 'stale' : 'live'
    },
    get: userId => known.get(userId),
    users() {
      all ??= [...known.values()]
      return all
    },

    follow(keys, listener) {
      // One function of ours for each, so that two may share a listener.
      const follower = (): void => listener?.()
      const added = [...keys].filter(key => isUser(key) && !follows.get(key)?.followers.size).length
      if (wanted + added > limits.maxWatchedUsers) {
        throw new PresenceError('too_many', `one connection can follow ${limits.maxWatchedUsers} users`)
      }
      wanted += added
      for (const key of keys) {
        const follow = follows.get(key) ?? { key, followers: new Set(), told: undefined, since: undefined }
        follows.set(key, follow)
        follow.followers.add(follower)
      }
      flushSoon()
      return () => {
        for (const key of keys) {
          const followers = follows.get(key)?.followers
          if (followers?.delete(follower) && followers.size === 0 && isUser(key)) wanted--
        }
        flushSoon()
      }
    },

    resume({ epoch, seq, limits: told }) {
      place = { epoch, seq }
      limits = told
      isOpen = true
      flush()
    },

    lost() {
      isOpen = false
      interrupt()
      for (const follow of follows.values()) follow.told = undefined
      ending.clear()
      pages = []
      tellChanges()
    },

    hide(isHiddenNow) {
      isHidden = isHiddenNow
      refresh()
      tellChanges()
    },

    receive(message) {
      switch (message.type) {
        case 'presence_state':
          state(message)
          break
        case 'presence_diff':
          diff(message)
          break
        case 'online_count':
          answered(message.id)
          if (message.count !== count && follows.has(COUNT)) {
            count = message.count
            tellCount(count)
          }
          break
        case 'ack':
          answered(message.id)
          break
        case 'error':
          return refused(message)
        default:
          return false
      }
      tellChanges()
      return true
    },
  }
}
