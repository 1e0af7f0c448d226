import { type Choice, type Found, missing } from './choices.ts'
import { Falsified } from './falsified.ts'
import { Health } from './health.ts'
import { InvariantChecker, RULES, type Rule } from './invariants.ts'
import { forgotten } from './known-users.ts'
import { type Seen, wrongLastSeen } from './last-seen.ts'
import type { ObserverEvents } from './observer.ts'

/** What an inspection compares the users with that it found. */
export interface Expected {
  readonly known: ReadonlyMap<string, string>
  /** When users were last present; `undefined` while the clock of the server is wrong. */
  readonly seen: ReadonlyMap<string, Seen> | undefined
  /** By how much a `lastSeen` may be too late, in ms. */
  readonly tooLateMs: number
  readonly choices: readonly {
    readonly userId: string
    readonly choices: readonly Choice[]
    readonly hasText: boolean
    readonly isBack: boolean
  }[]
  /** What was acknowledged shortly before this time may be lost; steady time, in ms. */
  readonly killedAt: number
}

/** A checker, and how it sees the run. */
interface View {
  readonly checker: InvariantChecker
  readonly health: Health
  readonly falsified: Falsified
  /** Users whose `lastSeen` is wrong: it is reported once. */
  readonly wrong: Set<string>
}

function view(rules: Iterable<Rule>): View {
  return {
    checker: new InvariantChecker(),
    health: new Health(),
    falsified: new Falsified(rules),
    wrong: new Set(),
  }
}

/** All checks of a run. They are made twice: the control gets falsified observations of every rule. */
export class Checks implements ObserverEvents {
  readonly checker: InvariantChecker
  readonly health: Health
  /** It must find violations of every rule. */
  readonly control: InvariantChecker
  /** Both checkers. They get the same facts about clients. */
  readonly all: readonly InvariantChecker[]
  readonly #views: readonly View[]
  readonly #awake: () => number

  /**
   * @param awake how long the server has run without being suspended, in ms
   * @param falsify rules whose observations are falsified for the checker too
   */
  constructor(awake: () => number, falsify: readonly Rule[] = []) {
    this.#awake = awake
    const [own, control] = [view(falsify), view(RULES)]
    this.#views = [own, control]
    this.checker = own.checker
    this.health = own.health
    this.control = control.checker
    this.all = [own.checker, control.checker]
  }

  synced(observer: string, state: ReadonlyMap<string, string>): void {
    const t = this.#awake()
    for (const { checker, falsified } of this.#views)
      checker.synced(observer, checker.isAfterSleep(t) ? falsified.stateAfterSleep(state) : state, t)
  }

  lost(observer: string): void {
    for (const checker of this.all) checker.lost(observer)
  }

  shown(observer: string, userId: string, status: string): void {
    for (const { checker, falsified } of this.#views) {
      if (falsified.receives(observer, userId, status)) checker.shown(observer, userId, status, this.#awake())
    }
  }

  /** Adds the falsified statuses; called from time to time. */
  falsify(): void {
    const t = this.#awake()
    for (const { checker, falsified } of this.#views) {
      // After a sleep, a false offline would count as another rule.
      if (checker.isAfterSleep(t)) continue
      for (const { observer, userId, status } of falsified.added()) checker.shown(observer, userId, status, t)
    }
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

  slept(): void {
    for (const checker of this.all) checker.slept(this.#awake())
  }

  /** The server answered a request; `lateMs` is the delay of this process itself. */
  answered(ms: number, lateMs: number): void {
    for (const { checker, health, falsified } of this.#views) {
      checker.checked('I10')
      const problem = health.answered(falsified.answerMs(ms), lateMs)
      if (problem) checker.violate('I10', this.#awake(), problem)
    }
  }

  /** All users were queried. */
  found(when: string, found: ReadonlyMap<string, Found>, expected: Expected): void {
    for (const { checker, falsified, wrong } of this.#views) {
      const violate = (rule: Rule, text: string) => checker.violate(rule, this.#awake(), `${when}: ${text}`)
      const users = falsified.found(found)
      checker.checked('forgotten', expected.known.size)
      for (const text of forgotten(expected.known, users, expected.seen !== undefined))
        violate('forgotten', text)
      for (const [userId, seen] of expected.seen ?? []) {
        const rule = seen === null ? 'never seen' : 'lastSeen'
        checker.checked(rule)
        const text = wrongLastSeen(seen, users.get(userId) ?? { lastSeen: null }, expected.tooLateMs)
        if (text !== undefined && !wrong.has(userId)) violate(rule, `${userId} ${text}`)
        if (text === undefined) wrong.delete(userId)
        else wrong.add(userId)
      }
      for (const { userId, choices, hasText, isBack } of expected.choices) {
        const user = users.get(userId)
        if (!user) continue
        checker.checked('I8')
        const text = missing(choices, user, { killedAt: expected.killedAt, hasText, isBack })
        if (text !== undefined) violate('I8', `${userId}: ${text}`)
      }
    }
  }

  /**
   * Checks whether the files of a volume are written again in time. Returns whether the check has ended: they
   * are, or the time is over.
   */
  recovered(
    rule: 'saved again' | 'log',
    observed: { readonly isMet: boolean; readonly elapsedMs: number },
    withinMs: number,
    toleranceMs: number,
  ): boolean {
    const isLate = (elapsedMs: number) => elapsedMs > withinMs + toleranceMs
    if (!observed.isMet && !isLate(observed.elapsedMs)) return false
    for (const { checker, falsified } of this.#views) {
      checker.checked(rule)
      const { isMet, elapsedMs } = falsified.recovery(rule, observed.isMet, observed.elapsedMs)
      if (!isMet && isLate(elapsedMs))
        checker.violate(rule, this.#awake(), `the files were not written again within ${withinMs} ms`)
    }
    return true
  }

  /** Adds a violation that was found elsewhere. */
  violate(rule: Rule, text: string): void {
    this.checker.violate(rule, this.#awake(), text)
  }

  checked(rule: Rule): void {
    this.checker.checked(rule)
  }
}
