import type { UserId } from '@who-is-online/protocol/words'
import type { EndedSession, OwnChoice } from './change.ts'
import { type Choice, type FirstChoice, hasExpired, NO_CHOICE } from './choice.ts'
import { Deadlines } from './deadlines.ts'
import { Expiries } from './expiries.ts'
import { type Fact, presenceOf } from './fact.ts'
import type { PresenceOptions } from './options.ts'
import { readyAt, type Spent, spend } from './pace.ts'
import type { PresenceRecord } from './record.ts'
import { Round } from './round.ts'
import { type SessionName, User } from './user.ts'
import { ownCopy } from './user-table.ts'
import type { WallClock } from './wall-clock.ts'

/** What others see of a user, as far as it matters for what is said next. */
export interface Seen {
  readonly lastSeen: number
  readonly username: string | undefined
}

/** Looks up what others see of a user; `undefined` for a user whom nobody has seen. */
export type SeenLookup = (userId: UserId) => Seen | undefined

/** What a session brings for its user when it begins. */
export interface Arrival {
  readonly username?: string | undefined
  readonly choice?: FirstChoice | undefined
}

/** A user to whom something happened, and what is to be said of it. */
export interface Settled {
  readonly user: User
  readonly fact: Fact | undefined
  /** Whether `lastSeen` of the fact is a sign of life that came to this process. */
  readonly isOwnSign: boolean
}

/** What happened to one user by a command. */
export interface Step extends Settled {
  /** Set if the user's own choice is another one, and the user has a session to be told. */
  readonly choice?: OwnChoice | undefined
  readonly ended?: readonly EndedSession[]
}

/** What replaces a choice that is over. */
const ENDED: Choice = { ...NO_CHOICE, text: undefined, expiresAt: undefined }

/**
 * What this node decides: the sessions of its users, how long a lost one is held, what its users chose, and
 * when the next change of a user may be said. It decides what others are to see, and never what they see:
 * {@link View}.
 */
export class Here {
  readonly #options: PresenceOptions
  readonly #wall: WallClock
  readonly #view: SeenLookup
  /** The newest fact of each user that is not visible yet. */
  readonly #pending = new Map<UserId, Fact>()
  readonly #users = new Map<UserId, User>()
  readonly #round = new Round(() => this.#users.values())
  /** How many of the users nobody has seen. */
  #unseen = 0
  /** When a lost session is over, or the turn of a change has come, in awake time. */
  readonly #deadlines = new Deadlines<User>()
  /**
   * Ends of choices, by the wall clock: a suspension of the process delays none. See `WallClock.choiceTime`.
   */
  readonly #expiries = new Expiries()
  /** Ends of choices that were made while the wall clock was ahead, and by that clock. */
  readonly #expiriesByWall = new Expiries()
  /**
   * Users without a session whose choice is kept, and until when (awake time). All are kept equally long, so
   * in that order.
   */
  readonly #kept = new Map<User, number>()
  readonly #spent = new Map<UserId, Spent>()
  /** Until when, in awake time, clients are on their way back after a suspension. */
  #returnUntil = Number.NEGATIVE_INFINITY

  constructor(options: PresenceOptions, wall: WallClock, view: SeenLookup) {
    this.#options = options
    this.#wall = wall
    this.#view = view
  }

  // Commands

