import type { Presence as Shown, Status, UserId } from '@who-is-online/protocol/words'
import { type Change, NOTHING, type Outcome } from './change.ts'
import { type Choice, type FirstChoice, hasExpired, NO_CHOICE, OFFLINE, type View } from './choice.ts'
import { Deadlines } from './deadlines.ts'
import { Expiries } from './expiries.ts'
import { type Pace, readyAt, type Spent, spend } from './pace.ts'
import { type SessionName, User } from './user.ts'
import { type ArchivedUser, ownCopy, UserTable } from './user-table.ts'
import { type StoredTimes, WallClock } from './wall-clock.ts'

export type { Choice } from './choice.ts'

export interface PresenceOptions {
  /** How long a lost session may come back without a change, in ms. */
  readonly graceMs: number
  /** The same for everybody who was present when an earlier process stopped, from its successor's start. */
  readonly restartGraceMs: number
  /** The same for a session that nobody looks at, in either case, if it is longer: browsers let hidden tabs run once a minute. */
  readonly inactiveGraceMs: number
  /** From how long a suspension of this process, or of its machine, on clients have noticed it and are on their way back, in ms. */
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
  /**
   * The last sign of life while the user was visible, in ms since the epoch. It is by the wall clock, but not behind the right
   * time where that is known.
   */
  readonly lastSeen: number
  /** Others have never seen this user, who was always hidden. */
  readonly unseen?: true
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
  readonly #wall = new WallClock()
  /** In awake time. */
  readonly #deadlines = new Deadlines<User>()
  /** Ends of choices, by the wall clock: a suspension of the process delays none of them. See `WallClock.choiceTime`. */
  readonly #expiries = new Expiries()
  /** Ends of choices that were made while the wall clock was ahead, and by that clock. */
  readonly #expiriesByWall = new Expiries()
  /** Users without a session whose choice is kept, and until when in awake time: in order, because all are kept equally long. */
  readonly #kept = new Map<User, number>()
  /** Of users who went offline while the clock was off: the sum of its jumps at that time, to set `lastSeen` right later. */
  readonly #stampedOff = new Map<UserId, number>()
  /** Until when, in awake time, clients are on their way back after a suspension. */
  #returnUntil = Number.NEGATIVE_INFINITY

  constructor(options: PresenceOptions) {
    this.#options = options
  }

  // Commands

  /**
   * Takes what an earlier process knew; users who were present then have the restart grace to come back. What was stored
   * stays as it is, whatever the clock says now, unless the clock had never been set when it was stored.
   *
   * @param times what the earlier process has stored of the time.
   */
  restore(records: Iterable<PresenceRecord>, now: number, times: StoredTimes = {}): void {
    const moveMs = this.#wall.begin(now, times)
    for (const record of records) this.#restore(record, now, moveMs)
  }

