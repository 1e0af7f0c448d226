import type { UserId } from '@who-is-online/protocol/words'
import { ClockPath } from './clock-path.ts'
import { type Fact, presenceOf } from './fact.ts'
import { MovedStamps } from './moved-stamps.ts'
import type { PresenceRecord } from './record.ts'
import type { Jump, StartShift, WallClock } from './wall-clock.ts'

/** The `lastSeen` of a user as others see it, in ms since the epoch. */
interface ShownStamp {
  readonly userId: UserId
  readonly lastSeen: number
}

/** The part of what others see that is corrected: the `lastSeen` of each user whom others have seen. */
export interface ShownStamps {
  get(userId: UserId): ShownStamp | undefined
  users(): Iterable<ShownStamp>
  visibleUsers(): Iterable<ShownStamp>
  /** Replaces the `lastSeen` of a user. */
  correct(userId: UserId, lastSeen: number): void
}

/**
 * Corrects the `lastSeen` that a wrong wall clock wrote. {@link WallClock} knows how wrong the clock is, and
 * this module knows which timestamps that concerns. There are two kinds:
 *
 * - A user went offline while the clock was known to be wrong. The timestamp is shown as it was written, and
 *   corrected when the clock is right again, or back where it was before: see {@link ClockPath}.
 * - A timestamp was in the future when the clock was set back. It is shown earlier at once; see
 *   {@link MovedStamps}.
 *
 * After an hour without a jump, the clock counts as right, and what is shown then is final.
 */
export class LastSeenCorrection {
  readonly #wall: WallClock
  readonly #shown: ShownStamps
  readonly #signOfLife: (userId: UserId) => number | undefined
  /** Where the clock has been. */
  readonly #path = new ClockPath()
  /** The users who went offline while the clock was wrong, each with the sum of jumps at that time. */
  readonly #stampedWhileWrong = new Map<UserId, number>()
  /** The `lastSeen` of users for whom it was in the future when the clock was set back. */
  readonly #moved = new MovedStamps()
  /** Users whose record has changed and was not taken yet. They may be all users, so they are taken in parts. */
  readonly #changed: UserId[] = []

  /**
   * @param signOfLife returns the last sign of life of a visible user in this process, in ms since the epoch.
   * Such a user has a newer timestamp, so the shown one is not corrected
   */
  constructor(wall: WallClock, shown: ShownStamps, signOfLife: (userId: UserId) => number | undefined) {
    this.#wall = wall
    this.#shown = shown
    this.#signOfLife = signOfLife
  }

  // Commands

  /** Returns the `lastSeen` with which others see a user who is restored at `now`, in ms since the epoch. */
  restore(record: PresenceRecord, now: number, { setBackMs, unsetMs }: StartShift): number {
    const stored = record.lastSeen + unsetMs
    const aheadMs = record.aheadMs ?? (stored > now ? setBackMs : 0)
    const isKnown = record.aheadMs !== undefined
    return aheadMs > 0 ? this.#move(record.userId, stored, aheadMs, now, isKnown) : stored
  }

  /**
   * A fact was decided, with a new `lastSeen`.
   *
   * @param isOwnSign whether this process wrote that `lastSeen`
   */
  decided(fact: Fact, isOwnSign: boolean): void {
    const isOff = this.#wall.isOff && isOwnSign && presenceOf(fact).status === 'offline'
    if (isOff) this.#stampedWhileWrong.set(fact.userId, this.#wall.jumpedMs)
    else this.#stampedWhileWrong.delete(fact.userId)
    if (isOwnSign) this.#moved.delete(fact.userId)
  }

  /**
   * The wall clock has jumped. Moves the timestamps that are in the future now. If the clock is right again, or back
   * where it was, corrects those that it wrote while it was wrong, and returns their users.
   */
  jumped(jump: Jump): UserId[] {
    const between = this.#path.follow(jump.jumpedMs)
    const corrected = this.#correctStamps(jump, between)
    this.#followClock(jump)
    if (jump.ms < 0) this.#moveFutureStamps(jump)
    return corrected
  }