  /**
   * Takes what an earlier process knew of a user, unless there is nothing but what others see. What is due is
   * taken as said. Returns the user.
   */
  restore(record: PresenceRecord, now: number): User | undefined {
    const { userId, session, status, text, expiresAt, newUsername, lastSeen } = record
    const { chosenAt = 0, keptHidden } = record
    const { restartGraceMs, inactiveGraceMs, hiddenKeepMs } = this.#options
    const isGone = session === 'none'
    const isKept = expiresAt !== undefined || keptHidden === true || chosenAt > 0
    if (isGone && !isKept && (newUsername === undefined || record.unseen)) return undefined
    const user = new User(userId, lastSeen, record.unseen !== true)
    if (newUsername !== undefined) user.restoreNewName(newUsername)
    const hasChoice = !isGone || expiresAt !== undefined || keptHidden === true
    const choice = hasChoice ? { status, text, expiresAt } : NO_CHOICE
    user.restoreChoice(choice, chosenAt, this.#wall.choiceTime(now))
    const awake = this.#wall.awake(now)
    if (isGone) {
      if (isKept) user.restoreKept(awake + hiddenKeepMs)
      if (user.isDone) return undefined
    } else {
      const isInactive = record.inactive === true
      const until = awake + (isInactive ? Math.max(restartGraceMs, inactiveGraceMs) : restartGraceMs)
      user.restoreSessions(record.idle === true, isInactive, until)
      this.#deadlines.add(until, user)
      // A name that waited for its turn is seen from now on.
      if (user.isVisible) user.markSaid(now)
    }
    this.#add(user)
    this.#watch(user)
    if (user.keptUntil > 0) this.#kept.set(user, user.keptUntil)
    return user
  }

  open(userId: UserId, session: SessionName, now: number, { username, choice }: Arrival): Step {
    const user = this.#users.get(userId) ?? this.#newUser(ownCopy(userId), now)
    if (!user.hasSessions) this.#expire(user, now)
    user.open(session, now)
    this.#kept.delete(user)
    if (username !== undefined) this.#rename(user, username)
    const isOther = choice !== undefined && user.begin(this.#stillOf(choice, now), now)
    return { ...this.#settle(user, now), choice: isOther ? this.#chosen(user, now) : undefined }
  }

  leave(user: User, sessionId: string, now: number): Step {
    const ended = user.end(sessionId) ? [{ userId: user.userId, sessionId }] : []
    return { ...this.#settle(user, now), ended }
  }

  lose(user: User, sessionId: string, now: number): Step {
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

  setStatus(user: User, choice: Choice, now: number): Step {
    const isOther = user.choose(this.#stillOf(choice, now), now)
    const own = isOther ? this.#chosen(user, now) : undefined
    return { ...this.#settle(user, now), choice: own }
  }

  setActivity(user: User, sessionId: string, isIdle: boolean, now: number): Step {
    user.setSession(sessionId, { isIdle })
    return this.#settle(user, now)
  }

  setVisibility(user: User, sessionId: string, isInactive: boolean, now: number): Step {
    user.setSession(sessionId, { isInactive })
    return this.#settle(user, now)
  }

  identify(userId: UserId, username: string, now: number): Step {
    const user = this.#users.get(userId) ?? this.#newUser(userId, now)
    this.#rename(user, username)
    return this.#settle(user, now)
  }

  /** The next user for whom the time has come for something; `undefined` if nobody is left. */
  advance(now: number): Step | undefined {
    const awake = this.#wall.awake(now)
    for (;;) {
      const user = this.#takeExpired(now) ?? this.#deadlines.take(awake) ?? this.#takeKept(awake)
      if (!user) return undefined
      if (this.#users.get(user.userId) !== user) continue // done, or forgotten, since that was noted
      const hasFallenBack = this.#expire(user, now)
      const ended = user.endHeld(awake).map(sessionId => ({ userId: user.userId, sessionId }))
      user.endKept(awake)
      const choice = hasFallenBack && user.hasSessions ? ownChoiceOf(user) : undefined
      return { ...this.#settle(user, now), choice, ended }
    }
  }

  /** When {@link advance} has something to do, in ms since the epoch; Infinity if nothing waits. */
  get nextDeadline(): number {
    const [keptUntil = Number.POSITIVE_INFINITY] = this.#kept.values()
    return Math.min(
      this.#wall.at(Math.min(this.#deadlines.next, keptUntil)),
      this.#expiries.next + this.#wall.aheadMs,
      this.#expiriesByWall.next,
    )
  }

  /**
   * Clients are on their way back: sessions that are lost, or will be until then, have the restart grace from
   * now on.
   */
  awaitReturn(now: number): void {
    const until = this.#wall.awake(now) + this.#options.restartGraceMs
    this.#returnUntil = until
    for (const user of this.#users.values()) {
      if (user.holdLonger(until)) this.#deadlines.add(until, user)
    }
  }

  /**
   * The wall clock was set by `ms`. What this process wrote of users who are present moves with it. Returns
   * those whose `lastSeen` that changes.
   */
  jumped(ms: number): User[] {
    const moved: User[] = []
    for (const user of this.#users.values()) {
      user.moveHeard(ms)
      if (this.signOfLife(user) !== undefined) moved.push(user)
      if (!user.isChoiceByWall) continue
      user.isChoiceByWall = false
      this.#watch(user)
    }
    return moved
  }

  /** A fact is visible now. */
  applied(fact: Fact): void {
    if (this.#pending.get(fact.userId) === fact) this.#pending.delete(fact.userId)
  }

  forget(userId: UserId): void {
    const user = this.#users.get(userId)
    if (user) this.#remove(user)
  }

  /** Drops what has been earned back of the pace, at most `count` users. */
  dropEarnedBack(awake: number, count: number): void {
    let left = count
    for (const [userId, spent] of this.#spent) {
      if (spent > awake || left-- <= 0) return
      this.#spent.delete(userId)
    }
  }

  // Queries

  /** What this node knows of a user besides what others see. */
  get(userId: UserId): User | undefined {
    return this.#users.get(userId)
  }

  /**
   * What others see of a user, once all is visible that was said; `undefined` for a user whom nobody has
   * seen.
   */
  seen(userId: UserId): Seen | undefined {
    return this.#pending.get(userId) ?? this.#view(userId)
  }

  users(): Iterable<User> {
    return this.#users.values()
  }

  /** The next user of an endless round through all. */
  next(): User | undefined {
    return this.#round.next()
  }

  /** The user whose choice has been kept longest. */
  get keptLongest(): User | undefined {
    const [user] = this.#kept.keys()
    return user
  }

  /** How many users nobody has seen. */
  get unseenCount(): number {
    return this.#unseen
  }

  /**
   * The last sign of life of a user whom others see, if it came to this process, in ms since the epoch. It is
   * later than what was said last.
   */
  signOfLife(user: User): number | undefined {
    return user.isVisible ? user.heardAt : undefined
  }

  // How

  #rename(user: User, username: string): void {
    user.rename(username, this.seen(user.userId)?.username)
  }

  /** A choice, or none if its end has come already. */
  #stillOf<Made extends Choice>(choice: Made, now: number): Made | Choice {
    return hasExpired(choice, this.#wall.choiceTime(now)) ? { ...choice, ...ENDED } : choice
  }

  /** A user has made another choice. Its end is by the clock that says the end is still to come. */
  #chosen(user: User, now: number): OwnChoice {
    user.isChoiceByWall = this.#wall.aheadMs > 0 && (user.choice.expiresAt ?? 0) > now
    this.#watch(user)
    return ownChoiceOf(user)
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

  /** Takes out a user whose choice was kept until `awake`, if there is one. */
  #takeKept(awake: number): User | undefined {
    for (const [user, until] of this.#kept) {
      if (until > awake) return undefined
      this.#kept.delete(user)
      return user
    }
    return undefined
  }

  /** Ends a user's choice if its end has come. Returns whether it had. */
  #expire(user: User, now: number): boolean {
    return user.expire(user.isChoiceByWall ? now : this.#wall.choiceTime(now))
  }

  /**
   * Ends a command on a user: says what is due, or puts it off until the pace allows, and drops a user who is
   * done.
   */
  #settle(user: User, now: number): Settled {
    this.#wall.tell(now)
    const settled = this.#say(user, now)
    if (user.isDone) this.#remove(user)
    return settled
  }

  #say(user: User, now: number): Settled {
    const nothing = { user, fact: undefined, isOwnSign: false }
    const awake = this.#wall.awake(now)
    if (user.isSaid) {
      this.#markSaid(user, now, awake)
      return nothing
    }
    const isLeaving = presenceOf(user.due).status === 'offline'
    const turn = this.#turnOf(user, isLeaving)
    if (turn > awake && !user.hides) {
      if (user.wait(turn)) this.#deadlines.add(turn, user)
      return nothing
    }
    this.#spend(user, awake)
    const { userId, due, cause, newName } = user
    const seen = this.seen(userId)
    const username = isLeaving ? seen?.username : (newName ?? seen?.username)
    const lastSign = this.signOfLife(user)
    this.#markSaid(user, now, awake)
    const sign = isLeaving ? lastSign : this.signOfLife(user)
    const lastSeen = sign ?? seen?.lastSeen ?? now
    const fact = { userId, ...due, username, lastSeen, cause, at: now }
    this.#pending.set(userId, fact)
    return { user, fact, isOwnSign: sign !== undefined }
  }

  /**
   * What is due of a user was said. A user whom nobody sees any more has time to come back to the same
   * choice.
   */
  #markSaid(user: User, now: number, awake: number): void {
    const { wasSeen } = user
    user.markSaid(now)
    if (user.wasSeen && !wasSeen) this.#unseen--
    if (user.deactivate(awake + this.#options.hiddenKeepMs)) this.#kept.set(user, user.keptUntil)
  }

  /**
   * From when on a change of this user may be said, in awake time. A leaving waits until the return may be
   * said as well, so that others see a user who comes back after an ordinary leaving at once.
   */
  #turnOf({ userId }: User, isLeaving: boolean): number {
    const { changePace } = this.#options
    const spent = this.#spent.get(userId) ?? 0
    const turn = readyAt(changePace, spent)
    return isLeaving ? Math.min(turn + changePace.everyMs, spent) : turn
  }

  #spend({ userId }: User, awake: number): void {
    if (this.#options.changePace.everyMs === 0) return
    const spent = spend(this.#options.changePace, this.#spent.get(userId) ?? 0, awake)
    // Moved to the end: the Map stays nearly in the order in which debts are earned back, for
    // `dropEarnedBack`.
    this.#spent.delete(userId)
    this.#spent.set(userId, spent)
  }

  #newUser(userId: UserId, now: number): User {
    const user = new User(userId, now, this.seen(userId) !== undefined)
    this.#add(user)
    return user
  }

  #add(user: User): void {
    this.#users.set(user.userId, user)
    if (!user.wasSeen) this.#unseen++
  }

  /** Removes a user. Deadlines of the object are skipped when they come. */
  #remove(user: User): void {
    this.#users.delete(user.userId)
    this.#expiries.forget(user)
    this.#expiriesByWall.forget(user)
    this.#kept.delete(user)
    if (!user.wasSeen) this.#unseen--
  }
}

function ownChoiceOf({ userId, choice, chosenAt }: User): OwnChoice {
  return { userId, choice, madeAt: chosenAt || undefined }
}
