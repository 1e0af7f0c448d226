import { type ClockOffset, isSmallStep } from './fault.ts'

/** A jump forward of this size or more gives lost users the restart grace, as a suspension does, in s. */
const NOTICED_JUMP_SECONDS = 10

/** A start with a clock that is ahead by at most this may be a start after a long outage, in s. */
const UNDETECTED_SECONDS = 86_400

/**
 * The wall clock of the server. It can be wrong. The right time differs from that of this machine, because
 * the simulated machine of the server may have slept.
 */
export class ServerClock {
  readonly #set: (seconds: number) => void
  readonly #onJump: () => void
  #offset: ClockOffset = 0
  #sleptSeconds = 0
  /** How far the clock is from that of this machine, in s. */
  #seconds = 0
  #changes = 0
  /** Whether the process started while its clock was ahead, and could not know that. */
  #startedAhead = false
  /** The same of the process before. */
  #startedAheadBefore = false
  #tooLateMs = 0
  /** The last fault of the clock; faults are carried out one at a time. */
  #turn: Promise<unknown> = Promise.resolve()

  /**
   * @param set sets the clock to this many seconds after that of this machine
   * @param onJump called when the clock jumps forward so far that clients may need time to come back
   */
  constructor(set: (seconds: number) => void, onJump: () => void) {
    this.#set = set
    this.#onJump = onJump
  }

  /** The right time, in ms since the epoch. */
  now(): number {
    return Date.now() + this.#sleptSeconds * 1_000
  }

  /** Whether the clock is right, or differs by a small step only. */
  get isRight(): boolean {
    return isSmallStep(this.#offset)
  }

  /** A number that changes whenever the clock is set. */
  get era(): number {
    return this.#changes
  }

  /**
   * By how much a `lastSeen` may be too late, in ms. If the process started while its clock was ahead and could not
   * know that, it does not know the length of a later sleep either, and the next process does not know how long no
   * server ran (decision 15, what stays imperfect).
   */
  get tooLateMs(): number {
    return this.#tooLateMs
  }

  /** The server starts, with this clock. */
  starts(): void {
    this.#startedAheadBefore = this.#startedAhead
    const isAhead = this.#offset !== '1970' && this.#offset > 0 && this.#offset <= UNDETECTED_SECONDS
    this.#startedAhead = isAhead && !this.isRight
  }

  /** The server has started, `downMs` after the end of the process before. */
  started(downMs: number): void {
    if (this.#startedAheadBefore) this.#tooLateMs += downMs
  }

  /** Carries out a fault of the clock after the previous ones. */
  exclusive(action: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(action)
    this.#turn = turn.catch(() => {})
    return turn
  }

  /** Sets the error of the clock; 0 sets it right. */
  set(offset: ClockOffset): void {
    this.#offset = offset
    this.#apply()
  }

  /** The machine has slept: the right time and the clock move forward together. */
  sleep(seconds: number): void {
    this.#sleptSeconds += seconds
    if (this.#startedAhead) this.#tooLateMs += seconds * 1_000
    this.#apply()
  }

  #apply(): void {
    const before = this.#seconds
    this.#seconds =
      this.#offset === '1970' ? 10 - Math.floor(Date.now() / 1_000) : this.#offset + this.#sleptSeconds
    this.#changes++
    this.#set(this.#seconds)
    if (this.#seconds - before >= NOTICED_JUMP_SECONDS) this.#onJump()
  }
}
