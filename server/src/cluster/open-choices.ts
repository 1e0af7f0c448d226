import type { UserId } from '@who-is-online/protocol/words'
import { type Choice, isSameChoice } from '../presence/choice.ts'
import { type KnownChoice, NO_SESSION_YET } from '../presence/here.ts'
import type { Fold } from './fold.ts'

/** A choice of which a caller waits to know whether it counts. */
interface OpenChoice {
  readonly choice: Choice
  readonly madeAt: number
  /** Whether this node has read its own entry with it. */
  isPlaced: boolean
  readonly promise: Promise<boolean>
  readonly resolve: (counts: boolean) => void
}

/**
 * Choices that backends have made on this node for users without a session on it. What becomes of them is decided by
 * the nodes that have a session; see `FactLog.whenCounts`.
 *
 * For each user only the newest is kept, which answers earlier callers too: while Redis does not answer, there may be
 * many.
 */
export class OpenChoices {
  readonly #fold: Pick<Fold, 'chosen' | 'sessions'>
  readonly #isHere: (userId: UserId) => boolean
  readonly #open = new Map<UserId, OpenChoice>()

  /** @param isHere whether the user has a session on this node, which may not be in the log yet */
  constructor(fold: Pick<Fold, 'chosen' | 'sessions'>, isHere: (userId: UserId) => boolean) {
    this.#fold = fold
    this.#isHere = isHere
  }

  /**
   * @param placed resolves when this node has read its own entry with the choice
   * @returns a promise of whether the choice counts
   */
  add(userId: UserId, { choice, madeAt }: KnownChoice, placed: Promise<void>): Promise<boolean> {
    let resolve = (_counts: boolean): void => {}
    const promise = new Promise<boolean>(done => (resolve = done))
    const open = { choice, madeAt, isPlaced: false, promise, resolve }
    const earlier = this.#open.get(userId)
    this.#open.set(userId, open)
    void placed.then(() => {
      open.isPlaced = true
      this.#look(userId, open)
    })
    if (earlier) void promise.then(earlier.resolve)
    return promise
  }

  /** This node has read something. */
  look(): void {
    for (const [userId, open] of this.#open) this.#look(userId, open)
  }

  #look(userId: UserId, open: OpenChoice): void {
    if (this.#open.get(userId) !== open) return
    const counts = this.#counts(userId, open)
    if (counts === undefined) return
    this.#open.delete(userId)
    open.resolve(counts)
  }

  /** Undefined as long as it is not known. */
  #counts(userId: UserId, { choice, madeAt, isPlaced }: OpenChoice): boolean | undefined {
    const known = this.#fold.chosen(userId)
    const isKnown = known !== undefined && known.madeAt >= madeAt
    if (isKnown && known.keptSince !== NO_SESSION_YET) {
      // A node to which the user has come has taken only its time: no session was there before.
      const isVoid = known.madeAt === madeAt && choice.expiresAt === undefined
      return !isVoid || isSameChoice(known.choice, choice)
    }
    if (!isPlaced || this.#isHere(userId) || this.#fold.sessions(userId)) return undefined
    return isKnown && known.choice.expiresAt !== undefined
  }
}
