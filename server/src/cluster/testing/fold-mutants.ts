import type { Mutant as FileMutant } from '@who-is-online/testing/mutated-copies'

/**
 * An error that was put into a part of the cluster: in one file, `line` is replaced. The random games have to find each
 * of them. Removing a mutant that they miss is no solution.
 */
export type ClusterMutant = FileMutant<
  | 'cluster/compose.ts'
  | 'cluster/fold.ts'
  | 'cluster/registers.ts'
  | 'cluster/unplaced.ts'
  | 'presence/here.ts'
  | 'presence/presence.ts'
  | 'presence/user.ts'
  | 'presence/user-sessions.ts'
>

export const CLUSTER_MUTANTS: readonly ClusterMutant[] = [
  {
    name: 'a user is idle if any node says so',
    file: 'cluster/fold.ts',
    line: "if (fact.p === 1) sessions = 'active'",
    becomes: "if (fact.p === 1 && sessions === 'none') sessions = 'active'",
  },
  {
    name: 'a fact that is not shown counts as a session',
    file: 'cluster/fold.ts',
    line: 'if (!fact || fact.p === 0) continue\n      if',
    becomes: 'if (!fact) continue\n      if',
  },
  {
    name: 'the last node decides when a visible user was last seen',
    file: 'cluster/fold.ts',
    line: 'heard = Math.max(heard, fact.h)',
    becomes: 'heard = fact.h',
  },
  {
    name: 'the time of a hidden user does not stand still',
    file: 'cluster/fold.ts',
    line: 'lastSeen: isVisible ? heard : seen',
    becomes: 'lastSeen: heard > 0 ? heard : seen',
  },
  {
    name: 'nothing is dropped at the end of an assertion',
    file: 'cluster/fold.ts',
    line: "if (kind === 'end') this.#sweep(node, difference)",
    becomes: '',
  },
  {
    name: 'everything is dropped at the beginning of an assertion',
    file: 'cluster/fold.ts',
    line: "if (kind === 'join') this.#unsaid.set(node, new Set(own.keys()))",
    becomes: "if (kind === 'join') own.clear()",
  },
  {
    name: 'what a node says again is dropped too',
    file: 'cluster/fold.ts',
    line: 'this.#unsaid.get(node)?.delete(userId)',
    becomes: '',
  },
  {
    name: 'a swept user causes no difference',
    file: 'cluster/fold.ts',
    line: "difference.before(userId, 'lost')\n      this.#facts.get(node)?.delete(userId)",
    becomes: 'this.#facts.get(node)?.delete(userId)',
  },
  {
    name: 'a lost node keeps its facts',
    file: 'cluster/fold.ts',
    line: "if (kind === 'lost' && body.subject !== undefined) this.#drop(body.subject, difference)",
    becomes: '',
  },
  {
    name: 'a node that was lost meanwhile stays after loading',
    file: 'cluster/fold.ts',
    line: '    this.#facts.clear()\n',
    becomes: '',
  },
  {
    name: 'loading makes nothing visible',
    file: 'cluster/fold.ts',
    line: 'for (const known of facts.values()) for (const userId of known.keys()) difference.before(userId)',
    becomes: '',
  },
  {
    name: 'a name alone is no difference',
    file: 'cluster/fold.ts',
    line: 'if (isSameShown(was, is) && before.username === username) continue',
    becomes: 'if (isSameShown(was, is)) continue',
  },
  {
    name: 'a repeated fact is a change',
    file: 'cluster/fold.ts',
    line: 'if (isSameShown(was, is) && before.username === username) continue',
    becomes: '',
  },
  {
    name: 'an expired choice was chosen',
    file: 'cluster/fold.ts',
    line: "return said === 'expired' ? 'expired' : 'chosen'",
    becomes: "return 'chosen'",
  },
  {
    name: 'a lost session was left',
    file: 'cluster/fold.ts',
    line: "after.sessions === 'none' ? endOf(said) : 'left'",
    becomes: "'left'",
  },
  {
    name: 'the value with the older stamp wins',
    file: 'cluster/registers.ts',
    line: 'if (one.stamp !== other.stamp) return one.stamp > other.stamp',
    becomes: 'if (one.stamp !== other.stamp) return one.stamp < other.stamp',
  },
  {
    name: 'a name is compared with the time',
    file: 'cluster/registers.ts',
    line: "const column = key[0] === 'n' ? this.#names : this.#seen",
    becomes: 'const column = this.#seen',
  },
  {
    name: 'a user who leaves says no time',
    file: 'cluster/compose.ts',
    line: 'if (isFirst || !isVisible)',
    becomes: 'if (isFirst)',
  },
  {
    name: 'a user who waits for the rate limit is shown',
    file: 'cluster/compose.ts',
    line: "const p = said.sessions === 'none' ? 0 :",
    becomes: "const p = said.sessions === 'none' ? 1 :",
  },
  {
    name: 'a user without a session is still said to be here',
    file: 'cluster/compose.ts',
    line: 'if (!isHere) return null',
    becomes: '',
  },
  {
    name: 'a choice that ends is not ended in the log',
    file: 'cluster/compose.ts',
    line: 'return hasLeft && (known?.madeAt ?? 0) <= (port.hidAt(userId) ?? 0) && (known?.keptSince ?? 0) <= at',
    becomes: 'return false',
  },
  {
    name: 'a stamp is the time alone',
    file: 'cluster/compose.ts',
    line: 'const stamp = Math.max(at, (known?.stamp ?? 0) + 1, (sent?.stamp ?? 0) + 1)',
    becomes: 'const stamp = at',
  },
  {
    name: 'a choice has the stamp of the moment when it is said',
    file: 'cluster/compose.ts',
    line: 'c: user.madeAt,\n      v: user.madeAt,',
    becomes: 'c: at,\n      v: at,',
  },
  {
    name: 'a new name is not said',
    file: 'cluster/unplaced.ts',
    line: 'renamed: this.#isRenamed(fact) ? ',
    becomes: 'renamed: this.#isRenamed(fact) && at < 0 ? ',
  },
  {
    name: 'users without a fact are not said',
    file: 'cluster/unplaced.ts',
    line: 'for (const { userId } of records) touched.add(userId)',
    becomes: 'void records',
  },
  {
    name: 'placed facts stay pending',
    file: 'cluster/unplaced.ts',
    line: 'if (user.changed.fact) facts.push(user.changed.fact)',
    becomes: '',
  },
  {
    name: 'a node does not learn the choice that was acknowledged',
    file: 'presence/user.ts',
    line: 'if (!this.hasSessions || this.knowsNewer(choice, madeAt)) return false',
    becomes: 'return false',
  },
  {
    name: 'a node learns an older choice',
    file: 'presence/user.ts',
    line: 'if (!this.hasSessions || this.knowsNewer(choice, madeAt)) return false',
    becomes: 'if (!this.hasSessions) return false',
  },
  {
    name: 'a session that continues on another node stays here too',
    file: 'presence/here.ts',
    line: 'user.endMoved(sessionId) ? [',
    becomes: 'user.hasSessions ? [',
  },
  {
    name: 'a session that is held does not move',
    file: 'presence/user-sessions.ts',
    line: 'return this.#removeAll(session => session.named && session.id === id).length > 0',
    becomes:
      "return this.#removeAll(session => session.state === 'live' && session.named && session.id === id).length > 0",
  },
  {
    name: 'a value without a content is kept',
    file: 'cluster/registers.ts',
    line: 'if (isRemoval(value)) {',
    becomes: 'if (value.length === 0) {',
  },
  {
    name: 'the user who takes the position of a removed one is not found',
    file: 'cluster/registers.ts',
    line: 'this.#positions.set(last, position)',
    becomes: '',
  },
  {
    name: 'a position is removed although the user still has a name or a time',
    file: 'cluster/registers.ts',
    line: 'if (this.#names.stamp(position) === 0 && this.#seen.stamp(position) === 0)',
    becomes: 'if (this.#names.stamp(position) === 0)',
  },
]
