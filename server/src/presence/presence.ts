import type { Presence as Shown, Status, UserId } from '@who-is-online/protocol/words'
import { type Change, NOTHING, type Outcome } from './change.ts'
import { Deadlines } from './deadlines.ts'
import { type Pace, readyAt, type Spent, spend } from './pace.ts'
import { User } from './user.ts'

export interface PresenceOptions {
  /** How long a lost session may come back without anybody noticing, in ms. */
  readonly graceMs: number
  /** The same for everybody who was here when an earlier process stopped, from its successor's start. */
  readonly restartGraceMs: number
  /** How often one user's visible presence may change. Beyond it what others see lags; hiding never waits. */
  readonly changePace: Pace
  /** How many users are remembered. Beyond it somebody long gone is forgotten for each new one. */
  readonly maxKnown: number
  /** How long a user who does not come back is remembered, in ms. */
  readonly keepMs: number
}

/**
 * What is kept of one user between processes. `session` is what was known when it was noted: `live` has an
 * answering connection, `held` was silent already and has a grace period running, `none` is gone.
 */
export interface PresenceRecord {
  readonly userId: UserId
  readonly session: 'live' | 'held' | 'none'
  /** What the user chose; `offline` with a session is a hidden user, without one simply gone. */
  readonly status: Status
  /** What others are told, ms since the epoch; for a visible live user the last proof of life. */
  readonly lastSeen: number
  readonly username?: string
  /** A name taken while hidden, which others don't see yet. */
  readonly newUsername?: string
}

/** A user as others see them. */
export interface SeenUser {
  readonly userId: UserId
  readonly status: Shown
  /** Ms since the epoch; null for a user never seen. */
  readonly lastSeen: number | null
  readonly username: string | undefined
}

/** How many users are looked at for one that can be forgotten: more finds an older one, and costs more. */
const FORGET_SAMPLE = 32

/**
 * Who is here. Pure: it is told what happened and when (`now`, ms since the epoch, never decreasing), and
 * returns what that changed. Whose socket a session is, on which node, does not matter here.
 */
export class Presence {
  readonly #options: PresenceOptions
  readonly #users = new Map<UserId, User>()
  readonly #online = new Set<User>()
  readonly #spent = new Map<UserId, Spent>()
  readonly #deadlines = new Deadlines<User>()
  /** Walks round and round through all users, a few at a time; a Map's iterator survives any change. */
  #walk: Iterator<User> | undefined
  /** Time in which this process was stopped and nobody could have come back: it does not count. */
  #pausedMs = 0

  constructor(options: PresenceOptions) {
    this.#options = options
  }

  // What happens

  /** Takes what an earlier process knew; who was here then has the restart grace to come back. */
  restore(records: Iterable<PresenceRecord>, now: number): void {
    const until = this.#awake(now) + this.#options.restartGraceMs
    for (const record of records) {
      const user = new User(
        record.userId,
        Math.min(record.lastSeen, now),
        record.username,
        record.newUsername,
      )
      this.#users.set(user.userId, user)
      if (record.session === 'none') continue
      user.restore(record.status, until)
      if (user.shown !== 'offline') this.#online.add(user)
      this.#deadlines.add(until, user)
    }
  }

  /** A session begins. */
  open(userId: UserId, sessionId: string, now: number): Outcome {
    const user = this.#users.get(userId)
    if (user) {
      user.open(sessionId, now)
      return this.#settle(user, now)
    }
    const forgotten = this.#makeRoom()
    const newcomer = new User(userId, now)
    this.#users.set(userId, newcomer)
    newcomer.open(sessionId, now)
    const { changes, touched } = this.#settle(newcomer, now)
    return { changes, touched: [...touched, ...forgotten] }
  }

  /** A session was left on purpose: it is over at once. */
  leave(userId: UserId, sessionId: string, now: number): Outcome {
    const user = this.#users.get(userId)
    if (!user) return NOTHING
    user.end(sessionId)
    return this.#settle(user, now)
  }

  /** A session was lost: it is held for the grace period. */
  lose(userId: UserId, sessionId: string, now: number): Outcome {
    const user = this.#users.get(userId)
    if (!user) return NOTHING
    const until = this.#awake(now) + this.#options.graceMs
    user.hold(sessionId, until)
    this.#deadlines.add(until, user)
    return this.#settle(user, now)
  }

  /**
   * Somebody was proven alive at `at`. Moves no one's presence, only `lastSeen`. Nothing but this and `open` is a
   * proof of life: a choice may be made on a user's behalf, and whoever sees a session end may be late.
   */
  heard(userId: UserId, at: number): void {
    this.#users.get(userId)?.heard(at)
  }

  /** A user with a session chooses a status; one without can't, and nothing changes. */
  setStatus(userId: UserId, status: Status, now: number): Outcome {
    const user = this.#users.get(userId)
    if (!user) return NOTHING
    user.choose(status)
    return this.#settle(user, now)
  }

  /** A user takes a name. From a hidden one others see it only when they see the user again. */
  identify(userId: UserId, username: string): Outcome {
    const user = this.#users.get(userId)
    if (!user || (user.newName ?? user.username) === username) return NOTHING
    user.rename(username)
    return { changes: [], touched: [userId] }
  }

  /**
   * Time passes: grace periods end, and changes whose turn has come are shown. Looks at `limit` users at most;
   * while `nextDeadline <= now` there is more to do.
   */
  advance(now: number, limit: number): Outcome {
    const changes: Change[] = []
    const touched: UserId[] = []
    const awake = this.#awake(now)
    for (let count = 0; count < limit; count++) {
      const user = this.#deadlines.take(awake)
      if (!user) break
      user.endHeld(awake)
      const outcome = this.#settle(user, now)
      changes.push(...outcome.changes)
      touched.push(...outcome.touched)
    }
    return { changes, touched }
  }

