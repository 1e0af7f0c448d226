import type { Presence as Shown, Status, UserId } from '@who-is-online/protocol/words'
import { type Change, NOTHING, type Outcome } from './change.ts'
import { type Choice, hasExpired, NO_CHOICE, OFFLINE, type View } from './choice.ts'
import { Deadlines } from './deadlines.ts'
import { Expiries } from './expiries.ts'
import { type Gone, Known, ownCopy } from './known.ts'
import { type Pace, readyAt, type Spent, spend } from './pace.ts'
import { type SessionName, User } from './user.ts'

export type { Choice } from './choice.ts'

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
  /**
   * What the user chose; `offline` with a session is a hidden user. Without one it is `offline`, unless a choice
   * with an end (`expiresAt`) may still come back into force.
   */
  readonly status: Status
  readonly text?: string
  /** Ms since the epoch. */
  readonly expiresAt?: number
  /** All sessions are idle. */
  readonly idle?: true
  /** What others are told, ms since the epoch; for a visible live user the last proof of life. */
  readonly lastSeen: number
  readonly username?: string
  /** A name that others don't see yet. */
  readonly newUsername?: string
}

/** A user as others see them. */
export interface SeenUser {
  readonly userId: UserId
  readonly status: Shown
  /** Ms since the epoch; null for a user never seen. */
  readonly lastSeen: number | null
  readonly username: string | undefined
  readonly text: string | undefined
  /** When the text and the status end, in ms since the epoch. */
  readonly expiresAt: number | undefined
}

/** Some users, and where to go on; undefined at the end. */
export interface Page {
  readonly users: readonly SeenUser[]
  readonly next: number | undefined
}

/** How many users are looked at for one that can be forgotten: more finds an older one, and costs more. */
const FORGET_SAMPLE = 32

/** How many places one page looks at, at most: about a millisecond of work, however few users are asked for. */
const LOOK_AT = 10_000

/**
 * Who is here. Pure: it is told what happened and when (`now`, ms since the epoch, never decreasing), and
 * returns what that changed. Whose socket a session is, on which node, does not matter here.
 */
