import type { UserId } from '@who-is-online/protocol/words'
import type { EndedSession, OwnChoice } from './change.ts'
import { ChangeLimiters } from './change-limiters.ts'
import {
  type Choice,
  type FirstChoice,
  hasExpired,
  isPlain,
  isSameChoice,
  isSameShown,
  NO_CHOICE,
  OFFLINE,
  type ShownPresence,
} from './choice.ts'
import { type Fact, NOTHING_SAID, presenceOf } from './fact.ts'
import {
  type LeaseRefusal,
  type LeasesElsewhere,
  type LeaseTerms,
  MAX_LEASES,
  MAX_LEASES_PER_USER,
  MAX_TTL_MS,
  type OrphanedLeases,
} from './lease.ts'
import type { PresenceOptions } from './options.ts'
import { PendingFacts } from './pending.ts'
import { type ChoiceLookup, type KnownChoice, NO_SESSION_YET, type PresentUser } from './present-user.ts'
import type { PresenceRecord } from './record.ts'
import { Round } from './round.ts'
import { User } from './user.ts'
import { UserEnds } from './user-ends.ts'
import type { SessionName } from './user-sessions.ts'
import { ownCopy } from './user-table.ts'
import type { WallClock } from './wall-clock.ts'

/** The part of what others see that is needed to decide the next fact. */
export interface Seen {
  readonly lastSeen: number
  readonly username: string | undefined
  /** Absent for a user who is offline. */
  readonly shown?: ShownPresence
}

/** Returns what others see of a user; undefined for a user whom others have never seen. */
export type SeenLookup = (userId: UserId) => Seen | undefined

/**
 * What the nodes agree on: `shown` is what others see, and `chosen` was acknowledged last. Both may come from this
 * node.
 */
interface LearnedChoice {
  readonly shown: Choice
  readonly chosen: KnownChoice | undefined
  /** Whether another node has the user. */
  readonly isElsewhere: boolean
}

/** A name and a choice of the user with which a session begins, and the kind of its device, such as `web`. */
export interface Arrival {
  readonly username?: string | undefined
  readonly choice?: FirstChoice | undefined
  readonly device?: string | undefined
}

/** A user after a command, and the fact that was decided, if any. */
export interface Settled {
  readonly user: User
  readonly fact: Fact | undefined
  /** Whether `lastSeen` of the fact is a sign of life in this process. */
  readonly isOwnSign: boolean
}

/** The result of a command for one user. */
export interface Step extends Settled {
  /** The new choice of the user, if it has changed and the user has a session. */
  readonly choice?: OwnChoice | undefined
  readonly ended?: readonly EndedSession[]
}

/** The result of a lease, whether the session is new, and whether the other nodes of a cluster must be told. */
export type LeaseStep = Step & { readonly isNew: boolean; readonly isTold: boolean }

const NONE: readonly never[] = []

/** What replaces a choice that has ended. */
const ENDED: Choice = { ...NO_CHOICE, text: undefined, expiresAt: undefined }

/**
 * What this node decides: the sessions of its users, how long a lost one is held, what its users chose, and
 * when the next change of a user may become visible. It decides what others should see. What they do see is
 * in {@link View}.
 */
export class Here {
  readonly #options: PresenceOptions
  readonly #wall: WallClock
  readonly #seenLookup: SeenLookup
  readonly #choiceLookup: ChoiceLookup
  readonly #pending = new PendingFacts()
  readonly #users = new Map<UserId, User>()
  readonly #round = new Round(() => this.#users.values())
  /** How many of the users others have never seen. */
  #unseen = 0
  readonly #ends: UserEnds
  readonly #limiters: ChangeLimiters
  /** How many leased sessions there are. */
  #leases = 0
  /** Until when clients may still return after a suspension, in awake time. */
  #returnUntil = Number.NEGATIVE_INFINITY

  constructor(
    options: PresenceOptions,
    wall: WallClock,
    seenLookup: SeenLookup,
    choiceLookup: ChoiceLookup = () => undefined,
  ) {
    this.#options = options
    this.#wall = wall
    this.#seenLookup = seenLookup
    this.#choiceLookup = choiceLookup
    this.#ends = new UserEnds(wall)
    this.#limiters = new ChangeLimiters(options.changePace)
  }

