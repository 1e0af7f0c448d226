import type { Troubles } from './troubles.ts'
import type { Demand, Status } from './truth.ts'
import { TrueUser } from './truth.ts'

/** What is checked: the promises of SPEC.md, and four more. */
export const RULES = ['I1', 'I2', 'I3', 'I4', 'I5', 'hidden', 'cut', 'choice'] as const

export type Rule = (typeof RULES)[number]

export interface Violation {
  readonly rule: Rule
  /** When it was seen, by `performance.now`. */
  readonly at: number
  readonly text: string
}

/** What an observer shows of a user. */
export interface Shown {
  readonly status: Status
  readonly name: string | undefined
}

/** Who has seen something: its name, and the node to which it is connected. */
export interface Witness {
  readonly name: string
  readonly node: number
}

/** How long after a trouble all must be right again, in ms. */
export const HEALED_MS = 5_000
/** A lost session is held for 5 s. Others see nothing of it for at least this time, in ms. */
const HELD_MS = 4_000

/**
 * Compares what observers see of a cluster with what its clients were told. It knows what was in trouble, and does no
 * I/O: all times are given, by `performance.now`.
 */
export class Oracle {
  readonly troubles: Troubles
  readonly violations: Violation[] = []
  readonly checks = new Map<Rule, number>()
  #demanded: { at: number; afterMs: number; demands: ReadonlyMap<TrueUser, Demand> } | undefined
  readonly #users = new Map<string, TrueUser>()
  /** How late this machine may make everything, in ms. */
  slackMs = 0

  constructor(troubles: Troubles) {
    this.troubles = troubles
  }

  user(userId: string): TrueUser {
    let user = this.#users.get(userId)
    if (!user) {
      user = new TrueUser(userId, this.troubles)
      this.#users.set(userId, user)
    }
    return user
  }

