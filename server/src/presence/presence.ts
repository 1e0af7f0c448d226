import type { ShownStatus, UserId } from '@who-is-online/protocol/words'
import type { BucketPlace } from './buckets.ts'
import { type Change, type Decision, NOTHING } from './change.ts'
import { type Choice, hasExpired, NO_CHOICE, OFFLINE } from './choice.ts'
import { type Elsewhere, NOWHERE_ELSE } from './elsewhere.ts'
import {
  type AnsweredParts,
  detailOf,
  type Explanation,
  explain,
  type KnownUser,
  type UserDetail,
} from './explain.ts'
import { type Fact, presenceOf } from './fact.ts'
import { type Arrival, Here, type Step } from './here.ts'
import { LastSeenCorrection } from './last-seen-correction.ts'
import type { LeaseRefusal, LeaseTerms, OrphanedLeases } from './lease.ts'
import type { PresenceOptions } from './options.ts'
import type { KnownChoice, PresentUser } from './present-user.ts'
import type { PresenceRecord } from './record.ts'
import { Records } from './records.ts'
import { Retention } from './retention.ts'
import { partOf, type UserPart } from './user-part.ts'
import type { SessionName } from './user-sessions.ts'
import type { ArchivedUser } from './user-table.ts'
import { type ListedStatus, type Page, type SeenUser, View } from './view.ts'
import { type StoredTimes, WallClock } from './wall-clock.ts'

/** What leasing a session has decided, and whether the session is new. */
export interface Leased {
  readonly isNew: boolean
  /** Whether the other nodes of a cluster must be told. They need not know of each renewal. */
  readonly isTold: boolean
  readonly decision: Decision
}

/** What one node answers alone. */
const NOTHING_ELSEWHERE: AnsweredParts = { parts: [], isWhole: true }

/** Shared by all decisions without facts, records and so on: most have only one or two. */
const NONE: readonly never[] = []

/**
 * The presence of all users. It is pure: the caller tells what happened and when, and gets what that decides.
 * It has two main parts: {@link Here} decides what others should see, and {@link View} is what they see. The
 * decision consists of facts, which the caller applies. {@link LastSeenCorrection} corrects timestamps of a
 * wrong clock, {@link Records} makes what is stored, and {@link Retention} forgets users.
 *
 * `now` is the wall clock in ms since the epoch. It never decreases, except when `jumped` was called with
 * that jump. Sessions are only ids here, independent of connections.
 */
export class Presence {
  readonly #options: PresenceOptions
  readonly #wall = new WallClock()
  readonly #here: Here
  readonly #view: View
  readonly #correction: LastSeenCorrection
  readonly #records: Records
  readonly #retention: Retention
  readonly #elsewhere: Elsewhere

  constructor(options: PresenceOptions, elsewhere: Elsewhere = NOWHERE_ELSE) {
    const wall = this.#wall
    const signOfLife = (userId: UserId) => {
      const user = here.get(userId)
      return user && here.signOfLife(user)
    }
    const here = new Here(options, wall, userId => view.get(userId), elsewhere.choiceOf)
    const view = new View(wall, userId => laterOf(signOfLife(userId), elsewhere.signOfLife(userId)))
    const correction = new LastSeenCorrection(wall, view, signOfLife)
    this.#options = options
    this.#elsewhere = elsewhere
    this.#here = here
    this.#view = view
    this.#correction = correction
    this.#records = new Records(wall, here, view, correction)
    this.#retention = new Retention(options, wall, here, view, correction, elsewhere)
  }

  // Commands

  /**
   * Restores the records of an earlier process. Users who were present then are held for the restart grace.
   * Stored times do not change, whatever the clock shows now, unless the clock had never been set when they
   * were stored.
   *
   * @param times the times that the earlier process has stored
   */
  restore(records: Iterable<PresenceRecord>, now: number, times: StoredTimes = {}): void {
    const shift = this.#wall.begin(now, times)
    for (const record of records) {
      const user = this.#here.restore(record, now)
      if (shift.unsetMs > 0) this.#correction.markChanged(record.userId)
      if (record.unseen && !user?.isVisible) continue
      const { userId, username, newUsername } = record
      const sign = user && this.#here.signOfLife(user)
      const lastSeen = sign ?? this.#correction.restore(record, now, shift)
      const shown = user ? presenceOf(user.said) : OFFLINE
      this.#view.put(userId, shown, lastSeen, user?.isVisible ? (newUsername ?? username) : username)
    }
  }

  /** Sets when the status of a restored user began; see {@link View.begun}. */
  begun(userId: UserId, status: ShownStatus, since: number): void {
    this.#view.begun(userId, status, since)
  }