  // Commands

  /**
   * Restores a user from a record. Others see the restored state without a change. Returns the user, or
   * undefined if the record holds nothing besides what others see.
   */
  restore(record: PresenceRecord, now: number): User | undefined {
    const { userId, session, status, text, expiresAt, newUsername, lastSeen } = record
    const { chosenAt = 0, keptHidden } = record
    const { restartGraceMs, inactiveGraceMs, hiddenKeepMs } = this.#options
    const isOffline = session === 'none'
    const isKept = expiresAt !== undefined || keptHidden === true || chosenAt > 0
    if (isOffline && !isKept && (newUsername === undefined || record.unseen)) return undefined
    const user = new User(userId, lastSeen, record.unseen !== true)
    if (newUsername !== undefined) user.restoreNewName(newUsername)
    const hasChoice = !isOffline || expiresAt !== undefined || keptHidden === true
    const choice = hasChoice ? { status, text, expiresAt } : NO_CHOICE
    user.restoreChoice(choice, chosenAt, this.#wall.choiceTime(now))
    const awake = this.#wall.awake(now)
    if (isOffline) {
      if (isKept) user.restoreKept(awake + hiddenKeepMs)
      if (user.isDone) return undefined
    } else {
      const isInactive = record.inactive === true
      const until = awake + (isInactive ? Math.max(restartGraceMs, inactiveGraceMs) : restartGraceMs)
      if (session !== 'leased') user.restoreSessions(record.idle === true, isInactive, until)
      this.#ends.add(until, user)
      for (const lease of record.leases ?? []) {
        // A backend could not renew it while no server ran.
        const leftMs = Math.min(Math.max(lease.endsAt - now, restartGraceMs), MAX_TTL_MS)
        user.restoreLease(lease, awake + leftMs, leftMs)
      }
      // A hidden user whose choice has ended meanwhile becomes visible now, and is seen now.
      if (status !== 'offline') user.markRestored()
      // A name that waited is visible from now on.
      user.markSaid(now)
      this.#ends.setSessions(user)
      this.#leases += user.takeLeaseDifference()
    }
    this.#add(user)
    this.#ends.setChoice(user)
    if (user.keptUntil > 0) this.#ends.keep(user)
    return user
  }

  open(userId: UserId, session: SessionName, now: number, { username, choice, device }: Arrival): Step {
    const user = this.#arriving(userId, now)
    user.open(session, now, device)
    this.#ends.unkeep(user)
    if (username !== undefined) this.#rename(user, username)
    const isChanged = choice !== undefined && user.chooseFirst(this.#unlessEnded(choice, now), now)
    return { ...this.#settle(user, now), choice: isChanged ? this.#chosen(user, now) : undefined }
  }

  /**
   * Leases a session, or renews it. A leased session of another node is taken over with its device and its activity.
   * Returns why that is not possible, or the step.
   */
  lease(
    userId: UserId,
    sessionId: string,
    terms: LeaseTerms,
    now: number,
    elsewhere: LeasesElsewhere,
  ): LeaseRefusal | LeaseStep {
    const refusal = this.#leaseRefusal(userId, sessionId, elsewhere)
    if (refusal) return refusal
    const { ttlMs, device, activity, username } = terms
    const user = this.#arriving(userId, now)
    const awake = this.#wall.awake(now)
    const isMoving = elsewhere.lease !== undefined && !user.hasSession(sessionId)
    if (isMoving) user.takeOver(elsewhere.lease, now, now, awake)
    const isIdle = activity && activity === 'idle'
    const { isNew, isTold } = user.lease(sessionId, now, { until: awake + ttlMs, ttlMs, device, isIdle })
    this.#ends.unkeep(user)
    if (username !== undefined) this.#rename(user, username)
    this.#ends.setSessions(user)
    const settled = this.#settle(user, now, isMoving)
    return {
      ...settled,
      isNew,
      isTold: isTold || isMoving || settled.fact !== undefined || username !== undefined,
    }
  }

  /** Takes over leased sessions of another node, besides those that this node has. Others see no difference. */
  takeOver({ userId, heardAt, leases }: OrphanedLeases, now: number): Step | undefined {
    const known = this.#users.get(userId)
    const missing = leases.filter(({ sessionId }) => !known?.hasSession(sessionId))
    if (missing.length === 0) return undefined
    const user = this.#arriving(userId, now)
    for (const lease of missing) user.takeOver(lease, heardAt, now, this.#wall.awake(now))
    this.#ends.unkeep(user)
    this.#ends.setSessions(user)
    return this.#settle(user, now, true)
  }

  endSession(user: User, sessionId: string, now: number): Step {
    const ended = user.endSession(sessionId).map(() => ({ userId: user.userId, sessionId }))
    return { ...this.#settle(user, now), ended }
  }

  leave(user: User, sessionId: string, now: number): Step {
    const ended = user.end(sessionId) ? [{ userId: user.userId, sessionId }] : []
    return { ...this.#settle(user, now), ended }
  }

  endSessions(user: User, now: number): Step {
    const ended = user.endAll().map(sessionId => ({ userId: user.userId, sessionId }))
    return { ...this.#settle(user, now), ended }
  }

  /** Forgets how often others have seen the user change. */
  unpace(userId: UserId): void {
    this.#limiters.forget(userId)
  }

  /** @param isSeen whether others see the user because of another node */
  endMoved(user: User, sessionId: string, now: number, isSeen: boolean): Step {
    const isLease = user.isLeased(sessionId)
    const ended = user.endMoved(sessionId) ? [{ userId: user.userId, sessionId }] : []
    return { ...this.#settle(user, now, isLease && isSeen), ended }
  }

  lose(user: User, sessionId: string, now: number): Step {
    const { graceMs, inactiveGraceMs } = this.#options
    const awake = this.#wall.awake(now)
    const until = user.hold(
      sessionId,
      Math.max(awake + graceMs, this.#returnUntil),
      Math.max(awake + graceMs, awake + inactiveGraceMs, this.#returnUntil),
    )
    this.#ends.add(until, user)
    return this.#settle(user, now)
  }

  setStatus(user: User, choice: Choice, now: number): Step {
    const isChanged = user.choose(this.#unlessEnded(choice, now), now)
    const own = isChanged ? this.#chosen(user, now) : undefined
    return { ...this.#settle(user, now), choice: own }
  }

  /** Sets the choice of a user without a session on this node; see {@link User.isSetAhead}. */
  setStatusAhead(userId: UserId, choice: Choice, now: number): Step {
    const known = this.#users.get(userId)
    const user = known ?? this.#newUser(ownCopy(userId), now)
    if (known) this.#takeKnownChoice(known, now)
    user.chooseAhead(choice, now)
    if (user.keptUntil === 0) this.#ends.unkeep(user)
    this.#chosen(user, now)
    return this.#settle(user, now)
  }

  /** Returns undefined if the activity only lasts longer now: that is not stored. */
  setActivity(
    user: User,
    sessionId: string,
    isIdle: boolean,
    now: number,
    forMs = Number.POSITIVE_INFINITY,
  ): Step | undefined {
    const activeUntil = this.#wall.awake(now) + forMs
    const isChanged = user.setSession(sessionId, { isIdle, activeUntil, ...(isIdle && { idleSince: now }) })
    this.#ends.setSessions(user)
    const settled = this.#settle(user, now)
    return isChanged || settled.fact ? settled : undefined
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

  /** Handles one deadline that has passed. Returns undefined if no deadline has passed. */
  advance(now: number): Step | undefined {
    const awake = this.#wall.awake(now)
    for (;;) {
      const user = this.#ends.take(now)
      if (!user) return undefined
      if (this.#users.get(user.userId) !== user) continue // removed since the deadline was set
      const hasChoiceEnded = this.#expire(user, now)
      const ended = user.endHeld(awake).map(sessionId => ({ userId: user.userId, sessionId }))
      user.endKept(awake)
      user.endActivity(awake, now)
      this.#ends.setSessions(user)
      const choice = hasChoiceEnded && user.hasSessions ? ownChoiceOf(user) : undefined
      return { ...this.#settle(user, now), choice, ended }
    }
  }

  /** When {@link advance} must be called next, in ms since the epoch; Infinity if there is no deadline. */
  get nextDeadline(): number {
    return this.#ends.next
  }

  /**
   * Clients have noticed a suspension and will return. Sessions that are lost, or will be lost within the
   * restart grace, are held for the restart grace from now on.
   */
  awaitReturn(now: number): void {
    const until = this.#wall.awake(now) + this.#options.restartGraceMs
    this.#returnUntil = until
    for (const user of this.#users.values()) {
      if (user.holdLonger(until)) this.#ends.add(until, user)
    }
  }

  /**
   * The wall clock was set by `ms`. The last sign of life of present users, if this process recorded it,
   * moves with the clock. Returns the users whose record has changed: those among them who are visible, or will be when
   * the rate limit allows, and those with leased sessions.
   */
  jumped(ms: number): User[] {
    const moved: User[] = []
    for (const user of this.#users.values()) {
      user.moveHeard(ms)
      const isHeard = user.isShownNext && user.heardAt !== undefined
      if (isHeard || user.leaseCount > 0) moved.push(user)
      if (!user.isChoiceByWall) continue
      user.isChoiceByWall = false
      this.#ends.setChoice(user)
    }
    return moved
  }

  /** A fact that this node decided has become visible. */
  applied(fact: Fact): void {
    this.#pending.applied(fact)
  }

  /** The nodes of a cluster have forgotten a user, whom others have never seen from now on. */
  forgottenElsewhere(userId: UserId): void {
    const user = this.#users.get(userId)
    if (!user?.wasSeen) return
    user.wasSeen = false
    this.#unseen++
    if (user.isDone) this.#remove(user)
  }

  /** Others have seen a user, because of what another node has said. */
  seenElsewhere(userId: UserId): void {
    const user = this.#users.get(userId)
    if (!user || user.wasSeen) return
    user.wasSeen = true
    this.#unseen--
  }

  /** Counts a change of a user that another node has caused so long ago, whether the rate limit allowed it or not. */
  changedElsewhere(userId: UserId, now: number, agoMs: number): void {
    this.#limiters.spend(userId, this.#wall.awake(now) - agoMs)
  }

  /**
   * The nodes agree on the choice of a user. Returns undefined if nothing differs and nothing must be said again.
   */
  learnChoice(user: User, { shown, chosen, isElsewhere }: LearnedChoice, now: number): Step | undefined {
    const isOpen = chosen?.keptSince === NO_SESSION_YET
    const kept = user.judgeKept(chosen?.choice, chosen?.madeAt ?? 0, isOpen, isElsewhere)
    if (kept === 'unsaid') return this.#settle(user, now)
    if (kept === 'over') {
      user.dropChoice()
      this.#ends.unkeep(user)
      this.#ends.setChoice(user)
      // Nothing has to be said: the log has it.
      if (user.isDone) this.#remove(user)
      return undefined
    }
    // It has ended on another node: the user has left on purpose, or has come back after it was kept.
    if (user.isKeptHidden && chosen && isPlain(chosen.choice) && user.isEndOfChoice(chosen.madeAt)) {
      this.#ends.unkeep(user)
      user.endKept(Number.POSITIVE_INFINITY)
      return this.#settle(user, now)
    }
    const isShownChanged = user.learnShown(shown, now)
    // A known choice that has ended is ended by its deadline, with the cause `expired`.
    const isNew = chosen !== undefined && !isSameChoice(chosen.choice, user.choice)
    const isChanged = isNew && user.learnChoice(this.#unlessEnded(chosen.choice, now), chosen.madeAt)
    if (chosen && !isNew) user.learnTime(chosen.madeAt)
    // The other nodes must learn the choice of this node again: the log has an older one.
    const isOlder = isNew && user.knowsNewer(chosen.choice, chosen.madeAt)
    // Another node did not know of the session here.
    const isSaidAgain = isOlder || (user.hasSessions && chosen?.keptSince !== undefined)
    if (!isShownChanged && !isChanged && !isSaidAgain) return undefined
    const choice = isChanged ? this.#chosen(user, now) : undefined
    return { ...this.#settle(user, now), choice }
  }

  forget(userId: UserId): void {
    const user = this.#users.get(userId)
    if (user) this.#remove(user)
  }

  /** Drops the rate limiters that have completely recovered, of at most `count` users. */
  dropRecovered(awake: number, count: number): void {
    this.#limiters.dropRecovered(awake, count)
  }

  // Queries

  /** What this node knows of a user besides what others see; undefined if it knows nothing more. */
  get(userId: UserId): User | undefined {
    return this.#users.get(userId)
  }

  /**
   * What others will see of a user when all pending facts are visible; undefined for a user whom others have
   * never seen.
   */
  seen(userId: UserId): Seen | undefined {
    return this.#pending.get(userId) ?? this.#seenLookup(userId)
  }

  /** What the log of a cluster is told of a user. */
  present(userId: UserId): PresentUser {
    const user = this.#users.get(userId)
    const { lastSeen, username } = this.seen(userId) ?? {}
    return {
      said: user?.said ?? NOTHING_SAID,
      choice: user?.choice ?? NO_CHOICE,
      madeAt: user?.chosenAt ?? 0,
      isSetAhead: user?.isSetAhead === true,
      isHere: user !== undefined && user.liveness !== 'none',
      isVisible: user?.isVisible === true,
      connections: user?.liveCount ?? 0,
      sessions: user?.openedAt ?? {},
      isLookedAt: user?.isLookedAt === true,
      idleSince: user?.idleSince,
      leases: user?.leasesTold(this.#wall.now, this.#wall.awakeNow) ?? NONE,
      held: user?.heldIds ?? NONE,
      lastSeen: (user && this.signOfLife(user)) ?? lastSeen,
      username,
    }
  }

  /** Whether a fact about the user is not visible yet. */
  isPending(userId: UserId): boolean {
    return this.#pending.get(userId) !== undefined
  }

  users(): Iterable<User> {
    return this.#users.values()
  }

  /** The next user of an endless iteration over all users. */
  next(): User | undefined {
    return this.#round.next()
  }

  /** The user whose choice has been kept longest. */
  get keptLongest(): User | undefined {
    return this.#ends.keptLongest
  }

  /** How many leased sessions there are. */
  get leaseCount(): number {
    return this.#leases
  }

  /** How many users others have never seen. */
  get unseenCount(): number {
    return this.#unseen
  }

  /**
   * The last sign of life of a visible user in this process, in ms since the epoch. It is later than that of
   * the last fact.
   */
  signOfLife(user: User): number | undefined {
    return user.isVisible ? user.heardAt : undefined
  }

  // Private

  #leaseRefusal(
    userId: UserId,
    sessionId: string,
    { isConnected, lease, others }: LeasesElsewhere,
  ): LeaseRefusal | undefined {
    const user = this.#users.get(userId)
    if (user?.isLive(sessionId)) return 'connected'
    if (user?.isLeased(sessionId)) return undefined
    if (isConnected) return 'connected'
    // A renewal is never refused.
    if (lease) return undefined
    // A session that moves is on two nodes for a moment.
    const elsewhere = others.filter(id => !user?.isLeased(id)).length
    if (elsewhere + (user?.leaseCount ?? 0) >= MAX_LEASES_PER_USER) return 'tooManyOfUser'
    return this.#leases >= MAX_LEASES ? 'tooMany' : undefined
  }

  /** A user for whom a session begins, or is renewed. */
  #arriving(userId: UserId, now: number): User {
    const known = this.#users.get(userId)
    const user = known ?? this.#newUser(ownCopy(userId), now)
    if (known?.hasSessions === false) this.#takeKnownChoice(known, now)
    if (!user.hasSessions) this.#expire(user, now)
    return user
  }

  #rename(user: User, username: string): void {
    user.rename(username, this.seen(user.userId)?.username)
  }

  /** The choice, or a plain `online` if the choice has ended already. */
  #unlessEnded<Made extends Choice>(choice: Made, now: number): Made | Choice {
    return hasExpired(choice, this.#wall.choiceTime(now)) ? { ...choice, ...ENDED } : choice
  }

  /**
   * The user has made another choice. It ends by the wall clock, even if that is ahead, if the end is in the
   * future of that clock.
   */
  #chosen(user: User, now: number): OwnChoice {
    user.isChoiceByWall = this.#wall.aheadMs > 0 && (user.choice.expiresAt ?? 0) > now
    this.#ends.setChoice(user)
    return ownChoiceOf(user)
  }

  /** Ends a user's choice if its end has passed. Returns whether it had. */
  #expire(user: User, now: number): boolean {
    return user.expire(user.isChoiceByWall ? now : this.#wall.choiceTime(now))
  }

  /**
   * Finishes a command for a user: decides a fact, or delays it until the rate limit allows, and drops a user
   * who is done.
   *
   * @param isMoving whether a leased session has come from another node, or continues there. If others see no
   * difference, that does not count in the rate limit, and does not wait for it
   */
  #settle(user: User, now: number, isMoving = false): Settled {
    this.#wall.tell(now)
    const settled = this.#say(user, now, isMoving)
    this.#leases += user.takeLeaseDifference()
    if (user.isDone) this.#remove(user)
    return settled
  }

  #say(user: User, now: number, isMoving: boolean): Settled {
    const nothing = { user, fact: undefined, isOwnSign: false }
    const awake = this.#wall.awake(now)
    if (user.isSaid) {
      this.#markSaid(user, now, awake)
      return nothing
    }
    const { due } = user
    const isLeaving = presenceOf(due).status === 'offline'
    if (isMoving && (isLeaving ? !user.hides : this.#isSeenAs(user))) {
      this.#markSaid(user, now, awake, true)
      return nothing
    }
    const turn = this.#limiters.turnOf(user.userId, isLeaving)
    if (turn > awake && !user.hides) {
      if (user.wait(turn)) this.#ends.add(turn, user)
      return nothing
    }
    this.#limiters.spend(user.userId, awake)
    const { userId, cause, newName } = user
    const seen = user.wasSeen ? this.seen(userId) : undefined
    const username = isLeaving ? seen?.username : (newName ?? seen?.username)
    const lastSign = this.signOfLife(user)
    this.#markSaid(user, now, awake)
    const sign = isLeaving ? lastSign : this.signOfLife(user)
    const lastSeen = sign ?? seen?.lastSeen ?? now
    const fact = { userId, ...due, username, lastSeen, cause, at: now }
    this.#pending.add(fact)
    return { user, fact, isOwnSign: sign !== undefined }
  }

  /**
   * What is due of a user was said. An offline user is kept for some time, to come back with the same choice.
   */
  #markSaid(user: User, now: number, awake: number, wasSeenSo = false): void {
    const { wasSeen } = user
    user.markSaid(now, wasSeenSo)
    if (user.wasSeen && !wasSeen) this.#unseen--
    if (user.deactivate(awake + this.#options.hiddenKeepMs)) this.#ends.keep(user)
  }

  /** Whether others see already what is due of a user, because of another node. */
  #isSeenAs({ userId, due, newName }: User): boolean {
    return newName === undefined && isSameShown(presenceOf(due), this.#seenLookup(userId)?.shown ?? OFFLINE)
  }

  #newUser(userId: UserId, now: number): User {
    const user = new User(userId, now, this.seen(userId) !== undefined)
    this.#add(user)
    this.#takeKnownChoice(user, now)
    return user
  }

  /** A user without a session here has the choice that the cluster knows, unless this node knows a newer one. */
  #takeKnownChoice(user: User, now: number): void {
    const known = this.#choiceLookup(user.userId)
    if (!known || known.madeAt < user.chosenAt) return
    // Of a user who has left, this node keeps the time of the choice, but not the choice.
    if (known.madeAt === user.chosenAt && !isPlain(user.choice)) return
    user.restoreChoice(known.choice, known.madeAt, this.#wall.choiceTime(now))
    this.#ends.setChoice(user)
  }

  #add(user: User): void {
    this.#users.set(user.userId, user)
    if (!user.wasSeen) this.#unseen++
  }

  /** Removes a user. Later deadlines of the object are skipped. */
  #remove(user: User): void {
    this.#users.delete(user.userId)
    this.#ends.delete(user)
    if (!user.wasSeen) this.#unseen--
  }
}

function ownChoiceOf({ userId, choice, chosenAt }: User): OwnChoice {
  return { userId, choice, madeAt: chosenAt || undefined }
}