export class Presence {
  readonly #options: PresenceOptions
  readonly #known = new Known<User>()
  readonly #online = new Set<User>()
  readonly #spent = new Map<UserId, Spent>()
  readonly #deadlines = new Deadlines<User>()
  /** Ends of choices, which come by the wall clock: a pause of the process puts none of them off. */
  readonly #expiries = new Expiries()
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
      const { userId, session, status, text, expiresAt, username, newUsername } = record
      const lastSeen = Math.min(record.lastSeen, now)
      if (session === 'none' && expiresAt === undefined && newUsername === undefined) {
        this.#known.rest(userId, lastSeen, username)
        continue
      }
      const user = new User(userId, lastSeen, username, newUsername)
      this.#known.put(user)
      if (session !== 'none' || expiresAt !== undefined) user.restoreChoice({ status, text, expiresAt }, now)
      this.#expiries.watch(user)
      if (session === 'none') {
        this.#letRest(user)
        continue
      }
      user.restoreStay(record.idle === true, until)
      if (user.shown.status !== 'offline') this.#online.add(user)
      this.#deadlines.add(until, user)
    }
  }

  /** A session begins, perhaps with a name for its user: an arrival is one change, not two. */
  open(userId: UserId, session: SessionName, now: number, username?: string): Outcome {
    const known = this.#known.get(userId)
    const forgotten = known ? [] : this.#makeRoom()
    const user = this.#wake(known ?? { userId: ownCopy(userId), lastSeen: now, username: undefined })
    user.open(session, now)
    if (username !== undefined) user.rename(username)
    const { changes, touched, choices } = this.#settle(user, now)
    return { changes, touched: [...touched, ...forgotten], choices }
  }

  /** A session was left on purpose: it is over at once. */
  leave(userId: UserId, sessionId: string, now: number): Outcome {
    const user = this.#known.whole(userId)
    if (!user) return NOTHING
    user.end(sessionId)
    return this.#settle(user, now)
  }

  /** A session was lost: it is held for the grace period. */
  lose(userId: UserId, sessionId: string, now: number): Outcome {
    const user = this.#known.whole(userId)
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
    this.#known.whole(userId)?.heard(at)
  }

  /** A user with a session chooses what others see; one without can't, and nothing changes. */
  setStatus(userId: UserId, choice: Choice, now: number): Outcome {
    const user = this.#known.whole(userId)
    if (!user) return NOTHING
    const isAnother = user.choose(hasExpired(choice, now) ? NO_CHOICE : choice)
    if (isAnother) this.#expiries.watch(user)
    const outcome = this.#settle(user, now)
    return isAnother ? { ...outcome, choices: [userId] } : outcome
  }

  /** Somebody is active or idle in a session. */
  setActivity(userId: UserId, sessionId: string, activity: 'active' | 'idle', now: number): Outcome {
    const user = this.#known.whole(userId)
    if (!user) return NOTHING
    user.setIdle(sessionId, activity === 'idle')
    return this.#settle(user, now)
  }

  /** A user takes a name. From a hidden one others see it only when they see the user again. */
  identify(userId: UserId, username: string, now: number): Outcome {
    const known = this.#known.get(userId)
    if (!known || nameOf(known) === username) return NOTHING
    const user = this.#wake(known)
    user.rename(username)
    return this.#settle(user, now)
  }

  /**
   * Time passes: grace periods and choices end, and changes whose turn has come are shown. Looks at `limit` users
   * at most; while `nextDeadline <= now` there is more to do.
   */
  advance(now: number, limit: number): Outcome {
    const changes: Change[] = []
    const touched: UserId[] = []
    const choices: UserId[] = []
    const awake = this.#awake(now)
    for (let count = 0; count < limit; count++) {
      const user = this.#expiries.take(now) ?? this.#deadlines.take(awake)
      if (!user) break
      if (this.#known.whole(user.userId) !== user) continue // gone, or forgotten, since that was put down
      const hasFallenBack = user.expire(now)
      user.endHeld(awake)
      if (hasFallenBack && user.hasSessions) choices.push(user.userId)
      const outcome = this.#settle(user, now)
      changes.push(...outcome.changes)
      touched.push(...outcome.touched)
    }
    return { changes, touched, choices }
  }

  /** When `advance` has something to do, in ms since the epoch; Infinity when nothing is waiting. */
  get nextDeadline(): number {
    return Math.min(this.#deadlines.next + this.#pausedMs, this.#expiries.next)
  }

  /** This process stood still for `ms`: nobody's grace period ran meanwhile. */
  paused(ms: number): void {
    this.#pausedMs += ms
  }

  /** Looks at the next `count` users and forgets those who were not seen for `keepMs`. */
  forgetStale(now: number, count: number): Outcome {
    const touched: UserId[] = []
    for (let looked = 0; looked < count; looked++) {
      const known = this.#known.next()
      if (!known) break
      if (isGone(known) && known.lastSeen < now - this.#options.keepMs) touched.push(this.#forget(known))
    }
    this.#forgetEarnedBack(now, count)
    return { changes: [], touched, choices: [] }
  }

  // What is so

  get onlineCount(): number {
    return this.#online.size
  }

  get knownCount(): number {
    return this.#known.size
  }

  /** One user as others see them; who was never seen is offline. */
  see(userId: UserId): SeenUser {
    const known = this.#known.get(userId)
    return known ? asSeen(known) : { userId, status: 'offline', lastSeen: null, ...NOTHING_SEEN }
  }

  /** What a user has chosen: the truth, which is only for the user's own connections. */
  choice(userId: UserId): Choice {
    const user = this.#known.whole(userId)
    return user?.hasSessions ? user.choice : NO_CHOICE
  }

  /** The first `limit` users as others see them, the online ones first. */
  *list(limit: number): Generator<SeenUser> {
    let left = limit
    for (const user of this.#online) {
      if (left-- <= 0) return
      yield asSeen(user)
    }
    for (const known of this.#known) {
      if (viewOf(known).status !== 'offline') continue
      if (left-- <= 0) return
      yield asSeen(known)
    }
  }

  /**
   * Some users from a place on (0 is the first), all or those seen with a status. Whoever is known throughout a
   * paging is met exactly once. A page may be short, or empty, and not the last.
   */
  page(from: number, limit: number, status?: Shown): Page {
    const users: SeenUser[] = []
    const end = Math.min(this.#known.end, from + LOOK_AT)
    let place = from
    while (place < end && users.length < limit) {
      const known = this.#known.at(place++)
      if (known && (status === undefined || viewOf(known).status === status)) users.push(asSeen(known))
    }
    return { users, next: place < this.#known.end ? place : undefined }
  }

  /** What is to be kept of one user; undefined for one who was forgotten. */
  record(userId: UserId): PresenceRecord | undefined {
    const known = this.#known.get(userId)
    return known && asRecord(known)
  }

  /** What is to be kept of everybody, as it is when it is reached. Users may come and go meanwhile. */
  *records(): Generator<PresenceRecord> {
    for (const known of this.#known) yield asRecord(known)
  }

  // How

  #awake(now: number): number {
    return now - this.#pausedMs
  }

  /** What happened to a user is done: others see what they should, and who has gone comes to rest. */
  #settle(user: User, now: number): Outcome {
    const changes = this.#show(user, now)
    this.#letRest(user)
    return { changes, touched: [user.userId], choices: [] }
  }

  /** Lets others see what they should see of a user, or puts it off until that user's pace allows. */
  #show(user: User, now: number): Change[] {
    if (user.isShown) {
      user.show()
      return []
    }
    const { status } = user.due
    const turn = this.#turnOf(user, status)
    if (turn > now && !user.hides) {
      if (user.wait(turn)) this.#deadlines.add(this.#awake(turn), user)
      return []
    }
    this.#spend(user, now)
    const previous = user.shown.status
    user.show()
    if (status === 'offline') this.#online.delete(user)
    else this.#online.add(user)
    return [{ userId: user.userId, status, previous, at: now }]
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

  /** The object of a user about whom there will be more to say. */
  #wake(known: User | Gone): User {
    if (known instanceof User) return known
    const user = new User(known.userId, known.lastSeen, known.username)
    this.#known.put(user)
    return user
  }

  /** Lets go of the object of a user about whom there is no more to say. What it is due for is nothing any more. */
  #letRest(user: User): void {
    if (!user.isAllTold) return
    this.#expiries.forget(user)
    this.#known.rest(user.userId, user.lastSeen, user.username)
  }

  #makeRoom(): UserId[] {
    if (this.#known.size < this.#options.maxKnown) return []
    let oldest: User | Gone | undefined
    for (let looked = 0; looked < FORGET_SAMPLE; looked++) {
      const known = this.#known.next()
      if (known && isGone(known) && (!oldest || known.lastSeen < oldest.lastSeen)) oldest = known
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

  #forget(known: User | Gone): UserId {
    this.#known.forget(known.userId)
    if (known instanceof User) this.#expiries.forget(known)
    return known.userId
  }
}

/** Neither here nor waiting to be shown as gone: nothing is lost by forgetting but a name and a time. */
function isGone(known: User | Gone): boolean {
  return !(known instanceof User) || known.presence === 'none'
}

function viewOf(known: User | Gone): View {
  return known instanceof User ? known.shown : OFFLINE
}

/** The name that a user has taken, seen by others or not. */
function nameOf(known: User | Gone): string | undefined {
  return (known instanceof User ? known.newName : undefined) ?? known.username
}

const NOTHING_SEEN = { username: undefined, text: undefined, expiresAt: undefined }

function asSeen(known: User | Gone): SeenUser {
  const { userId, lastSeen, username } = known
  const { status, text, expiresAt } = viewOf(known)
  return { userId, status, lastSeen, username, text, expiresAt }
}

function asRecord(known: User | Gone): PresenceRecord {
  const { userId, lastSeen, username } = known
  const name = username !== undefined && { username }
  if (!(known instanceof User)) return { userId, session: 'none', status: 'offline', lastSeen, ...name }
  const { presence, choice, newName } = known
  // Nobody who is gone has a choice but one with an end: they start as online the next time.
  const isKept = presence !== 'none' || choice.expiresAt !== undefined
  return {
    userId,
    session: presence,
    status: isKept ? choice.status : 'offline',
    ...(isKept && choice.text !== undefined && { text: choice.text }),
    ...(isKept && choice.expiresAt !== undefined && { expiresAt: choice.expiresAt }),
    ...(known.isIdle && { idle: true }),
    lastSeen,
    ...name,
    ...(newName !== undefined && { newUsername: newName }),
  }
}
