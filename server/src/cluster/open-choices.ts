import type { UserId } from '@who-is-online/protocol/words'
import { isSameChoice } from '../presence/choice.ts'
import { type KnownChoice, NO_SESSION_YET } from '../presence/present-user.ts'
import type { Fold } from './fold.ts'
import { newWaiting, type Waiting } from './waiting.ts'

/** A choice of which callers wait to know whether it counts. */
interface OpenChoice extends Waiting<boolean> {
  chosen: KnownChoice
}

/** What {@link OpenChoices} reads. */
export interface OpenChoicesPort {
  readonly fold: Pick<Fold, 'chosen' | 'sessions'>
  /** Whether the user has a session on this node, which may not be in the log yet. */
  isHere(userId: UserId): boolean
  /** Whether this node has something to say of the user, or has said something that it has not read back. */
  isUnplaced(userId: UserId): boolean
}

/**
 * Choices that backends have made on this node for users without a session on it. What becomes of them is decided by
 * the nodes that have a session; see `FactLog.whenCounts`.
 *
 * For each user only the newest is kept, which answers earlier callers too: while Redis does not answer, there may be
 * many.
 */
export class OpenChoices {
  readonly #port: OpenChoicesPort
  readonly #open = new Map<UserId, OpenChoice>()

  constructor(port: OpenChoicesPort) {
    this.#port = port
  }

  /** Returns a promise of whether the choice counts. */
  add(userId: UserId, chosen: KnownChoice): Promise<boolean> {
    const open = this.#open.get(userId) ?? { ...newWaiting<boolean>(), chosen }
    open.chosen = chosen
    this.#open.set(userId, open)
    return open.promise
  }

  /** This node has read something. */
  look(): void {
    for (const [userId, { chosen, resolve }] of this.#open) {
      const counts = this.#counts(userId, chosen)
      if (counts === undefined) continue
      this.#open.delete(userId)
      resolve(counts)
    }
  }

  /** Undefined as long as it is not known. */
  #counts(userId: UserId, { choice, madeAt }: KnownChoice): boolean | undefined {
    const { fold } = this.#port
    const known = fold.chosen(userId)
    const isKnown = known !== undefined && known.madeAt >= madeAt
    if (isKnown && known.keptSince !== NO_SESSION_YET) {
      // A node to which the user has come has taken only its time: no session was there before.
      const isVoid = known.madeAt === madeAt && choice.expiresAt === undefined
      return !isVoid || isSameChoice(known.choice, choice)
    }
    if (this.#port.isUnplaced(userId) || this.#port.isHere(userId) || fold.sessions(userId)) return undefined
    return isKnown && known.choice.expiresAt !== undefined
  }
}