  /** A session begins, perhaps with a name and a choice of its user. All of it together is one change. */
  open(userId: UserId, session: SessionName, now: number, arrival: Arrival = {}): Decision {
    const forgotten = this.#makeRoomFor(userId, now)
    const decision = this.#decide(this.#here.open(userId, session, now, arrival))
    return forgotten.length === 0 ? decision : { ...decision, forgotten }
  }

  /**
   * Leases a session, which needs no connection, or renews it. That is a sign of life. Without a renewal it is lost
   * after `ttlMs`. Returns why that is not possible, or the decision and whether the session is new.
   */
  lease(userId: UserId, sessionId: string, terms: LeaseTerms, now: number): LeaseRefusal | Leased {
    const excess = this.#excessFor(userId)
    const step = this.#here.lease(userId, sessionId, terms, now, this.#elsewhere.leasesOf(userId, sessionId))
    if (typeof step === 'string') return step
    const { isNew, isTold } = step
    const forgotten = excess > 0 ? this.#retention.makeRoom(excess, now) : NONE
    const decision = this.#decide(step)
    return { isNew, isTold, decision: forgotten.length === 0 ? decision : { ...decision, forgotten } }
  }

  /** Takes over leased sessions of a node that is lost or stops, besides those that this node has. */
  takeOver(orphaned: OrphanedLeases, now: number): Decision {
    const step = this.#here.takeOver(orphaned, now)
    return step ? this.#decide(step) : NOTHING
  }

  /** Ends a session at once, as if it was left: a connected, held or leased one. */
  endSession(userId: UserId, sessionId: string, now: number): Decision {
    const user = this.#here.get(userId)
    return user ? this.#decide(this.#here.endSession(user, sessionId, now)) : NOTHING
  }

  /** A session was left on purpose. It ends at once. */
  leave(userId: UserId, sessionId: string, now: number): Decision {
    const user = this.#here.get(userId)
    return user ? this.#decide(this.#here.leave(user, sessionId, now)) : NOTHING
  }

  /** The server ends all sessions of a user at once, also those that are held. */
  endSessions(userId: UserId, now: number): Decision {
    const user = this.#here.get(userId)
    return user ? this.#decide(this.#here.endSessions(user, now)) : NOTHING
  }

  /**
   * The first step to erase a user: ends all sessions on this node. Others see it at once, whatever the rate limit of
   * visible changes says.
   */
  endErased(userId: UserId, now: number): Decision {
    this.#here.unpace(userId)
    return this.endSessions(userId, now)
  }

  /** Whether {@link erase} is possible: no node has a session of the user, and others see the user offline. */
  isErasable(userId: UserId): boolean {
    return this.#retention.isErasable(userId)
  }

  /** The last step to erase a user: forgets everything about the user. */
  erase(userId: UserId): Decision {
    this.#retention.erase(userId)
    return { ...NOTHING, forgotten: [userId] }
  }

  /** A session continues on another node. It ends here at once, also if it is held. */
  endMoved(userId: UserId, sessionId: string, now: number): Decision {
    const user = this.#here.get(userId)
    const isSeen = this.#elsewhere.signOfLife(userId) !== undefined
    return user ? this.#decide(this.#here.endMoved(user, sessionId, now, isSeen)) : NOTHING
  }

  /** A session was lost. It is held for the grace period. */
  lose(userId: UserId, sessionId: string, now: number): Decision {
    const user = this.#here.get(userId)
    return user ? this.#decide(this.#here.lose(user, sessionId, now)) : NOTHING
  }

  /**
   * Records a sign of life at `at`, in ms since the epoch. It changes only `lastSeen`. Only this and `open`
   * are signs of life: a choice may be made by a backend, and the end of a session may be noticed late.
   */
  heard(userId: UserId, at: number, sessionId?: string): void {
    this.#wall.tell(at)
    this.#here.get(userId)?.heard(at, sessionId)
  }

  /** Sets the choice of a user. Without a session nothing changes. */
  setStatus(userId: UserId, choice: Choice, now: number): Decision {
    const user = this.#here.get(userId)
    return user ? this.#decide(this.#here.setStatus(user, choice, now)) : NOTHING
  }

