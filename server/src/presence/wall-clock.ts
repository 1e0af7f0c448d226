import { BELIEVE_MS, ClockSkew, TOLERANCE_MS } from './clock-skew.ts'

/** An earlier time than this (the start of 2020) comes from a clock that had not been set yet. */
const FIRST_PLAUSIBLE_TIME = 1_577_836_800_000

/** The times that an earlier process has stored, in ms since the epoch. */
export interface StoredTimes {
  /** A lower bound of the real time; see {@link WallClock.knownTime}. */
  readonly knownTime?: number | undefined
  /** The latest time that the wall clock has shown. */
  readonly latestTime?: number | undefined
}

/** By how much stored timestamps are wrong at a start, in ms. */
export interface StartShift {
  /** By how much the clock was set back since the latest stored time. */
  readonly setBackMs: number
  /**
   * By how much all stored timestamps have to be moved, because they were made before the clock was set for
   * the first time.
   */
  readonly unsetMs: number
}

/** What the wall clock shows after a jump or at a start. */
export interface Reading {
  readonly now: number
  /** The sum of all jumps. */
  readonly jumpedMs: number
  /** Whether the clock is behind a time that is known to have passed. */
  readonly isBehind: boolean
}

/** A jump of the wall clock. */
export interface Jump extends Reading {
  readonly ms: number
  /** Whether the clock was behind before the jump. */
  readonly wasBehind: boolean
  /** Whether the clock was wrong before the jump and is right now. */
  readonly isRightAgain: boolean
}

/**
 * What presence knows about the wall clock, which anyone may set. It gives durations without jumps, a lower
 * bound of the real time, and corrections for timestamps that were made while the clock was wrong. Every
 * `now` is the wall clock in ms since the epoch.
 */
export class WallClock {
  readonly #skew = new ClockSkew()
  /**
   * The wall clock minus awake time. It changes with each suspension, jump and correction, and by the time
   * for which the server did not listen.
   */
  #offsetMs = 0
  /** The latest `now` since the last jump. */
  #now = 0
  /** A lower bound of the real time, and the awake time at which it applied. */
  #known: { readonly time: number; readonly at: number } | undefined
  /** The time of the last jump, in awake time. */
  #since = 0

  /** The process starts at `now`. Returns by how much stored timestamps are wrong. */
  begin(now: number, { knownTime = now, latestTime = now }: StoredTimes): StartShift {
    const awake = this.awake(now)
    this.#now = now
    this.#since = awake
    this.#known = { time: isUnset(knownTime) ? Math.max(knownTime, now) : knownTime, at: awake }
    const leastTime = Math.max(this.#known.time, FIRST_PLAUSIBLE_TIME)
    const wasUnset = isUnset(latestTime) && !isUnset(now)
    const absenceMs = Math.max(0, now - latestTime)
    this.#skew.begin(now < leastTime ? now - leastTime : absenceMs, awake)
    const setBackMs = latestTime - now > TOLERANCE_MS ? latestTime - now : 0
    return { setBackMs, unsetMs: wasUnset ? now - latestTime : 0 }
  }

  /** Tells the current time. */
  tell(now: number): void {
    this.#now = Math.max(this.#now, now)
  }

  /**
   * Converts a time of the wall clock to awake time: a steady time in ms, without suspensions, for deadlines.
   */
  awake(now: number): number {
    return now - this.#offsetMs
  }

  /** The latest time that was told, in ms since the epoch. */
  get now(): number {
    return this.#now
  }

  /** The same in awake time. */
  get awakeNow(): number {
    return this.awake(this.#now)
  }

  /** Converts awake time to the wall clock, if that does not jump until then. */
  at(awake: number): number {
    return awake + this.#offsetMs
  }

  /**
   * Excludes `ms` from awake time. If `ms` is negative, the clock was corrected back: that time has not
   * really passed, so the known time is reduced too. Otherwise the clock would seem to be behind after many
   * small corrections.
   */
  leaveOut(ms: number): void {
    this.#offsetMs += ms
    if (ms < 0 && this.#known) this.#known = { ...this.#known, time: this.#known.time + ms }
  }

  /** The clock was set by `ms` and shows `now`. */
  jump(ms: number, now: number): Jump {
    const wasBehind = this.isBehind
    this.#offsetMs += ms
    this.#now = now
    const awake = this.awake(now)
    this.#since = awake
    const isRightAgain = this.#skew.jump(ms, awake)
    if (isRightAgain && isUnset(this.knownTime(now))) this.#known = { time: now, at: awake }
    return { ms, now, jumpedMs: this.jumpedMs, isBehind: this.isBehind, wasBehind, isRightAgain }
  }

  /** Whether the clock is known to be wrong. */
  get isOff(): boolean {
    return this.#skew.isOff
  }

  /** The sum of all jumps, in ms. The difference of two sums corrects timestamps of this process. */
  get jumpedMs(): number {
    return this.#skew.jumpedMs
  }

  /** By how much the clock is ahead of the right time, in ms; 0 if that is not known. */
  get aheadMs(): number {
    return this.#skew.aheadMs
  }

  /**
   * The time by which choices end. It does not follow a clock that is ahead. Otherwise a hidden user would
   * become visible too early, and that can't be undone.
   */
  choiceTime(now: number): number {
    return now - this.#skew.aheadMs
  }

  /**
   * What has to be added to a timestamp before it is stored, in ms. The next process notices a timestamp from
   * a clock that was ahead, because it is in the future. It can't notice a timestamp from a clock that was
   * behind, so that is corrected here.
   *
   * @param jumpedMs the sum of all jumps when the timestamp was made
   */
  behindMs(jumpedMs = this.jumpedMs): number {
    return this.#known && isUnset(this.#known.time) ? 0 : this.#skew.behindMs(jumpedMs)
  }

  /**
   * A lower bound of the real time, in ms since the epoch, to be stored for the next process. It grows with
   * the time that processes measured. Setting the clock does not change it.
   */
  knownTime(now: number): number {
    return this.#known ? this.#known.time + this.awake(now) - this.#known.at : now
  }

  /** The time that decides whether a user with this `lastSeen` is forgotten, in ms since the epoch. */
  lastPresent(lastSeen: number): number {
    return isUnset(lastSeen) ? (this.#known?.time ?? lastSeen) : lastSeen
  }

  /** A timestamp as others see it: never in the future. */
  shown(lastSeen: number): number {
    return Math.min(lastSeen, this.#now)
  }

  /**
   * Whether the clock is wrong, but has not jumped for so long that it should be believed; see {@link
   * believe}.
   */
  isToBeBelieved(now: number): boolean {
    return !isUnset(now) && this.#skew.isToBeBelieved(this.awake(now))
  }

  /** From now on, the clock counts as right. */
  believe(): void {
    this.#skew.believe()
  }

  /** Whether the clock is behind a time that is known to have passed. */
  get isBehind(): boolean {
    return this.#now < this.knownTime(this.#now) - TOLERANCE_MS
  }

  /**
   * Whether the clock has not jumped for so long that a set-back should be believed, and is not behind the
   * known time.
   */
  isSetBackForGood(now: number): boolean {
    return this.awake(now) - this.#since >= BELIEVE_MS && !this.isBehind
  }
}

function isUnset(time: number): boolean {
  return time < FIRST_PLAUSIBLE_TIME
}
