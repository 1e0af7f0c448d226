import { BELIEVE_MS, ClockSkew, TOLERANCE_MS } from './clock-skew.ts'

/** A time before this (the start of 2020) comes from a clock that had not been set yet. */
const FIRST_PLAUSIBLE_TIME = 1_577_836_800_000

/** The times that an earlier process has stored, in ms since the epoch. */
export interface StoredTimes {
  /** A lower bound of the real time; see {@link WallClock.knownTime}. */
  readonly knownTime?: number | undefined
  /** The latest time that the wall clock has shown. */
  readonly latestTime?: number | undefined
}

/**
 * What presence knows of the wall clock, which anybody may set: durations without its jumps, the least time
 * that has really passed, and how to read timestamps that were made while it was wrong. Every `now` is the
 * wall clock in ms since the epoch.
 */
export class WallClock {
  readonly #skew = new ClockSkew()
  /**
   * The wall clock minus awake time. It changes when the process was suspended and nobody could come back,
   * and when the clock was set or corrected.
   */
  #offsetMs = 0
  /** The latest `now` since the last jump. */
  #now = 0
  /** A lower bound of the real time, and when in awake time it was that. */
  #known: { readonly time: number; readonly at: number } | undefined
  /** Since when the clock has not jumped, in awake time. */
  #since = 0

  /**
   * The process starts at `now`. Returns by how much the clock was set back since the latest time that is
   * stored, and by how much all stored timestamps have to be moved because they were made before the clock
   * was set for the first time.
   */
  begin(
    now: number,
    { knownTime = now, latestTime = now }: StoredTimes,
  ): { setBackMs: number; unsetMs: number } {
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

  /** It is `now`. */
  tell(now: number): void {
    this.#now = Math.max(this.#now, now)
  }

  /** A steady time in ms, in which the process was not suspended: for deadlines. */
  awake(now: number): number {
    return now - this.#offsetMs
  }

  /** When the wall clock shows that awake time, if nothing happens to it until then. */
  at(awake: number): number {
    return awake + this.#offsetMs
  }

  /**
   * Leaves `ms` out of awake time. Negative: the clock was corrected back, so that much of the time that is
   * known to have passed has not. Otherwise the clock would seem to be behind after some such corrections.
   */
  leaveOut(ms: number): void {
    this.#offsetMs += ms
    if (ms < 0 && this.#known) this.#known = { ...this.#known, time: this.#known.time + ms }
  }

  /** The clock was set by `ms` and shows `now`. Returns whether it was wrong before and is right again. */
  jump(ms: number, now: number): boolean {
    this.#offsetMs += ms
    this.#now = now
    const awake = this.awake(now)
    this.#since = awake
    const isRight = this.#skew.jump(ms, awake)
    if (isRight && isUnset(this.knownTime(now))) this.#known = { time: now, at: awake }
    return isRight
  }

  /** Whether the clock is known to be wrong. */
  get isOff(): boolean {
    return this.#skew.isOff
  }

  /** The sum of all jumps: how two timestamps compare that this process made. */
  get jumpedMs(): number {
    return this.#skew.jumpedMs
  }

  /** How far the clock is ahead of the right time, in ms; 0 where that is not known. */
  get aheadMs(): number {
    return this.#skew.aheadMs
  }

  /**
   * The time by which choices end. It does not follow a clock that is ahead: what has ended does not begin
   * again, and a user who is hidden until then would be shown.
   */
  choiceTime(now: number): number {
    return now - this.#skew.aheadMs
  }

  /**
   * What has to be added to a timestamp before it is stored, in ms: a clock that is right in the next process
   * shows that a timestamp from a clock that was ahead is wrong, but not that one from a clock that was
   * behind is.
   *
   * @param jumpedMs the sum of all jumps when the timestamp was made.
   */
  behindMs(jumpedMs = this.jumpedMs): number {
    return this.#known && isUnset(this.#known.time) ? 0 : this.#skew.behindMs(jumpedMs)
  }

  /**
   * A lower bound of the real time, in ms since the epoch: it grows with the time that processes saw pass,
   * and whatever is done to the clock does not move it. To be kept for the next process.
   */
  knownTime(now: number): number {
    return this.#known ? this.#known.time + this.awake(now) - this.#known.at : now
  }

  /** When a user with this `lastSeen` was last present, as far as it is reason to forget them. */
  lastPresent(lastSeen: number): number {
    return isUnset(lastSeen) ? (this.#known?.time ?? lastSeen) : lastSeen
  }

  /** A timestamp as others are told. Nobody was last seen in the future. */
  shown(lastSeen: number): number {
    return Math.min(lastSeen, this.#now)
  }

  /**
   * Whether the clock is off and has been as it is for so long that it is to be taken to be right: {@link
   * believe}.
   */
  isToBeBelieved(now: number): boolean {
    return !isUnset(now) && this.#skew.isToBeBelieved(this.awake(now))
  }

  /** The clock is taken to be right. */
  believe(): void {
    this.#skew.believe()
  }

  /** Whether the clock is behind a time that is known to have passed. */
  isBehind(now: number): boolean {
    return now < this.knownTime(now) - TOLERANCE_MS
  }

  /** Whether a clock that was set back has stayed so for long, and nothing shows that it is behind. */
  isSetBackForGood(now: number): boolean {
    return this.awake(now) - this.#since >= BELIEVE_MS && !this.isBehind(now)
  }
}

function isUnset(time: number): boolean {
  return time < FIRST_PLAUSIBLE_TIME
}