  /** When `advance` has something to do, in ms since the epoch; Infinity when nothing is waiting. */
  get nextDeadline(): number {
    return this.#deadlines.next + this.#pausedMs
  }

  /** This process stood still for `ms`: nobody's grace period ran meanwhile. */
  paused(ms: number): void {
    this.#pausedMs += ms
  }

  /** Looks at the next `count` users and forgets those who were not seen for `keepMs`. */
  forgetStale(now: number, count: number): Outcome {
    const touched: UserId[] = []
    for (let looked = 0; looked < count; looked++) {
      const user = this.#nextOnWalk()
      if (!user) break
      if (isGone(user) && user.lastSeen < now - this.#options.keepMs) touched.push(this.#forget(user))
    }
    this.#forgetEarnedBack(now, count)
    return { changes: [], touched }
  }

  // What is so

  get onlineCount(): number {
    return this.#online.size
  }

  get knownCount(): number {
    return this.#users.size
  }

  /** One user as others see them; who was never seen is offline. */
  see(userId: UserId): SeenUser {
    const user = this.#users.get(userId)
    return user ? asSeen(user) : { userId, status: 'offline', lastSeen: null, username: undefined }
  }

  /** The first `limit` users as others see them, the online ones first. */
  *list(limit: number): Generator<SeenUser> {
    let left = limit
    for (const user of this.#online) {
      if (left-- <= 0) return
      yield asSeen(user)
    }
    for (const user of this.#users.values()) {
      if (user.shown !== 'offline') continue
      if (left-- <= 0) return
      yield asSeen(user)
    }
  }

  /** What is to be kept of one user; undefined for one who was forgotten. */
  record(userId: UserId): PresenceRecord | undefined {
    const user = this.#users.get(userId)
    return user && asRecord(user)
  }

  /** What is to be kept of everybody, as it is when it is reached. Users may come and go meanwhile. */
  *records(): Generator<PresenceRecord> {
    for (const user of this.#users.values()) yield asRecord(user)
  }

  // How

  #awake(now: number): number {
    return now - this.#pausedMs
  }

  /** Lets others see what they should see of a user, or puts it off until that user's pace allows. */
  #settle(user: User, now: number): Outcome {
    const touched = [user.userId]
    const { due } = user
    if (due === user.shown) {
      user.show()
      return { changes: [], touched }
    }
    const turn = this.#turnOf(user, due)
    if (turn > now && !user.hides) {
      if (user.wait(turn)) this.#deadlines.add(this.#awake(turn), user)
      return { changes: [], touched }
    }
    this.#spend(user, now)
    user.show()
    if (due === 'offline') this.#online.delete(user)
    else this.#online.add(user)
    return { changes: [{ userId: user.userId, status: due, at: now }], touched }
  }

  /**
   * From when on a change of this user may be shown. A leaving waits until there is enough for the return as
   * well: whoever comes back after an ordinary leaving is shown at once.
   */
  #turnOf({ userId }: User, due: Shown): number {
    const { changePace } = this.#options
    const spent = this.#spent.get(userId) ?? 0
    const turn = readyAt(changePace, spent)
    return due === 'offline' ? Math.min(turn + changePace.everyMs, spent) : turn
  }

  #spend({ userId }: User, now: number): void {
    if (this.#options.changePace.everyMs === 0) return
    const spent = spend(this.#options.changePace, this.#spent.get(userId) ?? 0, now)
    // Set anew at the end: the Map stays nearly in the order in which it is earned back, for `forgetStale`.
    this.#spent.delete(userId)
    this.#spent.set(userId, spent)
  }

  #makeRoom(): UserId[] {
    if (this.#users.size < this.#options.maxKnown) return []
    let oldest: User | undefined
    for (let looked = 0; looked < FORGET_SAMPLE; looked++) {
      const user = this.#nextOnWalk()
      if (user && isGone(user) && (!oldest || user.lastSeen < oldest.lastSeen)) oldest = user
    }
    return oldest ? [this.#forget(oldest)] : []
  }

  #forgetEarnedBack(now: number, count: number): void {
    let left = count
    for (const [userId, spent] of this.#spent) {
      if (spent > now || left-- <= 0) return
      this.#spent.delete(userId)
    }
  }

  #forget(user: User): UserId {
    this.#users.delete(user.userId)
    return user.userId
  }

  #nextOnWalk(): User | undefined {
    const step = this.#walk?.next()
    if (step && !step.done) return step.value
    this.#walk = this.#users.values()
    const first = this.#walk.next()
    return first.done ? undefined : first.value
  }
}

/** Neither here nor waiting to be shown as gone: nothing is lost by forgetting but a name and a time. */
function isGone(user: User): boolean {
  return user.presence === 'none'
}

function asSeen(user: User): SeenUser {
  return { userId: user.userId, status: user.shown, lastSeen: user.lastSeen, username: user.username }
}

function asRecord(user: User): PresenceRecord {
  return {
    userId: user.userId,
    session: user.presence,
    // Nobody who is gone has a choice: they start as online the next time.
    status: user.presence === 'none' ? 'offline' : user.choice,
    lastSeen: user.lastSeen,
    ...(user.username === undefined ? {} : { username: user.username }),
    ...(user.newName === undefined ? {} : { newUsername: user.newName }),
  }
}