  get userIds(): string[] {
    return [...this.#users.keys()]
  }

  /** [I2 hidden] An observer was told that a user has this status now. */
  told({ name, node }: Witness, userId: string, status: Status, at: number): void {
    const user = this.#users.get(userId)
    if (!user) return
    const knownUntil = this.troubles.knowsUntil(node, at, HEALED_MS + this.slackMs) - this.slackMs
    const who = `${name} at node ${node + 1}: ${userId}`
    if (status !== 'offline') {
      this.#count('hidden')
      const since = user.hiddenSince
      if (since !== undefined && since < knownUntil - 500) {
        this.#violated('hidden', at, `${who} is ${status}, and was hidden ${ms(at - since)} ago`)
      }
      return
    }
    this.#count('I2')
    if (this.troubles.mayBeLostIn(node, knownUntil, at, HEALED_MS)) return
    if (!user.wasPresent(knownUntil - 1_000, at, HEALED_MS + this.slackMs, HELD_MS)) return
    this.#violated('I2', at, `${who} is offline, and was present`)
  }

  /** An observer was told that a user has another status than before. */
  changed(witness: Witness, userId: string, status: Status, at: number): void {
    this.#users.get(userId)?.note(`${witness.name} at node ${witness.node + 1} is told ${status}`, at)
    this.told(witness, userId, status, at)
  }

  /** [I1 I3 hidden] What an observer shows now, after its node had time to know everything. */
  shows(witness: Witness, shown: (userId: string) => Shown, at: number): void {
    const { node, name } = witness
    const afterMs = HEALED_MS + this.slackMs
    if (this.troubles.knowsUntil(node, at, afterMs) < at) return
    for (const [user, demand] of this.#demands(at - this.slackMs, afterMs)) {
      const is = shown(user.userId)
      const rule = demand.isGone ? 'I1' : demand.isHidden ? 'hidden' : 'I3'
      this.#count(rule)
      if (fits(is, demand)) continue
      const should = [...demand.statuses].join(' or ')
      const text = `${name} at node ${node + 1}: ${user.userId} is ${is.status} "${is.name}", should be ${should} "${demand.name}"`
      this.#violated(rule, at, text)
    }
  }

  /** How many users an observer shows otherwise than it should, if no trouble had ever been. */
  differences(shown: (userId: string) => Shown, at: number): string[] {
    const wrong: string[] = []
    for (const [user, demand] of this.#demands(at, 0)) {
      const is = shown(user.userId)
      if (!fits(is, demand)) {
        wrong.push(
          `${user.userId} is ${is.status} "${is.name}", should be ${[...demand.statuses]} "${demand.name}"`,
        )
      }
    }
    return wrong
  }

  /** [I3] After the last trouble, everything was right after so many ms; `undefined` if never. */
  converged(afterMs: number | undefined, differences: readonly string[], at: number): void {
    this.#count('I3')
    if (afterMs !== undefined && afterMs <= HEALED_MS + this.slackMs) return
    const when = afterMs === undefined ? 'never' : `after ${ms(afterMs)}`
    this.#violated('I3', at, `right ${when}: ${differences.slice(0, 3).join('; ')} (${differences.length})`)
  }

  /** [I4 I5] An observer that was told everything up to `place` got a difference. */
  diff(
    witness: Witness,
    place: number,
    { prevSeq, seq }: { prevSeq: number; seq: number },
    at: number,
  ): void {
    this.#count('I4')
    this.#count('I5')
    const who = `${witness.name} at node ${witness.node + 1}`
    if (prevSeq !== place)
      this.#violated('I4', at, `${who}: a diff follows ${prevSeq}, and ${place} was told`)
    if (seq < place) this.#violated('I5', at, `${who}: ${seq} was told after ${place}`)
  }

  /** [I4] At the same place, an answer and the folded differences say something different of a user. */
  answered(witness: Witness, userId: string, folded: Shown, answer: Shown, at: number): void {
    this.#count('I4')
    if (folded.status === answer.status && (folded.status === 'offline' || folded.name === answer.name))
      return
    const who = `${witness.name} at node ${witness.node + 1}`
    const text = `${userId} is ${folded.status} "${folded.name}", but ${answer.status} "${answer.name}" in an answer`
    this.#violated('I4', at, `${who}: ${text}`)
  }

  /** [cut] A node has ended a connection. That is allowed only if the node itself has ended. */
  closed({ name, node }: Witness, code: number, at: number): void {
    this.#count('cut')
    if (this.troubles.endIn(node, at - 20_000, at)) return
    this.#violated('cut', at, `${name} was cut off by node ${node + 1} with ${code}`)
  }

  /** [choice] A user who came back was told which choice applies. */
  choiceApplies(userId: string, node: number, status: Status, at: number): void {
    this.#count('choice')
    const { possible } = this.user(userId)
    if (possible.has(status)) return
    this.#violated('choice', at, `node ${node + 1} told ${userId} ${status}, and ${[...possible]} was chosen`)
  }

  /** What must hold of all users; kept, because all observers are compared at the same time. */
  #demands(at: number, afterMs: number): ReadonlyMap<TrueUser, Demand> {
    if (this.#demanded?.at === at && this.#demanded.afterMs === afterMs) return this.#demanded.demands
    const demands = new Map<TrueUser, Demand>()
    for (const user of this.#users.values()) {
      const demand = user.demand(at, afterMs)
      if (demand) demands.set(user, demand)
    }
    this.#demanded = { at, afterMs, demands }
    return demands
  }

  #count(rule: Rule): void {
    this.checks.set(rule, (this.checks.get(rule) ?? 0) + 1)
  }

  #violated(rule: Rule, at: number, text: string): void {
    this.violations.push({ rule, at, text })
  }
}

function fits({ status, name }: Shown, demand: Demand): boolean {
  if (!demand.statuses.has(status)) return false
  return status === 'offline' || demand.name === undefined || name === demand.name
}

function ms(value: number): string {
  return `${Math.round(value)} ms`
}