  /** Believes a clock that was in doubt for long enough: what is shown now is final. */
  believeClock(now: number): void {
    if (this.#wall.isToBeBelieved(now)) {
      if (this.#wall.behindMs() > 0) {
        for (const { userId } of this.#shown.visibleUsers()) this.#changed.push(userId)
      }
      for (const userId of this.#stampedWhileWrong.keys()) this.#changed.push(userId)
      this.#stampedWhileWrong.clear()
      this.#wall.believe()
    }
    if (this.#moved.size > 0 && this.#wall.isSetBackForGood(now)) {
      for (const userId of this.#moved.users()) this.#changed.push(userId)
      this.#moved.clear()
    }
  }

  /** The record of a user has changed; {@link takeChanged} will return the user. */
  markChanged(userId: UserId): void {
    this.#changed.push(userId)
  }

  /** Removes and returns at most `limit` users whose record has changed. */
  takeChanged(limit: number): UserId[] {
    return this.#changed.splice(-limit)
  }

  forget(userId: UserId): void {
    this.#stampedWhileWrong.delete(userId)
    this.#moved.delete(userId)
  }

  // Queries

  /** Whether {@link takeChanged} would return a user. */
  get hasChanged(): boolean {
    return this.#changed.length > 0
  }

  /**
   * What is stored for a user whom others see, or will see, with this `lastSeen`: the timestamp as it was
   * written, plus the time by which the clock is known to have been behind then. The user gave no sign of life
   * since.
   */
  stored(userId: UserId, lastSeen: number): number {
    const jumpedThen = this.#stampedWhileWrong.get(userId)
    const behindMs = jumpedThen === undefined ? 0 : this.#wall.behindMs(jumpedThen)
    return this.#original(userId, lastSeen) + behindMs
  }

  /** What is stored as `aheadMs` for a user whom others see with this `lastSeen`; see {@link MovedStamps.aheadMs}. */
  aheadMs(userId: UserId, lastSeen: number): number | undefined {
    return this.#moved.aheadMs(userId, lastSeen)
  }

  // Private

  /** The timestamp as it was written, of a user whom others see, or will see, with this `lastSeen`. */
  #original(userId: UserId, lastSeen: number): number {
    return this.#moved.original(userId, lastSeen) ?? lastSeen
  }

  /**
   * Corrects the timestamps that the clock wrote while it was wrong: all if it is right again, and otherwise those of
   * these sums of jumps.
   */
  #correctStamps({ jumpedMs, isRightAgain }: Jump, wrongSums: readonly number[]): UserId[] {
    const corrected: UserId[] = []
    if (!isRightAgain && wrongSums.length === 0) return corrected
    for (const [userId, jumpedThen] of this.#stampedWhileWrong) {
      if (!isRightAgain && !wrongSums.includes(jumpedThen)) continue
      const known = this.#shown.get(userId)
      if (!known) continue
      this.#shown.correct(userId, this.#original(userId, known.lastSeen) + jumpedMs - jumpedThen)
      this.#moved.delete(userId)
      // As if the clock had written it now: it may still be wrong.
      this.#stampedWhileWrong.set(userId, jumpedMs)
      corrected.push(userId)
    }
    if (isRightAgain) this.#stampedWhileWrong.clear()
    return corrected
  }

  /** Updates the timestamps that were moved before this jump. */
  #followClock(jump: Jump): void {
    for (const userId of this.#moved.users()) {
      const known = this.#shown.get(userId)
      this.#changed.push(userId)
      if (!known || this.#moved.original(userId, known.lastSeen) === undefined) this.#moved.delete(userId)
      else this.#shown.correct(userId, this.#moved.follow(userId, known.lastSeen, jump))
    }
  }

  /** Moves the timestamps that are in the future after the clock was set back. */
  #moveFutureStamps({ ms, now }: Jump): void {
    for (const { userId, lastSeen } of this.#shown.users()) {
      if (lastSeen <= now || this.#signOfLife(userId) !== undefined) continue
      this.#shown.correct(userId, this.#move(userId, lastSeen, -ms, now))
    }
  }

  #move(userId: UserId, stored: number, aheadMs: number, now: number, isKnown = false): number {
    const { isBehind, jumpedMs } = this.#wall
    if (!isBehind) this.#changed.push(userId)
    return this.#moved.move(userId, stored, aheadMs, { now, jumpedMs, isBehind }, isKnown)
  }
}
