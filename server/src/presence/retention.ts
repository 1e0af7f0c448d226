import type { UserId } from '@who-is-online/protocol/words'
import { type Choice, hasExpired } from './choice.ts'
import type { Elsewhere } from './elsewhere.ts'
import type { Here } from './here.ts'
import type { LastSeenCorrection } from './last-seen-correction.ts'
import type { PresenceOptions } from './options.ts'
import type { View } from './view.ts'
import type { WallClock } from './wall-clock.ts'

/**
 * How many users are checked to find one to forget. With more, an older one would be found, at a higher cost.
 */
const FORGET_SAMPLE = 32

/** A user who can be forgotten. */
interface Forgettable {
  readonly userId: UserId
  readonly lastSeen: number
}

/**
 * How long users are known. Forgets those who were not seen for `keepMs`, and old ones when a new user would exceed
 * `maxKnown`. A user is never forgotten while present, visible, or about to be visible.
 */
export class Retention {
  readonly #options: PresenceOptions
  readonly #wall: WallClock
  readonly #here: Here
  readonly #view: View
  readonly #correction: LastSeenCorrection
  readonly #elsewhere: Pick<Elsewhere, 'isPresent' | 'choiceOf'>

  constructor(
    options: PresenceOptions,
    wall: WallClock,
    here: Here,
    view: View,
    correction: LastSeenCorrection,
    elsewhere: Pick<Elsewhere, 'isPresent' | 'choiceOf'>,
  ) {
    this.#options = options
    this.#wall = wall
    this.#here = here
    this.#view = view
    this.#correction = correction
    this.#elsewhere = elsewhere
  }

  /** How many of `knownCount` users must be forgotten for a new one. */
  excess(knownCount: number): number {
    return Math.max(0, knownCount + 1 - this.#options.maxKnown)
  }

  /**
   * Makes room for a new user. Forgets up to `count` users, the oldest of a sample, or else the user who has been kept
   * hidden longest. Returns them. If none of the sample can be forgotten, the number of known users exceeds the limit
   * until a later sample has more of them.
   */
  makeRoom(count: number, now: number): UserId[] {
    // With few users, a sample has some of them twice.
    const sample = new Map<UserId, Forgettable>()
    for (const candidate of this.#someForgettable(FORGET_SAMPLE)) {
      if (this.#isHiddenElsewhere(candidate.userId, now)) continue
      sample.set(candidate.userId, candidate)
    }
    const oldest = [...sample.values()].sort((a, b) => a.lastSeen - b.lastSeen).slice(0, count)
    const kept = oldest.length === 0 ? this.#here.keptLongest : undefined
    const isFree = kept !== undefined && !this.#view.isVisible(kept.userId)
    const forgotten = (isFree ? [kept] : oldest).map(({ userId }) => userId)
    for (const userId of forgotten) this.#forget(userId)
    return forgotten
  }

  /**
   * Checks the next `count` users, and forgets those who were not seen for `keepMs`, and for whom no choice was made
   * ahead in that time, both by the clock and by the known time. So no wrong clock makes a user forgotten. Returns the
   * forgotten users.
   */
  forgetStale(now: number, count: number): UserId[] {
    const forgotten: UserId[] = []
    const before = Math.min(now, this.#wall.knownTime(now)) - this.#options.keepMs
    for (const { userId, lastSeen } of this.#someForgettable(count)) {
      if (this.#wall.lastPresent(this.#correction.stored(userId, lastSeen)) >= before) continue
      if (this.#chosenAhead(userId, now) >= before) continue
      this.#forget(userId)
      forgotten.push(userId)
      // Users of both kinds were looked at, up to `count` of each.
      if (forgotten.length === count) break
    }
    return forgotten
  }

  /** Whether a user can be forgotten, also one who would be hidden on returning. */
  isErasable(userId: UserId): boolean {
    if (this.#here.isPending(userId) || this.#view.isVisible(userId)) return false
    return !this.#elsewhere.isPresent(userId) && (this.#here.get(userId)?.liveness ?? 'none') === 'none'
  }

  /** Forgets everything about a user. */
  erase(userId: UserId): void {
    this.#forget(userId)
    this.#here.unpace(userId)
  }

  // Private

  /**
   * Checks the next `count` users whom others have seen, and up to `count` other users. Yields those who can
   * be forgotten.
   */
  *#someForgettable(count: number): Generator<Forgettable> {
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

  /**
   * Whether forgetting the user loses only a name and a time: the user is not present, not visible, and not
   * kept hidden, and no pending fact would bring the user back.
   */
  #isForgettable(userId: UserId): boolean {
    if (this.#here.isPending(userId) || this.#view.isVisible(userId)) return false
    if (this.#elsewhere.isPresent(userId)) return false
    const user = this.#here.get(userId)
    return !user || (user.liveness === 'none' && !user.isKeptHidden)
  }

  /**
   * Whether the user must still be hidden on returning, because of what another node has said. How long a user is kept
   * hidden who was here, this node knows itself.
   */
  #isHiddenElsewhere(userId: UserId, now: number): boolean {
    if (this.#here.get(userId)) return false
    const choice = this.#elsewhere.choiceOf(userId)?.choice
    return choice?.status === 'offline' && !hasExpired(choice, this.#wall.choiceTime(now))
  }

  /** When the choice was made that applies on returning until its end, in ms since the epoch; 0 without one. */
  #chosenAhead(userId: UserId, now: number): number {
    const user = this.#here.get(userId)
    const known = this.#elsewhere.choiceOf(userId)
    const isAhead = (choice: Choice) =>
      choice.expiresAt !== undefined && !hasExpired(choice, this.#wall.choiceTime(now))
    const here = user && isAhead(user.choice) ? user.chosenAt : 0
    return Math.min(now, Math.max(here, known && isAhead(known.choice) ? known.madeAt : 0))
  }

  #forget(userId: UserId): void {
    this.#view.forget(userId)
    this.#here.forget(userId)
    this.#correction.forget(userId)
  }
}
