import type { UserId } from '@who-is-online/protocol/words'

/**
 * How long a user who is being erased is refused at most, in ms. It takes only some ms, unless a node that has sessions
 * of the user does not answer: that node is lost before.
 */
const ERASE_MS = 60_000

/** The users who are being erased. All times are in ms since the epoch by the clock of Redis. */
export class ErasedUsers {
  /** When this node has read that a user is erased. */
  readonly #erasedAt = new Map<UserId, number>()

  has(userId: UserId): boolean {
    return this.#erasedAt.has(userId)
  }

  /** This node has read at `time` that users are erased. */
  take(userIds: readonly UserId[], time: number): void {
    for (const userId of userIds) this.#erasedAt.set(userId, time)
  }

  /** A user may come back, as a new one, when nothing is kept of the old one any more. */
  end(time: number, keeps: (userId: UserId) => boolean): void {
    for (const [userId, at] of this.#erasedAt) {
      if (at < time && (at < time - ERASE_MS || !keeps(userId))) this.#erasedAt.delete(userId)
    }
  }

  /** How much longer a user is refused at most, in ms; 0 or less for a user who is not being erased. */
  msLeft(userId: UserId, time: number): number {
    const erasedAt = this.#erasedAt.get(userId)
    return erasedAt === undefined ? 0 : erasedAt + ERASE_MS - time
  }
}