  #restore(record: PresenceRecord, now: number, moveMs: number): void {
    const { userId, session, status, text, expiresAt, username, newUsername } = record
    const { chosenAt = 0, keptHidden } = record
    const { restartGraceMs, inactiveGraceMs, hiddenKeepMs } = this.#options
    const awake = this.#wall.awake(now)
    const lastSeen = record.lastSeen + moveMs
    const isGone = session === 'none'
    const isKept = expiresAt !== undefined || keptHidden === true || chosenAt > 0
    if (isGone && !isKept && newUsername === undefined) {
      if (record.unseen) return
      this.#users.archive(userId, lastSeen, username)
      return
    }
    const user = new User(userId, lastSeen, {
      ...(username !== undefined && { username }),
      ...(newUsername !== undefined && { newName: newUsername }),
      wasSeen: record.unseen !== true,
    })
    this.#users.put(user)
    const hasChoice = !isGone || expiresAt !== undefined || keptHidden === true
    user.restoreChoice(
      hasChoice ? { status, text, expiresAt } : NO_CHOICE,
      chosenAt,
      this.#wall.choiceTime(now),
    )
    this.#watch(user)
    if (isGone) {
      if (isKept) {
        user.restoreKept(awake + hiddenKeepMs)
        this.#kept.set(user, user.keptUntil)
      }
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
    const user = known ? this.#activate(known) : this.#newUser(ownCopy(userId), now)
    if (!user.hasSessions) this.#expire(user, now)
    user.open(session, now)
    this.#kept.delete(user)
    if (username !== undefined) user.rename(username)
    const isOther = choice !== undefined && user.begin(this.#stillOf(choice, now), now)
    if (isOther) this.#chosen(user, now)
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
    const awake = this.#wall.awake(now)
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
    this.#wall.tell(at)
    this.#users.active(userId)?.heard(at)
  }

  /** A user chooses what others see. Without a session nothing changes. */
  setStatus(userId: UserId, choice: Choice, now: number): Outcome {
    const user = this.#users.active(userId)
    if (!user) return NOTHING
    const isAnother = user.choose(this.#stillOf(choice, now), now)
    if (isAnother) this.#chosen(user, now)
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
    const awake = this.#wall.awake(now)
    this.#wall.tell(now)
    dirty.push(...this.#believe(now))
    for (let count = 0; count < limit; count++) {
      const user = this.#takeExpired(now) ?? this.#deadlines.take(awake) ?? this.#takeKept(awake)
      if (!user) break
      if (this.#users.active(user.userId) !== user) continue // gone, or forgotten, since that was put down
      const hasFallenBack = this.#expire(user, now)
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
    const [keptUntil = Number.POSITIVE_INFINITY] = this.#kept.values()
    return Math.min(
      this.#wall.at(Math.min(this.#deadlines.next, keptUntil)),
      this.#expiries.next + this.#wall.aheadMs,
      this.#expiriesByWall.next,
    )
  }

  /**
   * Leaves `ms` out of all durations: the wall clock was corrected by that much, which is less than a jump, or nobody could
   * connect meanwhile, because the server did not listen yet.
   */
  leaveOut(ms: number): void {
    this.#wall.leaveOut(ms)
  }

  /**
   * This process was suspended for `ms` and goes on at `now`: nobody's grace period ran meanwhile. Clients have noticed a
   * suspension of `noticedMs` and more, and are on their way back as after a restart: sessions that are lost already, or
   * will be until then, have the restart grace from now on.
   */
  suspended(ms: number, now: number): void {
    this.#wall.leaveOut(ms)
    if (ms >= this.#options.noticedMs) this.#awaitReturn(now)
  }

  /**
   * The wall clock was set by `ms` and says `now`. No duration changes. What was stamped for users who are present moves with
   * the clock; when a clock that was wrong is right again, so does what was stamped meanwhile for users who left.
   *
   * A jump forward may be the end of a pause of the machine, in which all its other clocks stood still: clients that have
   * noticed it are on their way back, as after a suspension.
   */
  jumped(ms: number, now: number): Outcome {
    const isRight = this.#wall.jump(ms, now)
    if (ms >= this.#options.noticedMs) this.#awaitReturn(now)
    const dirty: UserId[] = []
    for (const known of this.#users) {
      if (!(known instanceof User)) continue
      const { lastSeen } = known
      known.moveStamps(ms)
      if (known.lastSeen !== lastSeen) dirty.push(known.userId)
      if (known.isChoiceByWall) {
        known.isChoiceByWall = false
        this.#watch(known)
      }
    }
    if (isRight) dirty.push(...this.#setStampsRight())
    return { changes: [], dirty, choices: [] }
  }

  /** A lower bound of the real time, to be kept for the next process; see `WallClock.knownTime`. */
  knownTime(now: number): number {
    return this.#wall.knownTime(now)
  }

  /** The time as it is to be stored of users who are present; see `PresenceRecord.lastSeen`. */
  storedTime(now: number): number {
    return now + this.#wall.behindMs()
  }

  /** The time by which the end of a choice is still to come or is over; see `WallClock.choiceTime`. */
  choiceTime(now: number): number {
    return this.#wall.choiceTime(now)
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
      if (isGone(known) && this.#wall.lastPresent(known.lastSeen) < before) dirty.push(this.#forget(known))
    }
    this.#forgetEarnedBack(this.#wall.awake(now), count)
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
    return known && wasSeen(known)
      ? this.#asSeen(known)
      : { userId, status: 'offline', lastSeen: null, ...NOTHING_SEEN }
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
      if (viewOf(known).status !== 'offline' || !wasSeen(known)) continue
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
      if (!known || !wasSeen(known)) continue
      if (status === undefined || viewOf(known).status === status) users.push(this.#asSeen(known))
    }
    return { users, next: place < this.#users.end ? place : undefined }
  }

  /** What is to be kept of one user; undefined for an unknown user. */
  record(userId: UserId): PresenceRecord | undefined {
    const known = this.#users.get(userId)
    return known && this.#asRecord(known)
  }

  /** What is to be kept of all users, as it is when it is reached. Users may come and go meanwhile. */
  *records(): Generator<PresenceRecord> {
    for (const known of this.#users) yield this.#asRecord(known)
  }

  // How

  /** A choice, or none if its end has come already. */
  #stillOf<Made extends Choice>(choice: Made, now: number): Made | Choice {
    return hasExpired(choice, this.#wall.choiceTime(now)) ? { ...choice, ...ENDED } : choice
  }

  /** A user has made another choice. Its end is by the clock that says the end is still to come. */
  #chosen(user: User, now: number): void {
    user.isChoiceByWall = this.#wall.aheadMs > 0 && (user.choice.expiresAt ?? 0) > now
    this.#watch(user)
  }

  /** Waits for the end of a user's present choice, if it has one. */
  #watch(user: User): void {
    const { isChoiceByWall } = user
    ;(isChoiceByWall ? this.#expiries : this.#expiriesByWall).forget(user)
    ;(isChoiceByWall ? this.#expiriesByWall : this.#expiries).watch(user)
  }

  #takeExpired(now: number): User | undefined {
    return this.#expiries.take(this.#wall.choiceTime(now)) ?? this.#expiriesByWall.take(now)
  }

  /** Ends a user's choice if its end has come. Returns whether it had. */
  #expire(user: User, now: number): boolean {
    return user.expire(user.isChoiceByWall ? now : this.#wall.choiceTime(now))
  }

  /** Clients are on their way back: whoever is lost already, or will be until then, has the restart grace from now on. */
  #awaitReturn(now: number): void {
    const until = this.#wall.awake(now) + this.#options.restartGraceMs
    this.#returnUntil = until
    for (const known of this.#users) {
      if (known instanceof User && known.holdLonger(until)) this.#deadlines.add(until, known)
    }
  }

  /** A user as others see them. */
  #asSeen(known: User | ArchivedUser): SeenUser {
    const { userId, lastSeen, username } = known
    const { status, text, expiresAt } = viewOf(known)
    return { userId, status, lastSeen: this.#wall.shown(lastSeen), username, text, expiresAt }
  }

  /** The clock is right again: so is, from now on, what it stamped while it was off. */
  #setStampsRight(): UserId[] {
    const { jumpedMs } = this.#wall
    const dirty: UserId[] = []
    for (const [userId, jumpedThen] of this.#stampedOff) {
      const known = this.#users.get(userId)
      if (!known) continue
      this.#setLastSeen(known, known.lastSeen + jumpedMs - jumpedThen)
      dirty.push(userId)
    }
    this.#stampedOff.clear()
    return dirty
  }

  /** Time passes: what was in doubt for long is taken to be right. Returns whose record changes by it. */
  #believe(now: number): UserId[] {
    const dirty: UserId[] = []
    if (this.#wall.isToBeBelieved(now)) {
      if (this.#wall.behindMs() > 0) for (const { userId } of this.#online) dirty.push(userId)
      dirty.push(...this.#stampedOff.keys())
      this.#stampedOff.clear()
      this.#wall.believe()
    }
    if (this.#wall.isSetBackForGood(now)) {
      for (const known of this.#users) {
        const lastSeen = this.#wall.shown(known.lastSeen)
        if (lastSeen === known.lastSeen) continue
        this.#setLastSeen(known, lastSeen)
        dirty.push(known.userId)
      }
      this.#wall.replaced(now)
    }
    return dirty
  }

  #setLastSeen(known: User | ArchivedUser, lastSeen: number): void {
    if (known instanceof User) known.lastSeen = lastSeen
    else this.#users.archive(known.userId, lastSeen, known.username)
  }

  /** Takes out a user whose choice was kept until `awake`, if there is one. */
  #takeKept(awake: number): User | undefined {
    for (const [user, until] of this.#kept) {
      if (until > awake) return undefined
      this.#kept.delete(user)
      return user
    }
    return undefined
  }

  /** Ends a command on a user: others see what they should, and a user who is no longer active is archived. */
  #settle(user: User, now: number): Outcome {
    this.#wall.tell(now)
    const changes = this.#show(user, now)
    this.#archiveIfDone(user)
    return { changes, dirty: [user.userId], choices: [] }
  }

  /** Lets others see what they should see of a user, or puts it off until that user's pace allows. */
  #show(user: User, now: number): Change[] {
    const awake = this.#wall.awake(now)
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
    const isStampedOff = status === 'offline' && this.#wall.isOff && user.isStampedHere
    this.#reveal(user, now, awake)
    if (isStampedOff) this.#stampedOff.set(user.userId, this.#wall.jumpedMs)
    else this.#stampedOff.delete(user.userId)
    if (status === 'offline') this.#online.delete(user)
    else this.#online.add(user)
    return [{ userId: user.userId, status, previous, at: now }]
  }

  /** Lets others see what is due, and keeps what is to be kept of a user whom nobody sees any more. */
  #reveal(user: User, now: number, awake: number): void {
    const before = user.keptUntil
    user.show(now, awake + this.#options.hiddenKeepMs)
    if (user.keptUntil !== before) this.#kept.set(user, user.keptUntil)
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
    const { userId, lastSeen, username } = known
    const user = new User(userId, lastSeen, username === undefined ? {} : { username })
    this.#users.put(user)
    return user
  }

  #newUser(userId: UserId, now: number): User {
    const user = new User(userId, now, { wasSeen: false })
    this.#users.put(user)
    return user
  }

  /**
   * Archives a user who is no longer active, or forgets one whom nobody has seen. Deadlines of the object are skipped when
   * they come.
   */
  #archiveIfDone(user: User): void {
    if (!user.isArchivable) return
    if (!user.wasSeen) {
      this.#forget(user)
      return
    }
    this.#forgetTimes(user)
    this.#users.archive(user.userId, user.lastSeen, user.username)
  }

  #forgetTimes(user: User): void {
    this.#expiries.forget(user)
    this.#expiriesByWall.forget(user)
    this.#kept.delete(user)
  }

  #makeRoom(): UserId[] {
    if (this.#users.size < this.#options.maxKnown) return []
    let oldest: User | ArchivedUser | undefined
    const [keptLongest] = this.#kept.keys()
    for (let looked = 0; looked < FORGET_SAMPLE; looked++) {
      const known = this.#users.next()
      if (known && isGone(known) && (!oldest || known.lastSeen < oldest.lastSeen)) oldest = known
    }
    oldest ??= keptLongest
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
    if (known instanceof User) this.#forgetTimes(known)
    return known.userId
  }

  #asRecord(known: User | ArchivedUser): PresenceRecord {
    const { userId, username } = known
    const lastSeen = known.lastSeen + this.#behindMs(known)
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
      ...(!known.wasSeen && { unseen: true }),
      ...name,
      ...(newName !== undefined && { newUsername: newName }),
    }
  }

  /** How far the clock is known to have been behind when it made the `lastSeen` of a user, in ms. */
  #behindMs(known: User | ArchivedUser): number {
    const jumpedThen = this.#stampedOff.get(known.userId)
    if (jumpedThen !== undefined) return this.#wall.behindMs(jumpedThen)
    const isSeenNow = known instanceof User && known.shown.status !== 'offline' && known.isStampedHere
    return isSeenNow ? this.#wall.behindMs() : 0
  }
}

/** Whether only a name and a time are lost if the user is forgotten: not present, not still shown, not to be hidden on returning. */
function isGone(known: User | ArchivedUser): boolean {
  return !(known instanceof User) || (known.liveness === 'none' && !known.isKeptHidden)
}

/** Whether others have ever seen the user. */
function wasSeen(known: User | ArchivedUser): boolean {
  return !(known instanceof User) || known.wasSeen
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
