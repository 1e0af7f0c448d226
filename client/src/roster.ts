import { PresenceError } from './errors.ts'
import { type MessageLimits, split } from './ids.ts'
import { type PresenceUser, view } from './view.ts'
import type { Place, PresenceDiff, PresenceState, Refusal, Said, Selector, User } from './wire.ts'

// What is followed is known by a key: a user's id, or one of these two, which are none, before the word of the selector.
export const EVERYBODY = '\0all'
export const COUNT = '\0count'

/** One thing that is followed: a user, everybody, or the count. */
interface Follow {
  readonly key: string
  /** How many follow it here: ten rows with one user are one subscription. */
  refs: number
  /**
   * What the server was told of it on this connection. `asked`: its state is on the way. `again`: it may be that the
   * server tells of it, but something was missed or refused.
   */
  told: 'not' | 'asked' | 'live' | 'again'
  /** How far the server had told of it when that was interrupted: from there it goes on. */
  since: Place | undefined
  readonly listeners: (() => void)[]
}

/** How much a server lets one connection follow, until its welcome says so. */
const DEFAULT_LIMITS = { maxUserIds: 1_000, maxMessageBytes: 65_536, maxWatchedUsers: 10_000 }

export interface Roster {
  limits: MessageLimits & { readonly maxWatchedUsers: number }
  /** How many are online, as it was told last. */
  readonly count: number | undefined
  /** Whether all that is followed is as the server has it. */
  readonly isLive: boolean
  get(userId: string): PresenceUser | undefined
  users(): readonly PresenceUser[]
  follow(keys: ReadonlySet<string>, listener?: () => void): void
  unfollow(keys: ReadonlySet<string>, listener?: () => void): void
  /** Lets go of what nobody here follows any more; returns what an open connection has to be told of it. */
  forget(): Said[]
  /** What is to be said now on an open connection. */
  says(nextId: () => number): Said[]
  /** The connection is gone. */
  lost(): void
  state(message: PresenceState): void
  /** Returns whether it joins what was told before; if not, what is followed has to be asked for again. */
  diff(message: PresenceDiff): boolean
  counted(count: number, id: unknown): void
  /**
   * The server has refused something. Returns whether that was a subscription; one that may be made again is made with
   * the next `says`, any other waits for another connection.
   */
  refused(message: Refusal, mayAskAgain: boolean): boolean
  /** Who has changed since this was asked last, and those who listen for one of them. */
  takeChanged(): { readonly users: readonly PresenceUser[]; readonly listeners: Iterable<() => void> }
}

/**
 * What is followed here, and what the server has told of it. Says what the server has to be told; takes what it
 * tells. Has no timers and no connection.
 *
 * A state of several pages is taken whole, when its last page is there. Each page is of its own moment, and only the
 * last one has what changed meanwhile, so a half-told state is no state: nobody sees a list grow or half of it old,
 * and a connection that is lost in the middle leaves what was true before, with the place it was true at.
 */
