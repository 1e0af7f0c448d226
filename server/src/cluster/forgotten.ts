import type { UserId } from '@who-is-online/protocol/words'
import type { PresentUser } from '../presence/here.ts'
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

/** What {@link Leftovers} reads. */
type LeftoversFold = Pick<Fold, 'unseen' | 'choosers' | 'chosen' | 'isElsewhere'>

/**
 * Finds registers of users whom presence does not know: the choices of users who were always hidden and whose node has
 * ended, and values that came after their user was forgotten. Presence forgets all other users. It also finds hidden
 * users whose node was lost: somebody must say since when they have no session.
 */
export class Leftovers {
  readonly #fold: LeftoversFold
  readonly #keepMs: number
  #users: ReturnType<Fold['unseen']> | undefined
  #choosers: Iterator<UserId> | undefined

  /** @param keepMs for how long a user is known who does not come back */
  constructor(fold: LeftoversFold, keepMs: number) {
    this.#fold = fold
    this.#keepMs = keepMs
  }

  /** Looks at the next users. Returns those about whom something must be said at `now`. */
  next(now: number): UserId[] {
    return [...new Set([...this.#nextForgotten(now), ...this.#nextKept()])]
  }

  /** The next users who hide and have had no session since an unknown time. */
  #nextKept(): UserId[] {
    const found: UserId[] = []
    this.#choosers ??= this.#fold.choosers()
    for (let looked = 0; looked < USERS_PER_STEP; looked++) {
      const { done, value: userId } = this.#choosers.next()
      if (done) {
        this.#choosers = undefined
        break
      }
      const known = this.#fold.chosen(userId)
      if (known?.choice.status !== 'offline' || known.choice.expiresAt !== undefined) continue
      if (known.keptSince === undefined && !this.#fold.isElsewhere(userId)) found.push(userId)
    }
    return found
  }

  /** The next users who have had a session on no node for too long. */
  #nextForgotten(now: number): UserId[] {
    const found: UserId[] = []
    this.#users ??= this.#fold.unseen()
    for (let looked = 0; looked < USERS_PER_STEP; looked++) {
      const { done, value } = this.#users.next()
      if (done) {
        this.#users = undefined
        break
      }
      const [userId, writtenAt] = value
      if (writtenAt === undefined || writtenAt >= now - this.#keepMs) continue
      if (!this.#fold.isElsewhere(userId)) found.push(userId)
    }
    return found
  }
}
