import type { Presence as Shown, Status, UserId } from '@who-is-online/protocol/words'
import { type Change, NOTHING, type Outcome } from './change.ts'
import { type Choice, type FirstChoice, hasExpired, NO_CHOICE, OFFLINE, type View } from './choice.ts'
import { ClockSkew } from './clock-skew.ts'
import { Deadlines } from './deadlines.ts'
import { Expiries } from './expiries.ts'
import { type Pace, readyAt, type Spent, spend } from './pace.ts'
import { type SessionName, User } from './user.ts'
import { type ArchivedUser, ownCopy, UserTable } from './user-table.ts'

export type { Choice } from './choice.ts'

export interface PresenceOptions {
  /** How long a lost session may come back without a change, in ms. */
  readonly graceMs: number
  /** The same for everybody who was present when an earlier process stopped, from its successor's start. */
  readonly restartGraceMs: number
  /** The same for a session that nobody looks at, in either case, if it is longer: browsers let hidden tabs run once a minute. */
  readonly inactiveGraceMs: number
  /** From how long a suspension of this process on clients have noticed it and are on their way back, in ms. */
  readonly noticedMs: number
  /** How long the choice to be hidden, and the time of any other choice, is kept for a user whose line was lost, in ms. */
  readonly hiddenKeepMs: number
  /** How often one user's visible presence may change. Beyond it, what others see lags; hiding never waits. */
  readonly changePace: Pace
  /** How many users are remembered. Beyond it, one long offline is forgotten for each new one. */
  readonly maxKnown: number
  /** How long an offline user is remembered, in ms. */
  readonly keepMs: number
}

/**
 * What is kept of one user between processes. `session` is what was known when it was noted: `live` has an answering
 * connection, `held` has lost it and is in a grace period, `none` has no session.
 */
export interface PresenceRecord {
  readonly userId: UserId
  readonly session: 'live' | 'held' | 'none'
  /**
   * What the user chose; `offline` with a session is a hidden user. Without one it is `offline`, unless a choice
   * with an end (`expiresAt`) may still come back into force.
   */
  readonly status: Status
  /** When the choice was made, in ms since the epoch. Absent where that is not known. */
  readonly chosenAt?: number
  /** The user is gone (`session` is `none`), but the choice `offline` still counts when they come back. */
  readonly keptHidden?: true
  readonly text?: string
  /** Ms since the epoch. */
  readonly expiresAt?: number
  /** All sessions are idle. */
  readonly idle?: true
  /** A session said that nobody looks at it (`client_state inactive`). Only with a session. */
  readonly inactive?: true
  /** What others are told, ms since the epoch; for a visible live user the last proof of life. */
  readonly lastSeen: number
  readonly username?: string
  /** A name that others do not see yet. */
  readonly newUsername?: string
}

/** What a user brings along when a session begins. */
export interface Arrival {
  readonly username?: string | undefined
  readonly choice?: FirstChoice | undefined
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

/** Some users, and where the next page begins; undefined at the end. */
export interface Page {
  readonly users: readonly SeenUser[]
  readonly next: number | undefined
}

/** How many users are looked at to find one that can be forgotten: more would find an older one, and cost more. */
const FORGET_SAMPLE = 32

/**
 * A time before this (the start of 2020) was stamped by a clock that had not been set yet: it is no reason to forget a
 * user.
 */
const FIRST_PLAUSIBLE_TIME = 1_577_836_800_000

/** How many places one page looks at, at most: about a millisecond of work, however few users are asked for. */
const LOOK_AT = 10_000

/**
 * Who is here. Pure: it is told what happened and when, and returns what that changed. `now` is the wall clock in ms since
 * the epoch; it never decreases, except where `jumped` says so before. Whose socket a session is, on which node, does not
 * matter here.
 */
export class Presence {
  readonly #options: PresenceOptions
  readonly #users = new UserTable<User>()
  readonly #online = new Set<User>()
  readonly #spent = new Map<UserId, Spent>()
  readonly #deadlines = new Deadlines<User>()
  /** Ends of choices, which come by the wall clock: a suspension of the process delays none of them. */
  readonly #expiries = new Expiries()
  readonly #skew = new ClockSkew()
  /** Of users who went offline while the clock was off: the sum of its jumps at that time, to set `lastSeen` right later. */
  readonly #stampedOff = new Map<UserId, number>()
  /**
   * The wall clock minus awake time: changes when the process was suspended and nobody could come back, and when the
   * clock was set or corrected. Deadlines are in awake time.
   */
  #offsetMs = 0
  /** Until when, in awake time, clients are on their way back after a suspension. */
  #returnUntil = Number.NEGATIVE_INFINITY
  /** The newest `now`. */
  #now = 0
  /** A lower bound of the real time, and when in awake time it was that; grows only with time that passes here. */
  #known: { readonly time: number; readonly at: number } | undefined

