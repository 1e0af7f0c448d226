import type { Found } from './choices.ts'
import type { Rule } from './invariants.ts'

// Falsified observations, one kind for each rule. A checker that gets them must report a violation of that
// rule. They show that the run would notice one.

/** The observer whose observations are falsified. */
const OBSERVER = 'observer-v2-0'
/** The users who are seen with a false status. */
const STEADY = 'steady-v2-0'
const HIDDEN = 'hidden-v2-0'
/** The known user who is missing. */
const KNOWN = 'known-0'
const HOUR_MS = 3_600_000
const TOO_LATE_MS = 60_000

/** The observations of a run, as a checker gets them: true, except those that some rules are about. */
export class Falsified {
  readonly #rules: ReadonlySet<Rule>

  constructor(rules: Iterable<Rule>) {
    this.#rules = new Set(rules)
  }

  /** I1: an observer never sees visitors leave. Returns whether it gets this status. */
  receives(observer: string, userId: string, status: string): boolean {
    const isLeaving = userId.startsWith('visitor') && status === 'offline'
    return !(this.#rules.has('I1') && observer === OBSERVER && isLeaving)
  }

  /** I2, hidden: statuses that an observer gets in addition, from time to time. */
  added(): { observer: string; userId: string; status: string }[] {
    return [
      ...(this.#rules.has('I2') ? [{ observer: OBSERVER, userId: STEADY, status: 'offline' }] : []),
      ...(this.#rules.has('hidden') ? [{ observer: OBSERVER, userId: HIDDEN, status: 'online' }] : []),
    ]
  }

  /** sleep: after a sleep, an observer's state lacks a user. */
  stateAfterSleep(state: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    return this.#rules.has('sleep') ? without(state, STEADY) : state
  }

  /**
   * I8: users have the name before their last one. forgotten: a user is missing. lastSeen: users were seen an
   * hour later. never seen: users without `lastSeen` have one.
   */
  found(found: ReadonlyMap<string, Found>): ReadonlyMap<string, Found> {
    const users = [...found].map(([userId, user]): [string, Found] => {
      if (userId.startsWith('known')) return [userId, user]
      return [userId, { ...user, ...this.#olderName(user), ...this.#laterSeen(user) }]
    })
    const all = new Map(users)
    return this.#rules.has('forgotten') ? without(all, KNOWN) : all
  }

  /** I10: an answer takes longer than allowed. */
  answerMs(ms: number): number {
    return this.#rules.has('I10') ? ms + TOO_LATE_MS : ms
  }

  /** saved again, log: the files are not written, and the time is over. */
  recovery(rule: Rule, isMet: boolean, elapsedMs: number): { isMet: boolean; elapsedMs: number } {
    return this.#rules.has(rule) ? { isMet: false, elapsedMs: elapsedMs + TOO_LATE_MS } : { isMet, elapsedMs }
  }

  #olderName({ username }: Found): Partial<Found> {
    if (!this.#rules.has('I8') || username === undefined) return {}
    return { username: `name-${Number(username.slice('name-'.length)) - 1}` }
  }

  #laterSeen({ lastSeen }: Found): Partial<Found> {
    if (lastSeen === null) return this.#rules.has('never seen') ? { lastSeen: new Date().toISOString() } : {}
    return this.#rules.has('lastSeen')
      ? { lastSeen: new Date(Date.parse(lastSeen) + HOUR_MS).toISOString() }
      : {}
  }
}

function without<Value>(map: ReadonlyMap<string, Value>, key: string): ReadonlyMap<string, Value> {
  const less = new Map(map)
  less.delete(key)
  return less
}
