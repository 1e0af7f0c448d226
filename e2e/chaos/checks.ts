import { InvariantChecker } from './invariants.ts'
import type { ObserverEvents } from './observer.ts'

/** The observer whose observations are falsified for the control. */
export const FALSIFIED_OBSERVER = 'observer-v2-0'

/** The checkers of a run, and what they are told. */
export class Checks implements ObserverEvents {
  readonly checker = new InvariantChecker()
  /** Receives the same facts but falsified observations, so it must find violations. */
  readonly control = new InvariantChecker()
  readonly all = [this.checker, this.control]
  readonly #awake: () => number

  /** @param awake how long the server has run without being suspended, in ms */
  constructor(awake: () => number) {
    this.#awake = awake
  }

  synced(observer: string, state: ReadonlyMap<string, string>): void {
    for (const checker of this.all) checker.synced(observer, state, this.#awake())
  }

  lost(observer: string): void {
    for (const checker of this.all) checker.lost(observer)
  }

  shown(observer: string, userId: string, status: string): void {
    this.checker.shown(observer, userId, status, this.#awake())
    // The control never sees this user leave.
    if (observer === FALSIFIED_OBSERVER && userId.startsWith('visitor') && status === 'offline') return
    this.control.shown(observer, userId, status, this.#awake())
  }

  /** Adds observations that can't be true to the control. */
  falsify(): void {
    this.control.shown(FALSIFIED_OBSERVER, 'steady-v2-0', 'offline', this.#awake())
    this.control.shown(FALSIFIED_OBSERVER, 'hidden-v2-0', 'online', this.#awake())
  }

  /** Checks all deadlines. */
  tick(toleranceMs: number): void {
    for (const checker of this.all) checker.tick(this.#awake(), toleranceMs)
  }

  started(): void {
    for (const checker of this.all) checker.started(this.#awake())
  }

  resumed(): void {
    for (const checker of this.all) checker.resumed(this.#awake())
  }

  violate(rule: string, text: string): void {
    this.checker.violate(rule, this.#awake(), text)
  }

  violateInControl(rule: string, text: string): void {
    this.control.violate(rule, this.#awake(), text)
  }

  checked(rule: string, times = 1): void {
    this.checker.checked(rule, times)
  }
}