  constructor(options: PresenceOptions) {
    this.#options = options
  }

  // Commands

  /**
   * Takes what an earlier process knew; users who were present then have the restart grace to come back. What was stored
   * stays as it is, whatever the clock says now.
   *
   * @param knownTime a lower bound of the real time, from `knownTime` of the earlier process.
   */
  restore(records: Iterable<PresenceRecord>, now: number, knownTime = now): void {
    const awake = this.#awake(now)
    this.#tell(now)
    this.#known = { time: knownTime, at: awake }
    this.#skew.doubt(now, knownTime, awake)
    for (const record of records) this.#restore(record, now, awake)
  }

  #restore(record: PresenceRecord, now: number, awake: number): void {
    const { userId, session, status, text, expiresAt, lastSeen, username, newUsername } = record
    const { chosenAt = 0, keptHidden } = record
    const { restartGraceMs, inactiveGraceMs, hiddenKeepMs } = this.#options
    const isGone = session === 'none'
    const isKept = expiresAt !== undefined || keptHidden === true || chosenAt > 0
    if (isGone && !isKept && newUsername === undefined) {
      this.#users.archive(userId, lastSeen, username)
      return
    }
    const user = new User(userId, lastSeen, username, newUsername)
    this.#users.put(user)
    const hasChoice = !isGone || expiresAt !== undefined || keptHidden === true
    user.restoreChoice(hasChoice ? { status, text, expiresAt } : NO_CHOICE, chosenAt, now)
    this.#expiries.watch(user)
    if (isGone) {
      if (isKept) this.#keep(user, awake + hiddenKeepMs)
      this.#archiveIfDone(user)
      return
    }
    const isInactive = record.inactive === true
    const until = awake + (isInactive ? Math.max(restartGraceMs, inactiveGraceMs) : restartGraceMs)
    user.restoreSessions(record.idle === true, isInactive, until)
    if (user.shown.status !== 'offline') this.#online.add(user)
    this.#deadlines.add(until, user)
  }