  /**
   * A backend sets the choice of a user without a session on this node. A choice with an end is kept until then, and
   * applies when the user comes: nothing is visible before. A user who was not known is known until that end. A choice
   * without an end is only for the sessions on other nodes.
   *
   * @returns undefined if the choice has no end, and no node has a session of the user: nothing was set
   */
  setStatusAhead(userId: UserId, choice: Choice, now: number): Decision | undefined {
    this.#wall.tell(now)
    const hasEnd = choice.expiresAt !== undefined && !hasExpired(choice, this.choiceTime(now))
    if (!hasEnd && !this.#elsewhere.sessionsOf(userId)) return undefined
    const forgotten = this.#makeRoomFor(userId, now)
    const kept = hasEnd ? choice : { ...choice, expiresAt: undefined }
    const decision = this.#decide(this.#here.setStatusAhead(userId, kept, now))
    return forgotten.length === 0 ? decision : { ...decision, forgotten }
  }

  /**
   * Sets whether a session is active or idle.
   *
   * @param forMs after this time an active session becomes idle, unless it was set again
   */
  setActivity(
    userId: UserId,
    sessionId: string,
    activity: 'active' | 'idle',
    now: number,
    forMs?: number,
  ): Decision {
    const user = this.#here.get(userId)
    const step = user && this.#here.setActivity(user, sessionId, activity === 'idle', now, forMs)
    return step ? this.#decide(step) : NOTHING
  }

  /**
   * Sets whether a session is visible to its user. An inactive session is held longer when its connection is
   * lost.
   */
  setVisibility(userId: UserId, sessionId: string, visibility: 'active' | 'inactive', now: number): Decision {
    const user = this.#here.get(userId)
    if (!user) return NOTHING
    return this.#decide(this.#here.setVisibility(user, sessionId, visibility === 'inactive', now))
  }

  /** Sets the name of a user. Others see the new name of a hidden user only when they see the user again. */
  identify(userId: UserId, username: string, now: number): Decision {
    const isSame = username === (this.#here.get(userId)?.newName ?? this.#here.seen(userId)?.username)
    if (!this.#isKnown(userId) || isSame) return NOTHING
    return this.#decide(this.#here.identify(userId, username, now))
  }

  /**
   * Ends grace periods and choices, and decides the changes that the rate limit has delayed until `now`.
   * Handles at most `limit` users. Call it again while `nextDeadline <= now`.
   */
  advance(now: number, limit: number): Decision {
    this.#wall.tell(now)
    this.#correction.believeClock(now)
    const changed = this.#correction.takeChanged(limit)
    const steps: Step[] = []
    while (changed.length + steps.length < limit) {
      const step = this.#here.advance(now)
      if (!step) break
      steps.push(step)
    }
    const decision = this.#decideAll(steps)
    return changed.length === 0
      ? decision
      : { ...decision, records: [...this.#records.ofAll(changed), ...decision.records] }
  }

  /** When `advance` must be called next, in ms since the epoch; Infinity if there is no deadline. */
  get nextDeadline(): number {
    return this.#correction.hasChanged ? Number.NEGATIVE_INFINITY : this.#here.nextDeadline
  }

  /**
   * Makes facts visible, in this order. Returns the changes that others see. Besides `applyArchived` and
   * `applyForgotten`, nothing else makes anything visible.
   *
   * @param own the decided facts of this node that are no longer pending. In a cluster, others see the facts of all
   * nodes combined, so these are other objects. With one node they are the same
   * @param isLoaded whether this node has read the state of the others, and not what they did. So it knows of no status
   * when it began
   */
  apply(facts: readonly Fact[], own: readonly Fact[] = facts, isLoaded = false): Change[] {
    if (isLoaded) this.#view.forgetStarts()
    for (const fact of own) this.#here.applied(fact)
    if (own !== facts) for (const { userId } of facts) this.#here.seenElsewhere(userId)
    return facts.map(fact => this.#view.apply(fact, !isLoaded))
  }

  /** Sets the name and `lastSeen` of offline users, as the nodes of a cluster agree on them. That is not a change. */
  applyArchived(users: readonly ArchivedUser[]): void {
    for (const { userId, lastSeen, username } of users) {
      this.#here.seenElsewhere(userId)
      this.#view.put(userId, OFFLINE, lastSeen, username)
    }
  }

  /** The nodes of a cluster have forgotten offline users. */
  applyForgotten(userIds: readonly UserId[]): void {
    for (const userId of userIds) {
      this.#view.forget(userId)
      this.#correction.forget(userId)
      this.#here.forgottenElsewhere(userId)
    }
  }

  /**
   * Others see these users differently because of another node. That counts in the rate limit of their changes, which
   * holds over all nodes.
   *
   * @param agoMs how long ago that was. Many changes that are read at once after a pause must not delay the next one as
   * if they had just been made
   */
  changedElsewhere(userIds: readonly UserId[], now: number, agoMs = 0): void {
    for (const userId of userIds) this.#here.changedElsewhere(userId, now, agoMs)
  }

  /** Another node, which is lost, has had a sign of life of a user at `at`, in ms since the epoch. */
  heardElsewhere(userId: UserId, at: number): void {
    this.#here.get(userId)?.heard(at)
  }

  /**
   * The nodes of a cluster agree on the choice of a user; see {@link Here.learnChoice}. Call it when this node has no
   * choice of the user in the log that was not read back.
   */
  learnChoice(userId: UserId, shown: Choice, chosen: KnownChoice | undefined, now: number): Decision {
    const user = this.#here.get(userId)
    const step =
      user &&
      this.#here.learnChoice(user, { shown, chosen, isElsewhere: this.#elsewhere.isPresent(userId) }, now)
    return step ? this.#decide(step) : NOTHING
  }

  /**
   * Excludes `ms` from all durations. The wall clock was corrected by that much, which is less than a jump,
   * or the server did not listen for that time, so nobody could connect.
   */
  leaveOut(ms: number): void {
    this.#wall.leaveOut(ms)
  }

  /**
   * This process was suspended for `ms` and continues at `now`. That time does not count for grace periods.
   * Clients have noticed a suspension of `noticedMs` or more, and return as after a restart: sessions that
   * are lost, or will be lost within the restart grace, are held for the restart grace from now on.
   */
  suspended(ms: number, now: number): void {
    this.#wall.leaveOut(ms)
    if (ms >= this.#options.noticedMs) this.#here.awaitReturn(now)
  }

  /**
   * The wall clock was set by `ms` and shows `now`. No duration changes. The `lastSeen` of present users, if
   * this process wrote it, moves with the clock. If a wrong clock is right again, so does that of users who
   * left while it was wrong.
   *
   * A jump forward may be the end of a pause of the machine, in which all its other clocks stood still.
   * Clients have noticed that, and return as after a suspension.
   */
  jumped(ms: number, now: number): Decision {
    const jump = this.#wall.jump(ms, now)
    if (ms >= this.#options.noticedMs) this.#here.awaitReturn(now)
    const moved = this.#here.jumped(ms).map(({ userId }) => userId)
    const corrected = this.#correction.jumped(jump)
    return { ...NOTHING, records: this.#records.ofAll([...moved, ...corrected]) }
  }

  /**
   * Checks the next `count` users, and forgets those who were not seen for `keepMs`, both by the clock and by
   * the known time. So no wrong clock makes a user forgotten. In a cluster one node does that for all.
   */
  forgetStale(now: number, count: number): Decision {
    return { ...NOTHING, forgotten: this.#retention.forgetStale(now, count) }
  }

  /** Drops the rate limiters that have completely recovered, of at most `count` users. */
  dropRecovered(now: number, count: number): void {
    this.#here.dropRecovered(this.#wall.awake(now), count)
  }

  // Queries

  get onlineCount(): number {
    return this.#view.onlineCount
  }

  /** How many users others see with each status. */
  get shownCounts(): Readonly<Record<ShownStatus, number>> {
    return this.#view.counts
  }

  /** How many leased sessions this node has. */
  get leaseCount(): number {
    return this.#here.leaseCount
  }

  get knownCount(): number {
    return this.#view.size + this.#here.unseenCount
  }

  /** How many known users others have ever seen. */
  get seenCount(): number {
    return this.#view.size
  }

  /** One user as others see them; see {@link View.see}. */
  see(userId: UserId): SeenUser {
    return this.#view.see(userId)
  }

  /** Whether others see a user as present. */
  isSeen(userId: UserId): boolean {
    return this.#view.isVisible(userId)
  }

  /** The first `limit` users as others see them; see {@link View.list}. */
  list(limit: number): Iterable<SeenUser> {
    return this.#view.list(limit)
  }

  /** Some users as others see them; see {@link View.page}. */
  page(from: BucketPlace | undefined, limit: number, status?: ListedStatus): Page {
    return this.#view.page(from, limit, status)
  }

  /** Whether a user has a session, live or held. */
  hasSession(userId: UserId): boolean {
    return this.#here.get(userId)?.hasSessions ?? false
  }

  /** What this node knows of the sessions of a user, hidden or not. */
  part(userId: UserId): UserPart {
    return partOf(this.#here.get(userId), this.#at)
  }

  /** What decides whether to push a notification to a user; see {@link detailOf}. */
  detail(userId: UserId, isTruth: boolean): UserDetail {
    const elsewhere = this.#elsewhere.sessionsOf(userId)
    return detailOf({ user: this.#here.get(userId), seen: this.see(userId), elsewhere }, isTruth)
  }

  /**
   * Why a user shows as they do, with the truth about the user; see {@link explain}.
   *
   * @param answered what the other nodes of a cluster have answered
   */
  explain(userId: UserId, answered: AnsweredParts = NOTHING_ELSEWHERE): Explanation {
    return explain(this.#knowledge(userId), answered)
  }

  /** The choice of a user, hidden or not. It is only for the user's own connections. */
  choice(userId: UserId): Choice {
    const user = this.#here.get(userId)
    return user?.hasSessions ? user.choice : NO_CHOICE
  }

  /** When the user made that choice, in ms since the epoch; undefined if it is not known. */
  chosenAt(userId: UserId): number | undefined {
    return this.#here.get(userId)?.chosenAt || undefined
  }

  /**
   * A lower bound of the real time in ms since the epoch, to be stored for the next process; see
   * `WallClock.knownTime`.
   */
  knownTime(now: number): number {
    return this.#wall.knownTime(now)
  }

  /**
   * The time that is stored as `lastSeen` of present users, in ms since the epoch; see
   * `PresenceRecord.lastSeen`.
   */
  storedTime(now: number): number {
    return now + this.#wall.behindMs()
  }

  /** The time that decides whether a choice has ended, in ms since the epoch; see `WallClock.choiceTime`. */
  choiceTime(now: number): number {
    return this.#wall.choiceTime(now)
  }

  /** The users who have a session on this node, or whom others still see because of it. */
  *usersHere(): Generator<UserId> {
    for (const user of this.#here.users()) if (user.liveness !== 'none') yield user.userId
  }

  /** The users whom others see as present, and how many connections each has on this node. */
  *connected(): Generator<{ readonly userId: UserId; readonly connections: number }, undefined> {
    for (const { userId } of this.#view.visibleUsers()) {
      yield { userId, connections: this.#here.get(userId)?.liveCount ?? 0 }
    }
  }

  /** Tells the present time, in ms since the epoch: what is told of sessions is as of then. */
  tell(now: number): void {
    this.#wall.tell(now)
  }

  /** What the log of a cluster is told of a user. */
  present(userId: UserId): PresentUser {
    return this.#here.present(userId)
  }

  /** The record of a user; undefined for an unknown user. */
  record(userId: UserId): PresenceRecord | undefined {
    return this.#records.get(userId)
  }

  /**
   * The records of all users, each in the state of the moment when it is reached. Users may be added and
   * forgotten meanwhile.
   */
  records(): Generator<PresenceRecord> {
    return this.#records.all()
  }

  // Private

  readonly #at = (awake: number): number => Math.round(this.#wall.at(awake))

  #knowledge(userId: UserId): KnownUser {
    return {
      user: this.#here.get(userId),
      seen: this.see(userId),
      at: this.#at,
      elsewhere: this.#elsewhere.sessionsOf(userId),
      chosen: this.#elsewhere.choiceOf(userId),
      hiddenKeepMs: this.#options.hiddenKeepMs,
    }
  }

  #decide(step: Step): Decision {
    const { user, fact, choice, ended = NONE } = step
    if (fact) this.#correction.decided(fact, step.isOwnSign)
    // A user whom others have never seen, and who has nothing to keep, does not exist.
    const isKnown = user.wasSeen || !user.isDone
    return {
      facts: fact ? [fact] : NONE,
      records: isKnown ? [this.#records.of(user)] : NONE,
      forgotten: isKnown ? NONE : [user.userId],
      choices: choice ? [choice] : NONE,
      ended,
    }
  }

  #decideAll(steps: readonly Step[]): Decision {
    const decisions = steps.map(step => this.#decide(step))
    return {
      facts: decisions.flatMap(({ facts }) => facts),
      records: decisions.flatMap(({ records }) => records),
      forgotten: decisions.flatMap(({ forgotten }) => forgotten),
      choices: decisions.flatMap(({ choices }) => choices),
      ended: decisions.flatMap(({ ended }) => ended),
    }
  }

  /** Forgets as many users as a new one needs room. */
  #makeRoomFor(userId: UserId, now: number): readonly UserId[] {
    const excess = this.#excessFor(userId)
    return excess > 0 ? this.#retention.makeRoom(excess, now) : NONE
  }

  /** How many users must be forgotten for this one. */
  #excessFor(userId: UserId): number {
    return this.#isKnown(userId) ? 0 : this.#retention.excess(this.knownCount)
  }

  #isKnown(userId: UserId): boolean {
    return this.#here.get(userId) !== undefined || this.#here.seen(userId) !== undefined
  }
}

function laterOf(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return Math.max(one, other)
}
