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
  /** The latest time that the clock has shown, before jumps and in earlier processes too. */
  #latest = 0
  /** A lower bound of the real time, and when in awake time it was that. */
  #known: { readonly time: number; readonly at: number } | undefined
  /** By how much the clock was set back, and since when (awake time). */
  #setBack: { readonly byMs: number; readonly since: number } | undefined

  /**
   * The process starts at `now`. Returns by how much all stored timestamps have to be moved: they were made
   * before the clock was set for the first time.
   */
  begin(now: number, { knownTime = now, latestTime = now }: StoredTimes): number {
    const awake = this.awake(now)
    this.#now = now
    this.#latest = latestTime
    this.#known = { time: isUnset(knownTime) ? Math.max(knownTime, now) : knownTime, at: awake }
    const leastTime = Math.max(this.#known.time, FIRST_PLAUSIBLE_TIME)
    const wasUnset = isUnset(latestTime) && !isUnset(now)
    const absenceMs = wasUnset ? 0 : Math.max(0, now - latestTime)
    this.#skew.begin(now < leastTime ? now - leastTime : absenceMs, awake)
    this.#compare(now)
    return wasUnset ? now - latestTime : 0
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

  /** Leaves `ms` out of awake time. */
  leaveOut(ms: number): void {
    this.#offsetMs += ms
  }

  /** The clock was set by `ms` and shows `now`. Returns whether it was wrong before and is right again. */
  jump(ms: number, now: number): boolean {
    this.#offsetMs += ms
    this.#now = now
    this.#latest = Math.max(this.#latest, now - ms)
    const awake = this.awake(now)
    const isRight = this.#skew.jump(ms, awake)
    if (isRight) {
      this.#latest = now
      if (isUnset(this.knownTime(now))) this.#known = { time: now, at: awake }
    }
    this.#compare(now)
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

  /**
   * A timestamp as others are told. Nobody was last seen in the future: such a time was made before the clock
   * was set back. The latest of them was made then, and the others were made as much earlier as they are
   * before it.
   */
  shown(lastSeen: number): number {
    return lastSeen <= this.#now ? lastSeen : Math.min(this.#now, lastSeen - (this.#setBack?.byMs ?? 0))
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

  /**
   * Whether timestamps in the future are to be replaced by what is {@link shown} for them: the clock was set
   * back, has stayed so for long, and nothing shows that it is behind. {@link replaced} says that it was
   * done.
   */
  isSetBackForGood(now: number): boolean {
    const { since = Number.POSITIVE_INFINITY } = this.#setBack ?? {}
    return this.awake(now) - since >= BELIEVE_MS && now >= this.knownTime(now) - TOLERANCE_MS
  }

  /** No timestamp is in the future any more. */
  replaced(now: number): void {
    this.#latest = now
    this.#setBack = undefined
  }

  #compare(now: number): void {
    const byMs = this.#latest - now
    this.#setBack = byMs > TOLERANCE_MS ? { byMs, since: this.awake(now) } : undefined
  }
}

function isUnset(time: number): boolean {
  return time < FIRST_PLAUSIBLE_TIME
}