  /** A session begins, perhaps with a name and a choice of its user: an arrival is one change. */
  open(userId: UserId, session: SessionName, now: number, { username, choice }: Arrival = {}): Outcome {
    const known = this.#users.get(userId)
    const forgotten = known ? [] : this.#makeRoom()
    const user = this.#activate(known ?? { userId: ownCopy(userId), lastSeen: now, username: undefined })
    if (!user.hasSessions) user.expire(this.#civil(now))
    user.open(session, now)
    if (username !== undefined) user.rename(username)
    const isOther = choice !== undefined && user.begin(this.#stillOf(choice, now), now)
    if (isOther) this.#expiries.watch(user)
    const { changes, dirty } = this.#settle(user, now)
    return { changes, dirty: [...dirty, ...forgotten], choices: isOther ? [userId] : [] }
  }

  /** A session was left on purpose: it ends at once. */
  leave(userId: UserId, sessionId: string, now: number): Outcome {
    const user = this.#users.active(userId)
    if (!user) return NOTHING
    user.end(sessionId)
    return this.#settle(user, now)
  }

  /** A session was lost: it is held for the grace period. */
  lose(userId: UserId, sessionId: string, now: number): Outcome {
    const user = this.#users.active(userId)
    if (!user) return NOTHING
    const { graceMs, inactiveGraceMs } = this.#options
    const awake = this.#awake(now)
    const until = user.hold(
      sessionId,
      Math.max(awake + graceMs, this.#returnUntil),
      Math.max(awake + graceMs, awake + inactiveGraceMs, this.#returnUntil),
    )
    this.#deadlines.add(until, user)
    return this.#settle(user, now)
  }

  /**
   * A user was proven alive at `at`. Changes only `lastSeen`. Only this and `open` are proofs of life: a choice may be made
   * on a user's behalf, and the end of a session may be noticed late.
   */
  heard(userId: UserId, at: number): void {
    this.#tell(at)
    this.#users.active(userId)?.heard(at)
  }

  /** A user chooses what others see. Without a session nothing changes. */
  setStatus(userId: UserId, choice: Choice, now: number): Outcome {
    const user = this.#users.active(userId)
    if (!user) return NOTHING
    const isAnother = user.choose(this.#stillOf(choice, now), now)
    if (isAnother) this.#expiries.watch(user)
    const outcome = this.#settle(user, now)
    return isAnother ? { ...outcome, choices: [userId] } : outcome
  }

  /** A user is active or idle in a session. */
  setActivity(userId: UserId, sessionId: string, activity: 'active' | 'idle', now: number): Outcome {
    const user = this.#users.active(userId)
    if (!user) return NOTHING
    user.setSession(sessionId, { isIdle: activity === 'idle' })
    return this.#settle(user, now)
  }

  /** Whether anybody looks at a session: one that is inactive is held longer when its line is lost. */
  setVisibility(userId: UserId, sessionId: string, visibility: 'active' | 'inactive', now: number): Outcome {
    const user = this.#users.active(userId)
    if (!user) return NOTHING
    user.setSession(sessionId, { isInactive: visibility === 'inactive' })
    return this.#settle(user, now)
  }

  /** A user takes a name. Others see the name of a hidden user only when they see the user again. */
  identify(userId: UserId, username: string, now: number): Outcome {
    const known = this.#users.get(userId)
    if (!known || nameOf(known) === username) return NOTHING
    const user = this.#activate(known)
    user.rename(username)
    return this.#settle(user, now)
  }

  /**
   * Time passes: grace periods and choices end, and changes whose turn has come are shown. Looks at `limit` users
   * at most; while `nextDeadline <= now` there is more to do.
   */
  advance(now: number, limit: number): Outcome {
    const changes: Change[] = []
    const dirty: UserId[] = []
    const choices: UserId[] = []
    const awake = this.#awake(now)
    this.#tell(now)
    if (this.#skew.believe(awake)) this.#stampedOff.clear()
    const civil = this.#civil(now)
    for (let count = 0; count < limit; count++) {
      const user = this.#expiries.take(civil) ?? this.#deadlines.take(awake)
      if (!user) break
      if (this.#users.active(user.userId) !== user) continue // gone, or forgotten, since that was put down
      const hasFallenBack = user.expire(civil)
      user.endHeld(awake)
      user.endKept(awake)
      if (hasFallenBack && user.hasSessions) choices.push(user.userId)
      const outcome = this.#settle(user, now)
      changes.push(...outcome.changes)
      dirty.push(...outcome.dirty)
    }
    return { changes, dirty, choices }
  }

  /** When `advance` has something to do, in ms since the epoch; Infinity if nothing waits. */
  get nextDeadline(): number {
    return Math.min(this.#deadlines.next + this.#offsetMs, this.#expiries.next + this.#skew.aheadMs)
  }

  /**
   * Leaves `ms` out of all durations: the wall clock was corrected by that much, which is less than a jump, or nobody could
   * connect meanwhile, because the server did not listen yet.
   */
  leaveOut(ms: number): void {
    this.#offsetMs += ms
  }

  /**
   * This process was suspended for `ms` and goes on at `now`: nobody's grace period ran meanwhile. Clients have noticed a
   * suspension of `noticedMs` and more, and are on their way back as after a restart: sessions that are lost already, or
   * will be until then, have the restart grace from now on.
   */
  suspended(ms: number, now: number): void {
    this.#offsetMs += ms
    if (ms < this.#options.noticedMs) return
    const until = this.#awake(now) + this.#options.restartGraceMs
    this.#returnUntil = until
    for (const known of this.#users) {
      if (known instanceof User && known.holdLonger(until)) this.#deadlines.add(until, known)
    }
  }

  /**
   * The wall clock was set by `ms` and says `now`. No duration changes. What was stamped for users who are present moves with
   * the clock; when a clock that was wrong is right again, so does what was stamped meanwhile for users who left.
   */
  jumped(ms: number, now: number): Outcome {
    this.#offsetMs += ms
    this.#now = now
    const dirty: UserId[] = []
    for (const known of this.#users) {
      if (!(known instanceof User)) continue
      const { lastSeen } = known
      known.moveStamps(ms)
      if (known.lastSeen !== lastSeen) dirty.push(known.userId)
    }
    if (this.#skew.jump(ms, now, this.knownTime(now), this.#awake(now))) dirty.push(...this.#setStampsRight())
    return { changes: [], dirty, choices: [] }
  }

  /**
   * A lower bound of the real time, in ms since the epoch: it grows with the time that processes saw pass, and whatever is
   * done to the clock does not move it. To be kept for the next process.
   */
  knownTime(now: number): number {
    return this.#known ? this.#known.time + this.#awake(now) - this.#known.at : now
  }

  /**
   * Looks at the next `count` users and forgets those who were not seen for `keepMs`: by the clock, and by the time that is
   * known to have passed. So no clock that is wrong makes anybody forgotten.
   */
  forgetStale(now: number, count: number): Outcome {
    const dirty: UserId[] = []
    const before = Math.min(now, this.knownTime(now)) - this.#options.keepMs
    for (let looked = 0; looked < count; looked++) {
      const known = this.#users.next()
      if (!known) break
      if (isGone(known) && this.#lastPresent(known) < before) dirty.push(this.#forget(known))
    }
    this.#forgetEarnedBack(this.#awake(now), count)
    return { changes: [], dirty, choices: [] }
  }

  // Queries

  get onlineCount(): number {
    return this.#online.size
  }

  get knownCount(): number {
    return this.#users.size
  }

  /** One user as others see them; a user who was never seen is offline. */
  see(userId: UserId): SeenUser {
    const known = this.#users.get(userId)
    return known ? this.#asSeen(known) : { userId, status: 'offline', lastSeen: null, ...NOTHING_SEEN }
  }

  /** What a user has chosen, hidden or not: only for the user's own connections. */
  choice(userId: UserId): Choice {
    const user = this.#users.active(userId)
    return user?.hasSessions ? user.choice : NO_CHOICE
  }

  /** When a user has chosen that, in ms since the epoch; undefined where it is not known. */
  chosenAt(userId: UserId): number | undefined {
    return this.#users.active(userId)?.chosenAt || undefined
  }

  /** The first `limit` users as others see them, the online ones first. */
  *list(limit: number): Generator<SeenUser> {
    let left = limit
    for (const user of this.#online) {
      if (left-- <= 0) return
      yield this.#asSeen(user)
    }
    for (const known of this.#users) {
      if (viewOf(known).status !== 'offline') continue
      if (left-- <= 0) return
      yield this.#asSeen(known)
    }
  }

  /**
   * Some users from a place on (0 is the first), all or those seen with a status. A user who is known throughout a paging is
   * met exactly once. A page may be short, or empty, and not be the last.
   */
  page(from: number, limit: number, status?: Shown): Page {
    const users: SeenUser[] = []
    const end = Math.min(this.#users.end, from + LOOK_AT)
    let place = from
    while (place < end && users.length < limit) {
      const known = this.#users.at(place++)
      if (known && (status === undefined || viewOf(known).status === status)) users.push(this.#asSeen(known))
    }
    return { users, next: place < this.#users.end ? place : undefined }
  }

  /** What is to be kept of one user; undefined for an unknown user. */
  record(userId: UserId): PresenceRecord | undefined {
    const known = this.#users.get(userId)
    return known && asRecord(known)
  }

  /** What is to be kept of all users, as it is when it is reached. Users may come and go meanwhile. */
  *records(): Generator<PresenceRecord> {
    for (const known of this.#users) yield asRecord(known)
  }

  // How

  #awake(now: number): number {
    return now - this.#offsetMs
  }

  /** The time that ends of choices go by: not that of a clock which is ahead, for what has ended does not begin again. */
  #civil(now: number): number {
    return now - this.#skew.aheadMs
  }

  #tell(now: number): void {
    this.#now = Math.max(this.#now, now)
  }

  /** A choice, or none if its end has come already. */
  #stillOf<Made extends Choice>(choice: Made, now: number): Made | Choice {
    return hasExpired(choice, this.#civil(now)) ? { ...choice, ...ENDED } : choice
  }

  /** A user as others see them. Nobody was last seen in the future: such a time was stamped by a clock that was wrong. */
  #asSeen(known: User | ArchivedUser): SeenUser {
    const { userId, lastSeen, username } = known
    const { status, text, expiresAt } = viewOf(known)
    return { userId, status, lastSeen: Math.min(lastSeen, this.#now), username, text, expiresAt }
  }

  /** When a user was last present, as far as it is reason to forget them. */
  #lastPresent({ lastSeen }: User | ArchivedUser): number {
    return lastSeen < FIRST_PLAUSIBLE_TIME ? (this.#known?.time ?? lastSeen) : lastSeen
  }

  /** The clock is right again: so is, from now on, what it stamped while it was off. */
  #setStampsRight(): UserId[] {
    const { jumpedMs } = this.#skew
    const dirty: UserId[] = []
    for (const [userId, jumpedThen] of this.#stampedOff) {
      const known = this.#users.get(userId)
      if (!known) continue
      const lastSeen = known.lastSeen + jumpedMs - jumpedThen
      if (known instanceof User) known.lastSeen = lastSeen
      else this.#users.archive(userId, lastSeen, known.username)
      dirty.push(userId)
    }
    this.#stampedOff.clear()
    return dirty
  }

  /** Keeps what a user without a session has chosen until then, in awake time. */
  #keep(user: User, until: number): void {
    user.restoreKept(until)
    this.#deadlines.add(until, user)
  }

  /** Ends a command on a user: others see what they should, and a user who is no longer active is archived. */
  #settle(user: User, now: number): Outcome {
    this.#tell(now)
    const changes = this.#show(user, now)
    this.#archiveIfDone(user)
    return { changes, dirty: [user.userId], choices: [] }
  }

  /** Lets others see what they should see of a user, or puts it off until that user's pace allows. */
  #show(user: User, now: number): Change[] {
    const awake = this.#awake(now)
    if (user.isShown) {
      this.#reveal(user, now, awake)
      return []
    }
    const { status } = user.due
    const turn = this.#turnOf(user, status)
    if (turn > awake && !user.hides) {
      if (user.wait(turn)) this.#deadlines.add(turn, user)
      return []
    }
    this.#spend(user, awake)
    const previous = user.shown.status
    const isStampedOff = status === 'offline' && this.#skew.isOff && user.isStampedHere
    this.#reveal(user, now, awake)
    if (isStampedOff) this.#stampedOff.set(user.userId, this.#skew.jumpedMs)
    else this.#stampedOff.delete(user.userId)
    if (status === 'offline') this.#online.delete(user)
    else this.#online.add(user)
    return [{ userId: user.userId, status, previous, at: now }]
  }

  /** Lets others see what is due, and keeps what is to be kept of a user whom nobody sees any more. */
  #reveal(user: User, now: number, awake: number): void {
    const before = user.keptUntil
    user.show(now, awake + this.#options.hiddenKeepMs)
    if (user.keptUntil !== before) this.#deadlines.add(user.keptUntil, user)
  }

  /**
   * From when on a change of this user may be shown, in awake time. A leaving waits until the return may be shown as well, so
   * that a user who comes back after an ordinary leaving is shown at once.
   */
  #turnOf({ userId }: User, due: Shown): number {
    const { changePace } = this.#options
    const spent = this.#spent.get(userId) ?? 0
    const turn = readyAt(changePace, spent)
    return due === 'offline' ? Math.min(turn + changePace.everyMs, spent) : turn
  }

  #spend({ userId }: User, awake: number): void {
    if (this.#options.changePace.everyMs === 0) return
    const spent = spend(this.#options.changePace, this.#spent.get(userId) ?? 0, awake)
    // Moved to the end: the Map stays nearly in the order in which debts are earned back, for `forgetStale`.
    this.#spent.delete(userId)
    this.#spent.set(userId, spent)
  }

  /** The object of a user who becomes active. */
  #activate(known: User | ArchivedUser): User {
    if (known instanceof User) return known
    const user = new User(known.userId, known.lastSeen, known.username)
    this.#users.put(user)
    return user
  }

  /** Archives a user who is no longer active. Deadlines of the object are skipped when they come. */
  #archiveIfDone(user: User): void {
    if (!user.isArchivable) return
    this.#expiries.forget(user)
    this.#users.archive(user.userId, user.lastSeen, user.username)
  }

  #makeRoom(): UserId[] {
    if (this.#users.size < this.#options.maxKnown) return []
    let oldest: User | ArchivedUser | undefined
    for (let looked = 0; looked < FORGET_SAMPLE; looked++) {
      const known = this.#users.next()
      if (known && isGone(known) && (!oldest || known.lastSeen < oldest.lastSeen)) oldest = known
    }
    return oldest ? [this.#forget(oldest)] : []
  }

  #forgetEarnedBack(awake: number, count: number): void {
    let left = count
    for (const [userId, spent] of this.#spent) {
      if (spent > awake || left-- <= 0) return
      this.#spent.delete(userId)
    }
  }

  #forget(known: User | ArchivedUser): UserId {
    this.#users.forget(known.userId)
    this.#stampedOff.delete(known.userId)
    if (known instanceof User) this.#expiries.forget(known)
    return known.userId
  }
}

/** Whether only a name and a time are lost if the user is forgotten: not present, not still shown, not to be hidden on returning. */
function isGone(known: User | ArchivedUser): boolean {
  return !(known instanceof User) || (known.liveness === 'none' && !known.isKeptHidden)
}

function viewOf(known: User | ArchivedUser): View {
  return known instanceof User ? known.shown : OFFLINE
}

/** The name that a user has taken, whether others see it yet or not. */
function nameOf(known: User | ArchivedUser): string | undefined {
  return (known instanceof User ? known.newName : undefined) ?? known.username
}

const NOTHING_SEEN = { username: undefined, text: undefined, expiresAt: undefined }

/** What replaces a choice that is over. */
const ENDED: Choice = { ...NO_CHOICE, text: undefined, expiresAt: undefined }

function asRecord(known: User | ArchivedUser): PresenceRecord {
  const { userId, lastSeen, username } = known
  const name = username !== undefined && { username }
  if (!(known instanceof User)) return { userId, session: 'none', status: 'offline', lastSeen, ...name }
  const { liveness, choice, chosenAt, newName } = known
  // Without a session only a choice with an end is kept, and for some time the choice to be hidden.
  const isKept = liveness !== 'none' || choice.expiresAt !== undefined || known.isKeptHidden
  return {
    userId,
    session: liveness,
    status: isKept ? choice.status : 'offline',
    ...(isKept && choice.text !== undefined && { text: choice.text }),
    ...(isKept && choice.expiresAt !== undefined && { expiresAt: choice.expiresAt }),
    ...(chosenAt > 0 && { chosenAt }),
    ...(known.isKeptHidden && { keptHidden: true }),
    ...(known.isIdle && { idle: true }),
    ...(known.isInactive && { inactive: true }),
    lastSeen,
    ...name,
    ...(newName !== undefined && { newUsername: newName }),
  }
}
