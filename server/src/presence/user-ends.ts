import { Deadlines } from './deadlines.ts'
import { Expiries } from './expiries.ts'
import type { User } from './user.ts'
import type { WallClock } from './wall-clock.ts'

/** When the choice of a user ends, in ms since the epoch. */
const choiceEnd = ({ choice }: User): number | undefined => choice.expiresAt

/** What time alone changes of users, and when: sessions, delayed changes and choices. */
export class UserEnds {
  readonly #wall: WallClock
  /** When held sessions end and delayed changes become visible, in awake time. */
  readonly #deadlines = new Deadlines<User>()
  /**
   * When choices end, by the wall clock: a suspension of the process does not delay them. See
   * `WallClock.choiceTime`.
   */
  readonly #expiries = new Expiries(choiceEnd)
  /** When choices end that were made while the wall clock was ahead, by that clock. */
  readonly #expiriesByWall = new Expiries(choiceEnd)
  /** When active sessions become idle and leased ones end, in awake time. */
  readonly #sessionEnds = new Expiries(({ nextEnd }) => nextEnd)
  /**
   * Users without a session whose choice is kept, and until when, in awake time. All are kept for the same
   * duration, so the first one ends first.
   */
  readonly #kept = new Map<User, number>()

  constructor(wall: WallClock) {
    this.#wall = wall
  }

  /** A held session of a user ends, or a delayed change becomes visible, at `until`, in awake time. */
  add(until: number, user: User): void {
    this.#deadlines.add(until, user)
  }

  /** Waits until an active session of a user becomes idle, or a leased one ends. */
  setSessions(user: User): void {
    this.#sessionEnds.set(user)
  }

  /** Waits for the end of a user's current choice, if it has one. */
  setChoice(user: User): void {
    const { isChoiceByWall } = user
    ;(isChoiceByWall ? this.#expiries : this.#expiriesByWall).delete(user)
    ;(isChoiceByWall ? this.#expiriesByWall : this.#expiries).set(user)
  }

  /** Keeps the choice of a user without a session until `User.keptUntil`. */
  keep(user: User): void {
    this.#kept.set(user, user.keptUntil)
  }

  /** The choice of a user is not kept any more: the user has a session, or the choice has ended. */
  unkeep(user: User): void {
    this.#kept.delete(user)
  }

  /** A user is removed. A deadline of {@link add} stays: the caller of {@link take} must skip it. */
  delete(user: User): void {
    this.#expiries.delete(user)
    this.#expiriesByWall.delete(user)
    this.#sessionEnds.delete(user)
    this.#kept.delete(user)
  }

  /** Removes and returns a user with a deadline that has passed, if there is one. */
  take(now: number): User | undefined {
    const awake = this.#wall.awake(now)
    return (
      this.#takeExpired(now) ??
      this.#deadlines.take(awake) ??
      this.#sessionEnds.take(awake) ??
      this.#takeKept(awake)
    )
  }

  /** When {@link take} must be called next, in ms since the epoch; Infinity if there is no deadline. */
  get next(): number {
    const [keptUntil = Number.POSITIVE_INFINITY] = this.#kept.values()
    return Math.min(
      this.#wall.at(Math.min(this.#deadlines.next, keptUntil, this.#sessionEnds.next)),
      this.#expiries.next + this.#wall.aheadMs,
      this.#expiriesByWall.next,
    )
  }

  /** The user whose choice has been kept longest. */
  get keptLongest(): User | undefined {
    const [user] = this.#kept.keys()
    return user
  }

  #takeExpired(now: number): User | undefined {
    return this.#expiries.take(this.#wall.choiceTime(now)) ?? this.#expiriesByWall.take(now)
  }

  /** Removes and returns a user whose choice is no longer kept at `awake`, if there is one. */
  #takeKept(awake: number): User | undefined {
    for (const [user, until] of this.#kept) {
      if (until > awake) return undefined
      this.#kept.delete(user)
      return user
    }
    return undefined
  }
}
