import type { UserId } from '@who-is-online/protocol/words'

/** Until when a user may not connect, and when that was said. Both are in ms by the clock of the log. */
export type Refusal = readonly [userId: UserId, until: number, saidAt: number]

/** How many users can be refused at the same time. An application that has more must refuse their tokens. */
export const MAX_REFUSED_USERS = 10_000

/** How often refusals that have ended are dropped, in ms. */
const SWEEP_MS = 60_000

/**
 * The users who may not connect for a while. They are only in memory: nothing of them is left on a disk. All times are
 * in ms by one clock, that of the caller.
 */
export class RefusedUsers {
  readonly #refusals = new Map<UserId, Refusal>()
  #sweptAt = Number.NEGATIVE_INFINITY

  /** Takes a refusal. It replaces an earlier one of the user, and none that was said later. */
  take(refusal: Refusal): void {
    const [userId, , saidAt] = refusal
    const known = this.#refusals.get(userId)
    if (!known || known[2] <= saidAt) this.#refusals.set(userId, refusal)
  }

  /** How much longer a user may not connect, in ms; 0 for all other users. */
  msLeft(userId: UserId, now: number): number {
    if (now - this.#sweptAt >= SWEEP_MS) this.#sweep(now)
    return Math.max(0, (this.#refusals.get(userId)?.[1] ?? 0) - now)
  }

  /** Whether a user can be refused without exceeding {@link MAX_REFUSED_USERS}. */
  hasRoomFor(userId: UserId, now: number): boolean {
    if (this.#refusals.size >= MAX_REFUSED_USERS) this.#sweep(now)
    return this.#refusals.size < MAX_REFUSED_USERS || this.#refusals.has(userId)
  }

  forget(userId: UserId): void {
    this.#refusals.delete(userId)
  }

  /** The users who may not connect now. */
  users(now: number): UserId[] {
    this.#sweep(now)
    return [...this.#refusals.keys()]
  }

  get(userId: UserId): Refusal | undefined {
    return this.#refusals.get(userId)
  }

  #sweep(now: number): void {
    this.#sweptAt = now
    for (const [userId, until] of this.#refusals.values()) if (until <= now) this.#refusals.delete(userId)
  }
}
