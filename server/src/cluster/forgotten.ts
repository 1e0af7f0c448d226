import type { UserId } from '@who-is-online/protocol/words'
import { isHide, NO_CHOICE } from '../presence/choice.ts'
import type { PresentUser } from '../presence/present-user.ts'
import type { Entry } from './entry.ts'
import { isRemoval } from './entry.ts'
import type { Fold } from './fold.ts'
import type { NamedUser } from './log.ts'
import { userOf } from './registers.ts'

/**
 * The users whom another node forgets with an entry although they are on this node, with the names that this node
 * knows. The other node had not read yet that they came. Call it before the entry is applied.
 */
export function forgottenHere(
  { body }: Pick<Entry, 'body'>,
  present: (userId: UserId) => Pick<PresentUser, 'isHere' | 'username'>,
): Map<UserId, string | undefined> {
  const users = new Map<UserId, string | undefined>()
  for (const [key, value] of body.registers) {
    if (!isRemoval(value)) continue
    const { isHere, username } = present(userOf(key))
    if (isHere) users.set(userOf(key), username)
  }
  return users
}

/** Those who had a name and have none now, after the entry was applied. */
export function unnamedOf(
  users: ReadonlyMap<UserId, string | undefined>,
  nameOf: (userId: UserId) => string | undefined,
): NamedUser[] {
  return [...users].flatMap(([userId, username]) =>
    username === undefined || nameOf(userId) !== undefined ? [] : [{ userId, username }],
  )
}

/** How many users are looked at in one step: about 1 ms of work. */
const USERS_PER_STEP = 500

/**
 * For this long after its end, in ms, a choice is removed only by a node that keeps it: by the clock of Redis alone, a
 * user who hides must not be visible too early. A node doubts its own clock for the same time.
 */
const CLOCK_DOUBT_MS = 3_600_000

/** What {@link Leftovers} reads. */
type LeftoversFold = Pick<Fold, 'unseen' | 'choosers' | 'chosen' | 'isElsewhere'>

/** Goes through a collection in steps, and begins again after the last item. */
class Steps<Item> {
  readonly #begin: () => Iterator<Item>
  #rest: Iterator<Item> | undefined

  /** @param begin returns an iterator that survives changes of the collection */
  constructor(begin: () => Iterator<Item>) {
    this.#begin = begin
  }

  /** The items of the next step, until the last one. */
  *next(): Generator<Item> {
    this.#rest ??= this.#begin()
    for (let looked = 0; looked < USERS_PER_STEP; looked++) {
      const { done, value } = this.#rest.next()
      if (done) {
        this.#rest = undefined
        return
      }
      yield value
    }
  }
}

/**
 * Finds registers of users whom presence does not know: the choices of users who were always hidden, or have never
 * come, and whose node has ended, and values that came after their user was forgotten. Presence forgets all other
 * users. It also finds hidden users whose node was lost: somebody must say since when they have no session.
 */
export class Leftovers {
  readonly #fold: LeftoversFold
  readonly #keepMs: number
  readonly #unseen: Steps<readonly [userId: UserId, writtenAt: number | undefined]>
  readonly #choosers: Steps<UserId>

  /** @param keepMs for how long a user is known who does not come back */
  constructor(fold: LeftoversFold, keepMs: number) {
    this.#fold = fold
    this.#keepMs = keepMs
    this.#unseen = new Steps(() => fold.unseen())
    this.#choosers = new Steps(() => fold.choosers())
  }

  /** Looks at the next users. Returns those about whom something must be said at `now`. */
  next(now: number): UserId[] {
    const found = new Set<UserId>()
    for (const [userId, writtenAt] of this.#unseen.next()) {
      if (writtenAt === undefined) continue
      const { expiresAt = Number.POSITIVE_INFINITY } = this.#fold.chosen(userId)?.choice ?? NO_CHOICE
      const isOver = writtenAt < now - this.#keepMs || expiresAt < now - CLOCK_DOUBT_MS
      if (isOver && !this.#fold.isElsewhere(userId)) found.add(userId)
    }
    for (const userId of this.#choosers.next()) {
      const known = this.#fold.chosen(userId)
      const hasNoTime = known !== undefined && isHide(known.choice) && known.keptSince === undefined
      if (hasNoTime && !this.#fold.isElsewhere(userId)) found.add(userId)
    }
    return [...found]
  }
}