export function roster(): Roster {
  const shown = view()
  const follows = new Map<string, Follow>()
  /** What was asked for in which request. */
  const asked = new Map<unknown, readonly Follow[]>()
  /** How many users have a ref. */
  let wanted = 0
  /** How far this connection was told. What is `live` is so at this place. */
  let place: Place | undefined
  let pages: User[] = []
  let count: number | undefined

  const isUser = (key: string): boolean => key[0] !== '\0'
  const isLive = (key: string): boolean => follows.get(key)?.told === 'live'

  /** What names these keys, in as many messages as it takes, each with those it names. */
  function named(keys: readonly string[]): (readonly [selector: Selector, keys: readonly string[]])[] {
    return [
      ...split(keys.filter(isUser), self.limits).map(userIds => [{ userIds }, userIds] as const),
      ...keys.filter(key => !isUser(key)).map(key => [{ [key.slice(1)]: true } as Selector, [key]] as const),
    ]
  }

  function answered(id: unknown): readonly Follow[] | undefined {
    const part = asked.get(id)
    asked.delete(id)
    return part
  }

  function isTold(part: readonly Follow[]): void {
    for (const follow of part) {
      follow.told = 'live'
      follow.since = undefined
    }
  }

  /** What was live is so no more: it was, at the place that was told last. */
  function interrupt(): void {
    for (const follow of follows.values()) {
      if (follow.told !== 'live' || follow.key === COUNT) continue
      follow.told = 'again'
      follow.since = place
    }
    refresh()
  }

  /** Shows users as they are; those whom nobody follows here are none of our business. */
  function show(users: Iterable<User>): void {
    for (const user of users) {
      const { userId } = user
      if (follows.has(userId) || follows.has(EVERYBODY)) {
        shown.set(user, isLive(userId) || isLive(EVERYBODY) ? 'live' : 'stale')
      } else {
        shown.drop(userId)
      }
    }
  }

  /** Shows those who are known as sure as they are now. */
  function refresh(): void {
    show(shown.all())
  }

  const self: Roster = {
    limits: DEFAULT_LIMITS,
    get count() {
      return count
    },
    get isLive() {
      return [...follows.values()].every(({ told, refs }) => told === 'live' || refs === 0)
    },
    get: shown.get,
    users: shown.all,

    follow(keys, listener) {
      let added = 0
      for (const key of keys) if (isUser(key) && !follows.get(key)?.refs) added++
      const { maxWatchedUsers } = self.limits
      if (wanted + added > maxWatchedUsers) {
        throw new PresenceError('too_many', `one connection can follow ${maxWatchedUsers} users`)
      }
      wanted += added
      for (const key of keys) {
        const follow = follows.get(key) ?? { key, refs: 0, told: 'not', since: undefined, listeners: [] }
        follows.set(key, follow)
        follow.refs++
        if (listener) follow.listeners.push(listener)
      }
    },

    unfollow(keys, listener) {
      for (const key of keys) {
        const follow = follows.get(key)
        if (!follow) continue
        if (--follow.refs === 0 && isUser(key)) wanted--
        if (listener) follow.listeners.splice(follow.listeners.indexOf(listener), 1)
      }
    },

    forget() {
      // A follow that is wanted again later is another object: what is on its way for this one is none of its.
      const gone = [...follows.values()].filter(({ refs }) => refs === 0)
      for (const { key } of gone) follows.delete(key)
      if (gone.length > 0) refresh()
      const told = gone.filter(follow => follow.told !== 'not').map(({ key }) => key)
      return named(told).map(([selector]) => ({ type: 'unsubscribe', ...selector }))
    },

    says(nextId) {
      const said = self.forget()
      const bySince = new Map<Place | undefined, string[]>()
      for (const { key, told, since } of follows.values()) {
        if (told === 'asked' || told === 'live') continue
        const keys = bySince.get(since) ?? []
        keys.push(key)
        bySince.set(since, keys)
      }
      for (const [since, all] of bySince) {
        for (const [selector, keys] of named(all)) {
          const id = nextId()
          const part = keys.flatMap(key => follows.get(key) ?? [])
          for (const follow of part) follow.told = 'asked'
          asked.set(id, part)
          said.push({ type: 'subscribe', ...selector, ...(since && { since }), id })
        }
      }
      return said
    },

    lost() {
      interrupt()
      for (const follow of follows.values()) follow.told = 'not'
      asked.clear()
      place = undefined
      pages = []
    },

    state({ epoch, seq, users, last, recovered, id }) {
      pages.push(...users)
      if (!last) return
      const told = pages
      pages = []
      place = { epoch, seq }
      const everybody = follows.get(EVERYBODY)
      // One that comes unasked catches up: with what changed, or, when that is too much to know, with everybody.
      const part = answered(id) ?? (recovered || !everybody || everybody.told === 'not' ? [] : [everybody])
      isTold(part)
      show(told)
      const isOfAll = everybody !== undefined && part.includes(everybody)
      if (isOfAll && !recovered) {
        const present = new Set(told.map(user => user.userId))
        // Whoever is not on a list of everybody is offline.
        for (const { userId, lastSeen, username, freshness, status } of shown.all()) {
          if (!present.has(userId) && status !== 'offline')
            shown.set({ userId, status: 'offline', lastSeen, username }, freshness)
        }
      }
      show(isOfAll ? shown.all() : part.flatMap(({ key }) => shown.get(key) ?? []))
    },

    diff({ prevSeq, seq, users }) {
      const joins = place?.seq === prevSeq
      if (!joins) interrupt()
      place = { epoch: place?.epoch ?? '', seq }
      // What it says is so, joined or not.
      show(users)
      return joins
    },

    counted(told, id) {
      isTold(answered(id) ?? [])
      if (follows.has(COUNT)) count = told
    },

    refused({ id }, mayAskAgain) {
      const part = answered(id)
      if (mayAskAgain) for (const follow of part ?? []) follow.told = 'again'
      return part !== undefined
    },

    takeChanged() {
      const users = shown.takeChanged()
      return {
        users,
        listeners: new Set(users.flatMap(({ userId }) => follows.get(userId)?.listeners ?? [])),
      }
    },
  }
  return self
}
