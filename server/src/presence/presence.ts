import type { UserId } from '@who-is-online/protocol/words'
import type { BucketPlace } from './buckets.ts'
import { type Change, type Decision, type EndedSession, NOTHING, type OwnChoice } from './change.ts'
import { type Choice, NO_CHOICE, OFFLINE } from './choice.ts'
import { type Fact, presenceOf } from './fact.ts'
import { type Arrival, Here, type Step } from './here.ts'
import { MovedStamps } from './moved-stamps.ts'
import type { PresenceOptions } from './options.ts'
import type { PresenceRecord } from './record.ts'
import type { SessionName, User } from './user.ts'
import type { ArchivedUser } from './user-table.ts'
import { type Page, type SeenUser, View } from './view.ts'
import { type StoredTimes, WallClock } from './wall-clock.ts'

/**
 * How many users are checked to find one to forget. With more, an older one would be found, at a higher cost.
 */
const FORGET_SAMPLE = 32

/**
 * The presence of all users. It is pure: the caller tells what happened and when, and gets what that decides.
 * It has two parts: {@link Here} decides what others should see, and {@link View} is what they see. The
 * decision consists of facts, which the caller applies.
 *
 * `now` is the wall clock in ms since the epoch. It never decreases, except when `jumped` was called with
 * that jump. Sessions are only ids here, independent of connections.
 */
export class Presence {
  readonly #options: PresenceOptions
  readonly #wall = new WallClock()
  readonly #here: Here
  readonly #view: View
  /**
   * The users who went offline while the clock was wrong, each with the sum of jumps at that time. It is used
   * to correct `lastSeen` later.
   */
  readonly #stampedWhileWrong = new Map<UserId, number>()
  /** The `lastSeen` of users for whom it was in the future when the clock was set back. */
  readonly #moved = new MovedStamps()
  /**
   * Users whose record has changed because it is known now how wrong the clock was. `advance` reports some of
   * them at a time.
   */
  readonly #unreported: UserId[] = []

