import type { UserId } from '@who-is-online/protocol/words'
import type { Change, Decision } from '../../presence/change.ts'
import { type Elsewhere, NO_LEASES_ELSEWHERE } from '../../presence/elsewhere.ts'
import type { Fact } from '../../presence/fact.ts'
import type { PresenceOptions } from '../../presence/options.ts'
import type { Presence } from '../../presence/presence.ts'
import type { PresenceRecord } from '../../presence/record.ts'
import { OneNode, type Outcome } from '../../presence/testing/one-node.ts'
import type { StoredTimes } from '../../presence/wall-clock.ts'
import type { EntryKind } from '../entry.ts'
import type { Applied } from '../fold.ts'
import { type Content, Outbox, type TakeOptions } from '../outbox.ts'
import type { Unplaced } from '../unplaced.ts'
import type { ClusterParts } from './cluster-parts.ts'
import { ASKS_NOTHING } from './unknown-user.ts'

const NODE = 'a'
const NO_ITEMS: Content = { facts: [], registers: [] }

/**
 * Returns a node for the games of presence whose facts go through the log of a cluster of one node: they are composed,
 * appended, folded and then applied, and the decision itself is not.
 */
export function oneNodeCluster(parts: ClusterParts): typeof OneNode {
  return class OneNodeCluster extends OneNode {
    readonly #fold = new parts.Fold()
    readonly #unplaced: Unplaced
    readonly #outbox = new Outbox()
    #seq = 0
    /** The time of the last decision. */
    #now = 0

    constructor(options: PresenceOptions, Core?: typeof Presence) {
      // Presence knows how long it keeps a choice, and nobody else does.
      const isOver = () => true
      const elsewhere: Elsewhere = {
        choiceOf: userId => this.#fold.choiceOf(userId, isOver),
        signOfLife: userId => this.#fold.signOfLife(userId, NODE),
        isPresent: userId => this.#fold.isElsewhere(userId, NODE),
        sessionsOf: userId => this.#fold.sessions(userId, NODE),
        leasesOf: () => NO_LEASES_ELSEWHERE,
      }
      super(options, Core, elsewhere)
      const present = (userId: string) => this.core.present(userId)
      // The clock of Redis is never set back.
      let latest = 0
      const time = () => (latest = Math.max(latest, this.#now))
      this.#unplaced = new parts.Unplaced({
        node: NODE,
        fold: this.#fold,
        present,
        time,
        isOver,
        isErased: () => false,
      })
    }

    override restore(records: Iterable<PresenceRecord>, now: number, times?: StoredTimes): void {
      this.#now = now
      super.restore(records, now, times)
      // As if this process had been lost and joins again. What it asserts is visible already.
      const join = this.#append('join', NO_ITEMS)
      // The log has no names yet.
      const facts = Array.from(this.core.records(), ({ userId, lastSeen }): Fact => {
        const { said, username } = this.core.present(userId)
        return { userId, ...said, username, lastSeen, cause: 'renamed', at: now }
      })
      this.#outbox.add({ users: this.#unplaced.add(facts, { records: [], forgotten: [] }) })
      const [said] = this.#say({ isAssertion: true, limit: 2 })
      const [rest] = this.#say({ isAssertion: true })
      for (const { facts } of [join, said, rest, this.#append('end', NO_ITEMS)]) {
        for (const fact of facts) {
          const seen = this.core.see(fact.userId)
          if (seen.status === 'offline') throw new Error(`an assertion shows ${fact.userId}`)
        }
      }
    }

    /** Takes the steps one by one. An entry has only the last state of a user, so two changes need two entries. */
    override advance(now: number, limit: number): Outcome {
      const outcomes = [super.advance(now, 1)]
      while (outcomes.length < limit && this.nextDeadline <= now) outcomes.push(super.advance(now, 1))
      return {
        facts: outcomes.flatMap(({ facts }) => facts),
        records: outcomes.flatMap(({ records }) => records),
        forgotten: outcomes.flatMap(({ forgotten }) => forgotten),
        choices: outcomes.flatMap(({ choices }) => choices),
        ended: outcomes.flatMap(({ ended }) => ended),
        changes: outcomes.flatMap(({ changes }) => changes),
        dirty: outcomes.flatMap(({ dirty }) => dirty),
      }
    }

    protected override publish(decision: Decision, now: number): Change[] {
      this.#now = now
      this.#outbox.add({ users: this.#unplaced.add(decision.facts, decision) })
      const [{ facts, archived, forgotten, chose }, own] = this.#say()
      const changes = this.core.apply(facts, own)
      this.core.applyArchived(archived)
      this.core.applyForgotten(forgotten)
      for (const userId of chose) {
        const agreed = [this.#fold.of(userId).choice, this.#fold.chosen(userId)] as const
        const { facts, choices } = this.core.learnChoice(userId, ...agreed, this.#now)
        if (facts.length + choices.length > 0) throw new Error(`a node learns its own choice of ${userId}`)
      }
      return changes
    }

    /** Appends what has changed and reads it back. Returns what that changes, and the facts that are placed. */
    #say(how?: TakeOptions): [Applied, readonly Fact[]] {
      const batch = this.#seq + 1
      const host = {
        ...ASKS_NOTHING,
        compose: (userId: UserId, number: number, isAssertion: boolean) =>
          this.#unplaced.compose(userId, number, isAssertion),
        register: () => undefined,
        refusal: () => undefined,
      }
      const applied = this.#append('say', this.#outbox.take(host, batch, how))
      this.#outbox.landed()
      return [applied, this.#unplaced.placed(batch).facts]
    }

    #append(kind: EntryKind, items: Content) {
      const seq = ++this.#seq
      // The log is text.
      const body = JSON.parse(JSON.stringify({ format: 1, at: this.#now, ...items }))
      return this.#fold.apply({ place: { epoch: 1, seq }, node: NODE, batch: seq, kind, body })
    }
  }
}
