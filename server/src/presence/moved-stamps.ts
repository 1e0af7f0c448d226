import type { UserId } from '@who-is-online/protocol/words'
import { TOLERANCE_MS } from './clock-skew.ts'
import type { Jump, Reading } from './wall-clock.ts'

interface MovedStamp {
  /** The original timestamp. */
  readonly original: number
  /** The timestamp that replaces it. */
  readonly lastSeen: number
  /** The sum of all jumps when it was moved. */
  readonly movedAt: number
  /** The sum of all jumps at which the clock is where it was when the timestamp was made. */
  readonly undoneAt: number
  /** Whether the present clock is not behind a time that is known to have passed. */
  readonly isSure: boolean
  /** Whether an earlier process has measured how far the clock was ahead. */
  readonly isKnown: boolean
}

/**
 * Timestamps that were in the future when the wall clock was set back, and were moved into the past. It is
 * not certain that the new time is right, so the original timestamps are kept and stored until that is
 * decided. They are moved at once: later the clock would have passed them, and they would look right.
 */
export class MovedStamps {
  readonly #stamps = new Map<UserId, MovedStamp>()

  get size(): number {
    return this.#stamps.size
  }

  /**
   * Moves a timestamp. The clock was ahead by `aheadMs` when it made the timestamp. Returns what replaces it.
   *
   * @param isKnown whether an earlier process has measured `aheadMs`. Then the right time is known, whatever the
   * clock shows now
   */
  move(userId: UserId, original: number, aheadMs: number, reading: Reading, isKnown = false): number {
    const { now, jumpedMs, isBehind } = reading
    const lastSeen = isKnown ? original - aheadMs : Math.min(now, original - aheadMs)
    const undoneAt = jumpedMs + aheadMs
    this.#stamps.set(userId, {
      original,
      lastSeen,
      movedAt: jumpedMs,
      undoneAt,
      isSure: isKnown || !isBehind,
      isKnown,
    })
    return lastSeen
  }

  /** The original timestamp of a user; undefined if this `lastSeen` was not moved. */
  original(userId: UserId, lastSeen: number): number | undefined {
    return this.#get(userId, lastSeen)?.original
  }

  /**
   * By how much the clock was ahead when it made the timestamp of a user, in ms; undefined if this `lastSeen`
   * was not moved, or if the clock may be behind now.
   */
  aheadMs(userId: UserId, lastSeen: number): number | undefined {
    const stamp = this.#get(userId, lastSeen)
    return stamp?.isSure ? stamp.original - stamp.lastSeen : undefined
  }

  /**
   * The clock has jumped. Returns what replaces `lastSeen`, which may be unchanged.
   *
   * - If the clock is back where it was, the original timestamp is right again.
   * - If it is set back further, the timestamp moves with it. A timestamp that an earlier process has measured moves
   *   only if it would be in the future: this process may have started with a clock that was ahead.
   * - If it is set forward, the timestamp stays, because the machine may only have been paused.
   * - If it is or was behind, a timestamp that a clock moved which was not behind stays. A timestamp that the
   *   clock moved while it was behind is moved again.
   */
  follow(userId: UserId, lastSeen: number, jump: Jump): number {
    const stamp = this.#get(userId, lastSeen)
    if (!stamp) return lastSeen
    const { ms, now, jumpedMs, isBehind, wasBehind } = jump
    const { original, undoneAt, movedAt, isSure, isKnown } = stamp
    if (isSure && (isBehind || wasBehind)) {
      this.#stamps.set(userId, { ...stamp, movedAt: movedAt + ms, undoneAt: undoneAt + ms })
      return lastSeen
    }
    if (Math.abs(jumpedMs - undoneAt) <= TOLERANCE_MS || (wasBehind && original <= now)) {
      this.#stamps.delete(userId)
      return original
    }
    const stays = isKnown && original - undoneAt + movedAt <= now
    const from = wasBehind ? jumpedMs : stays ? movedAt : Math.min(jumpedMs, movedAt)
    const moved = Math.min(now, original - undoneAt + from)
    this.#stamps.set(userId, {
      ...stamp,
      lastSeen: moved,
      movedAt: wasBehind ? from : movedAt,
      isSure: isSure || !isBehind,
    })
    return moved
  }

  delete(userId: UserId): void {
    this.#stamps.delete(userId)
  }

  /** The users whose timestamps were moved. It may include users who have a newer timestamp since. */
  users(): Iterable<UserId> {
    return this.#stamps.keys()
  }

  clear(): void {
    this.#stamps.clear()
  }

  #get(userId: UserId, lastSeen: number): MovedStamp | undefined {
    const stamp = this.#stamps.get(userId)
    return stamp?.lastSeen === lastSeen ? stamp : undefined
  }
}
