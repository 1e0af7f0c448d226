import type { UserId } from '@who-is-online/protocol/words'
import { TOLERANCE_MS } from './clock-skew.ts'

interface MovedStamp {
  /** The timestamp as it was made. */
  readonly stored: number
  /** The timestamp in its place. */
  readonly lastSeen: number
  /** The sum of all jumps when it was moved. */
  readonly movedAt: number
  /** The sum of all jumps with which the clock is where it was when the timestamp was made. */
  readonly undoneAt: number
  /** Whether nothing shows that the clock which was set back is the wrong one. */
  readonly isSure: boolean
}

/** What the wall clock shows after a jump or at a start. */
interface Reading {
  readonly now: number
  /** The sum of all jumps. */
  readonly jumpedMs: number
  /** Whether the clock is behind a time that is known to have passed, and whether it was before the jump. */
  readonly isBehind: boolean
  readonly wasBehind: boolean
}

/**
 * Timestamps that were in the future when the wall clock was set back, and were moved into the past. The
 * clock that was set back may be the wrong one, so what they were is kept and stored until it is decided.
 * They are moved at once: later, when the clock has reached them, they would look right.
 */
export class MovedStamps {
  readonly #stamps = new Map<UserId, MovedStamp>()

  get size(): number {
    return this.#stamps.size
  }

  /**
   * Moves a timestamp that was made by a clock that was ahead by `aheadMs`, in ms. Returns what replaces the
   * timestamp.
   */
  move(userId: UserId, stored: number, aheadMs: number, { now, jumpedMs, isBehind }: Reading): number {
    const lastSeen = Math.min(now, stored - aheadMs)
    const undoneAt = jumpedMs + aheadMs
    this.#stamps.set(userId, { stored, lastSeen, movedAt: jumpedMs, undoneAt, isSure: !isBehind })
    return lastSeen
  }

  /** The timestamp of a user as it was made; `undefined` if this `lastSeen` was not moved. */
  stored(userId: UserId, lastSeen: number): number | undefined {
    return this.#get(userId, lastSeen)?.stored
  }

  /**
   * How far the clock was ahead that made the timestamp of a user, in ms; `undefined` if this `lastSeen` was
   * not moved, or if the clock may be behind now instead.
   */
  aheadMs(userId: UserId, lastSeen: number): number | undefined {
    const stamp = this.#get(userId, lastSeen)
    return stamp?.isSure ? stamp.stored - stamp.lastSeen : undefined
  }

  /**
   * The clock has jumped. If it is back where it was, the timestamps are as well. If it is set back further,
   * they move with it. If it is set forward, that may be the end of a pause of the machine, and they stay,
   * unless the clock was behind. Returns what replaces `lastSeen`, which may be unchanged.
   */
  follow(userId: UserId, lastSeen: number, { now, jumpedMs, isBehind, wasBehind }: Reading): number {
    const stamp = this.#get(userId, lastSeen)
    if (!stamp) return lastSeen
    const { stored, undoneAt } = stamp
    const movedAt = wasBehind ? jumpedMs : Math.min(jumpedMs, stamp.movedAt)
    if (jumpedMs >= undoneAt - TOLERANCE_MS || (wasBehind && stored <= now)) {
      this.#stamps.delete(userId)
      return stored
    }
    const moved = Math.min(now, stored - undoneAt + movedAt)
    const kept = { movedAt: wasBehind ? movedAt : stamp.movedAt, isSure: !isBehind }
    this.#stamps.set(userId, { ...stamp, ...kept, lastSeen: moved })
    return moved
  }

  delete(userId: UserId): void {
    this.#stamps.delete(userId)
  }

  /** The users whose timestamps were moved, and perhaps some with a newer timestamp. */
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