  constructor(options: PresenceOptions) {
    this.#options = options
    this.#here = new Here(options, this.#wall, userId => this.#view.get(userId))
    this.#view = new View(this.#wall, userId => {
      const user = this.#here.get(userId)
      return user && this.#here.signOfLife(user)
    })
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
    const { setBackMs, unsetMs } = this.#wall.begin(now, times)
    for (const record of records) {
      const user = this.#here.restore(record, now)
      if (unsetMs > 0) this.#unreported.push(record.userId)
      if (record.unseen && !user?.isVisible) continue
      const { userId, username, newUsername } = record
      const stored = record.lastSeen + unsetMs
      const aheadMs = record.aheadMs ?? (stored > now ? setBackMs : 0)
      const isKnown = record.aheadMs !== undefined
      const lastSeen = aheadMs > 0 ? this.#move(userId, stored, aheadMs, now, isKnown) : stored
      const shown = user ? presenceOf(user.said) : OFFLINE
      this.#view.put(userId, shown, lastSeen, user?.isVisible ? (newUsername ?? username) : username)
    }
  }

  /** A session begins, perhaps with a name and a choice of its user. All of it together is one change. */
  open(userId: UserId, session: SessionName, now: number, arrival: Arrival = {}): Decision {
    const forgotten = this.#isKnown(userId) ? [] : this.#makeRoom()
    const decision = this.#decide([this.#here.open(userId, session, now, arrival)])
    return forgotten.length === 0 ? decision : { ...decision, forgotten }
  }

  /** A session was left on purpose. It ends at once. */
  leave(userId: UserId, sessionId: string, now: number): Decision {
    const user = this.#here.get(userId)
    return user ? this.#decide([this.#here.leave(user, sessionId, now)]) : NOTHING
  }

  /** A session was lost. It is held for the grace period. */
  lose(userId: UserId, sessionId: string, now: number): Decision {
    const user = this.#here.get(userId)
    return user ? this.#decide([this.#here.lose(user, sessionId, now)]) : NOTHING
  }

  /**
   * Records a sign of life at `at`, in ms since the epoch. It changes only `lastSeen`. Only this and `open`
   * are signs of life: a choice may be made by a backend, and the end of a session may be noticed late.
   */
  heard(userId: UserId, at: number): void {
    this.#wall.tell(at)
    this.#here.get(userId)?.heard(at)
  }

  /** Sets the choice of a user. Without a session nothing changes. */
  setStatus(userId: UserId, choice: Choice, now: number): Decision {
    const user = this.#here.get(userId)
    return user ? this.#decide([this.#here.setStatus(user, choice, now)]) : NOTHING
  }

  /** Sets whether a session is active or idle. */
  setActivity(userId: UserId, sessionId: string, activity: 'active' | 'idle', now: number): Decision {
    const user = this.#here.get(userId)
    return user ? this.#decide([this.#here.setActivity(user, sessionId, activity === 'idle', now)]) : NOTHING
  }

  /**
   * Sets whether a session is visible to its user. An inactive session is held longer when its connection is
   * lost.
   */
  setVisibility(userId: UserId, sessionId: string, visibility: 'active' | 'inactive', now: number): Decision {
    const user = this.#here.get(userId)
    if (!user) return NOTHING
    return this.#decide([this.#here.setVisibility(user, sessionId, visibility === 'inactive', now)])
  }

  /** Sets the name of a user. Others see the new name of a hidden user only when they see the user again. */
  identify(userId: UserId, username: string, now: number): Decision {
    const isSame = username === (this.#here.get(userId)?.newName ?? this.#here.seen(userId)?.username)
    if (!this.#isKnown(userId) || isSame) return NOTHING
    return this.#decide([this.#here.identify(userId, username, now)])
  }

  /**
   * Ends grace periods and choices, and decides the changes that the rate limit has delayed until `now`.
   * Handles at most `limit` users. Call it again while `nextDeadline <= now`.
   */
  advance(now: number, limit: number): Decision {
    this.#wall.tell(now)
    this.#believeClock(now)
    const changed = this.#unreported.splice(-limit)
    const steps: Step[] = []
    while (changed.length + steps.length < limit) {
      const step = this.#here.advance(now)
      if (!step) break
      steps.push(step)
    }
    const decision = this.#decide(steps)
    return changed.length === 0
      ? decision
      : { ...decision, records: [...this.#recordsOf(changed), ...decision.records] }
  }

  /** When `advance` must be called next, in ms since the epoch; Infinity if there is no deadline. */
  get nextDeadline(): number {
    return this.#unreported.length > 0 ? Number.NEGATIVE_INFINITY : this.#here.nextDeadline
  }

  /**
   * Makes facts visible, in this order. Returns the changes that others see. Nothing else makes anything
   * visible.
   */
  apply(facts: readonly Fact[]): Change[] {
    return facts.map(fact => {
      this.#here.applied(fact)
      return this.#view.apply(fact)
    })
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
    const wasBehind = this.#wall.isBehind
    const isRight = this.#wall.jump(ms, now)
    if (ms >= this.#options.noticedMs) this.#here.awaitReturn(now)
    const changed = this.#here.jumped(ms).map(({ userId }) => userId)
    if (isRight) this.#correctStamps(changed)
    this.#moveStamps(ms, now, wasBehind)
    return { ...NOTHING, records: this.#recordsOf(changed) }
  }

  /**
   * Checks the next `count` users, and forgets those who were not seen for `keepMs`, both by the clock and by
   * the known time. So no wrong clock makes a user forgotten.
   */
  forgetStale(now: number, count: number): Decision {
    const forgotten: UserId[] = []
    const before = Math.min(now, this.knownTime(now)) - this.#options.keepMs
    for (const { userId, lastSeen } of this.#someForgettable(count)) {
      if (this.#wall.lastPresent(this.#stampOf(userId, lastSeen)) >= before) continue
      this.#forget(userId)
      forgotten.push(userId)
    }
    this.#here.dropEarnedBack(this.#wall.awake(now), count)
    return { ...NOTHING, forgotten }
  }

  // Queries

  get onlineCount(): number {
    return this.#view.onlineCount
  }

  get knownCount(): number {
    return this.#view.size + this.#here.unseenCount
  }

  /** One user as others see them; see {@link View.see}. */
  see(userId: UserId): SeenUser {
    return this.#view.see(userId)
  }

  /** The first `limit` users as others see them; see {@link View.list}. */
  list(limit: number): Iterable<SeenUser> {
    return this.#view.list(limit)
  }

  /** Some users as others see them; see {@link View.page}. */
  page(from: BucketPlace | undefined, limit: number, status?: SeenUser['status']): Page {
    return this.#view.page(from, limit, status)
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

  /** The record of a user; undefined for an unknown user. */
  record(userId: UserId): PresenceRecord | undefined {
    const user = this.#here.get(userId)
    if (user) return this.#recordOf(user)
    const known = this.#view.get(userId)
    return known && this.#recordOfArchived(known)
  }

  /**
   * The records of all users, each in the state of the moment when it is reached. Users may be added and
   * forgotten meanwhile.
   */
  *records(): Generator<PresenceRecord> {
    for (const { userId } of this.#view.users()) {
      const record = this.record(userId)
      if (record) yield record
    }
    for (const user of this.#here.users()) {
      // Others have not seen this user yet, or the first fact about the user is pending.
      if (!this.#view.get(user.userId)) yield this.#recordOf(user)
    }
  }

  // Private

  #decide(steps: readonly Step[]): Decision {
    const facts: Fact[] = []
    const records: PresenceRecord[] = []
    const forgotten: UserId[] = []
    const choices: OwnChoice[] = []
    const ended: EndedSession[] = []
    for (const step of steps) {
      const { user, fact, choice } = step
      if (fact) {
        const isOff = this.#wall.isOff && step.isOwnSign && presenceOf(fact).status === 'offline'
        if (isOff) this.#stampedWhileWrong.set(user.userId, this.#wall.jumpedMs)
        else this.#stampedWhileWrong.delete(user.userId)
        if (step.isOwnSign) this.#moved.delete(user.userId)
        facts.push(fact)
      }
      if (choice) choices.push(choice)
      if (step.ended) ended.push(...step.ended)
      // A user whom others have never seen, and who has nothing to keep, does not exist.
      if (user.wasSeen || !user.isDone) records.push(this.#recordOf(user))
      else forgotten.push(user.userId)
    }
    return { facts, records, forgotten, choices, ended }
  }

  /** The record of a user with all pending facts. */
  #recordOf(user: User): PresenceRecord {
    const { userId, liveness, choice, chosenAt, newName, wasSeen } = user
    const seen = this.#here.seen(userId)
    const sign = this.#here.signOfLife(user)
    const aheadMs = seen && sign === undefined ? this.#moved.aheadMs(userId, seen.lastSeen) : undefined
    const written = sign ?? (seen ? this.#stampOf(userId, seen.lastSeen) : user.knownSince)
    // Without a session, only a choice with an end is kept, and for some time the choice to be hidden.
    const isKept = liveness !== 'none' || choice.expiresAt !== undefined || user.isKeptHidden
    const record: { -readonly [Field in keyof PresenceRecord]: PresenceRecord[Field] } = {
      userId,
      session: liveness,
      status: isKept ? choice.status : 'offline',
      lastSeen: written + this.#behindMs(user),
    }
    // Not by spreading optional parts: a record is made for each command, and that would take twice as long.
    if (isKept && choice.text !== undefined) record.text = choice.text
    if (isKept && choice.expiresAt !== undefined) record.expiresAt = choice.expiresAt
    if (chosenAt > 0) record.chosenAt = chosenAt
    if (user.isKeptHidden) record.keptHidden = true
    if (user.isIdle) record.idle = true
    if (user.isInactive) record.inactive = true
    if (aheadMs !== undefined) record.aheadMs = aheadMs
    if (!wasSeen) record.unseen = true
    if (seen?.username !== undefined) record.username = seen.username
    if (newName !== undefined) record.newUsername = newName
    return record
  }

  #recordOfArchived({ userId, lastSeen, username }: ArchivedUser): PresenceRecord {
    const aheadMs = this.#moved.aheadMs(userId, lastSeen)
    return {
      userId,
      session: 'none',
      status: 'offline',
      lastSeen: this.#stampOf(userId, lastSeen) + this.#behindStampMs(userId),
      ...(aheadMs !== undefined && { aheadMs }),
      ...(username !== undefined && { username }),
    }
  }

  /** By how much the clock is known to have been behind when it wrote the `lastSeen` of a user, in ms. */
  #behindMs(user: User): number {
    if (user.isVisible) return this.#here.signOfLife(user) === undefined ? 0 : this.#wall.behindMs()
    return this.#behindStampMs(user.userId)
  }

  #behindStampMs(userId: UserId): number {
    const jumpedThen = this.#stampedWhileWrong.get(userId)
    return jumpedThen === undefined ? 0 : this.#wall.behindMs(jumpedThen)
  }

  /** The original timestamp of a user whom others see with this `lastSeen`. */
  #stampOf(userId: UserId, lastSeen: number): number {
    return this.#moved.stored(userId, lastSeen) ?? lastSeen
  }

  /**
   * The clock is right again. Corrects the `lastSeen` that it wrote while it was wrong. Adds the users to
   * `changed`.
   */
  #correctStamps(changed: UserId[]): void {
    const { jumpedMs } = this.#wall
    for (const [userId, jumpedThen] of this.#stampedWhileWrong) {
      const known = this.#view.get(userId)
      if (!known) continue
      this.#view.correct(userId, this.#stampOf(userId, known.lastSeen) + jumpedMs - jumpedThen)
      this.#moved.delete(userId)
      changed.push(userId)
    }
    this.#stampedWhileWrong.clear()
  }

  /**
   * The clock was set. Moves the timestamps that are in the future now, and updates those that were moved
   * before.
   */
  #moveStamps(ms: number, now: number, wasBehind: boolean): void {
    const jump = { ms, now, jumpedMs: this.#wall.jumpedMs, isBehind: this.#wall.isBehind, wasBehind }
    for (const userId of this.#moved.users()) {
      const known = this.#view.get(userId)
      this.#unreported.push(userId)
      if (!known || this.#moved.stored(userId, known.lastSeen) === undefined) this.#moved.delete(userId)
      else this.#view.correct(userId, this.#moved.follow(userId, known.lastSeen, jump))
    }
    if (ms >= 0) return
    for (const { userId, lastSeen } of this.#view.users()) {
      if (lastSeen > now && !this.#isHeard(userId))
        this.#view.correct(userId, this.#move(userId, lastSeen, -ms, now))
    }
  }

  #move(userId: UserId, stored: number, aheadMs: number, now: number, isKnown = false): number {
    const { isBehind, jumpedMs } = this.#wall
    if (!isBehind) this.#unreported.push(userId)
    const reading = { now, jumpedMs, isBehind }
    return this.#moved.move(userId, stored, aheadMs, reading, isKnown)
  }

  /** Whether the user is visible and gave a sign of life to this process. */
  #isHeard(userId: UserId): boolean {
    const user = this.#here.get(userId)
    return user !== undefined && this.#here.signOfLife(user) !== undefined
  }

  /** Believes a clock that was in doubt for long enough. */
  #believeClock(now: number): void {
    if (this.#wall.isToBeBelieved(now)) {
      if (this.#wall.behindMs() > 0) {
        for (const { userId } of this.#view.visibleUsers()) this.#unreported.push(userId)
      }
      for (const userId of this.#stampedWhileWrong.keys()) this.#unreported.push(userId)
      this.#stampedWhileWrong.clear()
      this.#wall.believe()
    }
    if (this.#moved.size > 0 && this.#wall.isSetBackForGood(now)) {
      for (const userId of this.#moved.users()) this.#unreported.push(userId)
      this.#moved.clear()
    }
  }

  #recordsOf(userIds: readonly UserId[]): PresenceRecord[] {
    return userIds.flatMap(userId => this.record(userId) ?? [])
  }

  #isKnown(userId: UserId): boolean {
    return this.#here.get(userId) !== undefined || this.#here.seen(userId) !== undefined
  }

  /**
   * Whether forgetting the user loses only a name and a time: the user is not present, not visible, and not
   * kept hidden, and no pending fact would bring the user back.
   */
  #isForgettable(userId: UserId): boolean {
    if (this.#here.isPending(userId)) return false
    const user = this.#here.get(userId)
    if (!user) return !this.#view.isVisible(userId)
    return user.liveness === 'none' && !user.isKeptHidden
  }

  /**
   * Checks the next `count` users whom others have seen, and up to `count` other users. Yields those who can
   * be forgotten.
   */
  *#someForgettable(count: number): Generator<{ userId: UserId; lastSeen: number }> {
    for (let looked = 0; looked < count; looked++) {
      const known = this.#view.next()
      if (!known) break
      if (this.#isForgettable(known.userId)) yield known
    }
    for (let looked = 0; looked < count && this.#here.unseenCount > 0; looked++) {
      const user = this.#here.next()
      if (user?.wasSeen === false && this.#isForgettable(user.userId)) {
        yield { userId: user.userId, lastSeen: user.knownSince }
      }
    }
  }

  #makeRoom(): UserId[] {
    if (this.knownCount < this.#options.maxKnown) return []
    let oldest: { userId: UserId; lastSeen: number } | undefined
    for (const candidate of this.#someForgettable(FORGET_SAMPLE)) {
      if (!oldest || candidate.lastSeen < oldest.lastSeen) oldest = candidate
    }
    const userId = oldest?.userId ?? this.#here.keptLongest?.userId
    if (userId === undefined) return []
    this.#forget(userId)
    return [userId]
  }

  #forget(userId: UserId): void {
    this.#view.forget(userId)
    this.#here.forget(userId)
    this.#stampedWhileWrong.delete(userId)
    this.#moved.delete(userId)
  }
}
