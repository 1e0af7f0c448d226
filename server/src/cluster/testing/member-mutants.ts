import type { Mutant as FileMutant } from '@who-is-online/testing/mutated-copies'

/**
 * An error that was put into the protocol, or into what a node says: in one file, `line` is replaced. The simulator has
 * to find each of them. If it misses one, its faults or its checks are too weak; removing the mutant is no solution.
 */
export type Mutant = FileMutant<
  | 'cluster/assertion.ts'
  | 'cluster/cluster-log.ts'
  | 'cluster/compose.ts'
  | 'cluster/fold.ts'
  | 'cluster/judge.ts'
  | 'cluster/member.ts'
  | 'cluster/members.ts'
  | 'cluster/outbox.ts'
  | 'cluster/own-entries.ts'
  | 'cluster/own-place.ts'
  | 'cluster/own-sessions.ts'
  | 'cluster/redis-clock.ts'
  | 'cluster/redis.model.ts'
  | 'cluster/registers.ts'
  | 'cluster/unplaced.ts'
  | 'cluster/watched-connection.ts'
  | 'presence/here.ts'
  | 'presence/pending.ts'
  | 'presence/presence.ts'
  | 'presence/user.ts'
>

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a node does not notice that Redis is away',
    file: 'cluster/watched-connection.ts',
    line: 'if (this.#waitingSince === undefined || ',
    becomes: 'if (now > 0 || ',
  },
  {
    name: 'the end of an assertion does not drop what was not said again',
    file: 'cluster/fold.ts',
    line: "if (kind === 'end') this.#sweep(node, difference)",
    becomes: '',
  },
  {
    name: 'the facts of a lost node stay',
    file: 'cluster/fold.ts',
    line: "if (kind === 'lost' && body.subject !== undefined) this.#drop(body.subject, difference)",
    becomes: '',
  },
  {
    name: 'nobody is ever lost',
    file: 'cluster/judge.ts',
    line: '      this.#toLose.add(node)\n',
    becomes: '',
  },
  {
    name: 'a node is lost by time, also when Redis has stopped',
    file: 'cluster/members.ts',
    line: 'if (at >= known.lastAt + BEAT_MS) known.missed++',
    becomes: 'known.missed = Math.floor((at - known.lastAt) / BEAT_MS)',
  },
  {
    name: 'a join does not clear the facts in Redis',
    file: 'cluster/redis.model.ts',
    line: "if (kind === 'join') this.facts.delete(node)",
    becomes: '',
  },
  {
    name: 'there is no audit',
    file: 'cluster/own-entries.ts',
    line: 'if (now < this.#auditAt || ',
    becomes: 'if (now > 0 || ',
  },
  {
    name: 'the audit ignores unknown members',
    file: 'cluster/members.ts',
    line: 'if (!known) this.#add(node, { batch, next: undefined, since: undefined, at })',
    becomes: 'if (!known) continue',
  },
  {
    name: 'a client can always resume',
    file: 'cluster/own-place.ts',
    line: 'if (!since || !this.#last) return false',
    becomes: 'return true',
  },
  {
    name: 'a client can resume before all members have asserted',
    file: 'cluster/member.ts',
    line: 'if (knowsEpoch && isComplete && ',
    becomes: 'if (',
  },
  {
    name: 'a client can resume from a place of an earlier epoch',
    file: 'cluster/own-place.ts',
    line: 'this.#epochToRead = undefined\n    this.#settledSince = undefined',
    becomes: 'this.#epochToRead = undefined',
  },
  {
    name: 'a batch is sent again as it was',
    file: 'cluster/own-entries.ts',
    line: 'const request = this.#compose(next, batch, place, now)',
    becomes:
      'const request = this.lastRequest?.batch === batch ? this.lastRequest : this.#compose(next, batch, place, now)\n    this.lastRequest = request',
  },
  {
    name: 'a duplicate is taken as done',
    file: 'cluster/own-entries.ts',
    line: "if (answer.reply === 'appended') return this.#landed(sent, answer.place)",
    becomes:
      "if (answer.reply === 'appended' || answer.reply === 'duplicate') return this.#landed(sent, answer.place ?? { ...sent.from, seq: sent.from.seq + 1 })",
  },
  {
    name: 'what was refused is forgotten',
    file: 'cluster/outbox.ts',
    line: 'if (this.#taken) this.add(this.#taken)',
    becomes: '',
  },
  {
    name: 'no epoch begins when the log is gone',
    file: 'cluster/own-place.ts',
    line: ' else {\n      this.wantEpoch(epoch)\n    }',
    becomes: '',
  },
  {
    name: 'a node that starts does not notice a restart of Redis',
    file: 'cluster/own-place.ts',
    line: ' || server !== from) this',
    becomes: ') this',
  },
  {
    name: 'an epoch begins although another one has begun',
    file: 'cluster/redis.model.ts',
    line: 'if (epoch !== this.epoch || isFirst)',
    becomes: "if (kind !== 'epoch' && (epoch !== this.epoch || isFirst))",
  },
  {
    name: 'a member does not assert in a new epoch',
    file: 'cluster/member.ts',
    line: "this.#host.happened({ what: 'epoch', epoch })\n    this.#own.assert()",
    becomes: "this.#host.happened({ what: 'epoch', epoch })",
  },
  {
    name: 'no member writes registers back',
    file: 'cluster/assertion.ts',
    line: 'this.#writesBack = writesBack ?',
    becomes: 'this.#writesBack = this.#number < 0 ?',
  },
  {
    name: 'only the eldest member writes registers back',
    file: 'cluster/assertion.ts',
    line: 'const writesBack = this.#isComplete || this.#members.isWrittenBack',
    becomes: 'const writesBack = this.#isComplete',
  },
  {
    name: 'a member does not compare its registers with those of the eldest',
    file: 'cluster/member.ts',
    line: 'if (!wasWrittenBack && this.#members.isWrittenBack) this.#own.compareRegisters()',
    becomes: '',
  },
  {
    name: 'beats do not tell that the registers were written back',
    file: 'cluster/own-entries.ts',
    line: "kind === 'beat' && this.#members.isWrittenBack",
    becomes: 'false',
  },
  {
    name: 'the age of a member is told only with a join',
    file: 'cluster/own-entries.ts',
    line: "kind === 'join' || kind === 'beat' ? { since",
    becomes: "kind === 'join' ? { since",
  },
  {
    name: 'a register takes any value',
    file: 'cluster/redis.model.ts',
    line: "if (value <= (this.registers.get(key) ?? '')) continue",
    becomes: '',
  },
  {
    name: 'missing entries are not noticed',
    file: 'cluster/own-place.ts',
    line: 'return place.seq === seq + 1',
    becomes: 'return place.seq > seq',
  },
  {
    name: 'a batch can be appended twice',
    file: 'cluster/redis.model.ts',
    line: "if (last !== undefined && last >= batch) return { reply: 'duplicate', batch: last }",
    becomes: '',
  },
  {
    name: 'a node is ready in a young epoch',
    file: 'cluster/member.ts',
    line: " && kind === 'beat' && body.at - this.#epochAt >= YOUNG_MS) this",
    becomes: " && kind === 'beat') this",
  },
  {
    name: 'no epoch begins after a loss of data',
    file: 'cluster/own-place.ts',
    line: 'this.#epochWanted = { current }',
    becomes: 'if (current === undefined) this.#epochWanted = { current }',
  },
  {
    name: 'a judge does not tell what it has read of a member',
    file: 'cluster/members.ts',
    line: 'return this.#known.get(node)?.batch ?? 0',
    becomes: 'return 0',
  },
  {
    name: 'the clock of Redis stands still after it was set back',
    file: 'cluster/redis-clock.ts',
    line: ' || offset > this.#offset - TOLERANCE_MS',
    becomes: ' || offset > 0',
  },
  {
    name: 'a new node does not follow a clock that runs ahead',
    file: 'cluster/redis-clock.ts',
    line: 'if (this.#offset !== undefined && time > this.at(now) + TOLERANCE_MS) this',
    becomes: 'if (time < 0) this',
  },
  {
    name: 'a session that continues on another node stays',
    file: 'cluster/own-sessions.ts',
    line: 'if (renewed || openedAt > ownAt || node > ownNode) moved',
    becomes: 'if (openedAt < 0) moved',
  },
  {
    name: 'a node does not learn choices',
    file: 'cluster/cluster-log.ts',
    line: 'for (const userId of new Set([...chose, ...placed.userIds])) {',
    becomes: 'for (const userId of [] as typeof placed.userIds) {',
  },
  {
    name: 'the changes of other nodes do not count in the rate limit',
    file: 'cluster/cluster-log.ts',
    line: 'const paced = isOther ? ',
    becomes: 'const paced = isOther && seq === -1 ? ',
  },
  {
    name: 'a hidden user is shown when the last session on a node is left',
    file: 'cluster/compose.ts',
    line: '  if (fold.isElsewhere(userId, node)) return false',
    becomes: '',
  },
  {
    name: 'the registers that Redis may have lost are not known',
    file: 'cluster/cluster-log.ts',
    line: 'this.#fold.beginEpoch()',
    becomes: '',
  },
  {
    name: 'what was refused counts as read back',
    file: 'cluster/cluster-log.ts',
    line: 'this.#unplaced.refused(event.batch)',
    becomes: '',
  },
  {
    name: 'an older fact stays pending',
    file: 'presence/pending.ts',
    line: '    this.#earlier.delete(fact.userId)\n    this.#last = fact',
    becomes: '    this.#last = fact',
  },
  {
    name: 'a node that has not taken a newer choice says what is shown',
    file: 'cluster/compose.ts',
    line: "if (said.sessions !== 'none' && isCurrent) contents",
    becomes: "if (said.sessions !== 'none') contents",
  },
  {
    name: 'a name replaces one that another node has said later',
    file: 'cluster/compose.ts',
    line: 'if (renamed && !isNewerKnown(userId, renamed, port))',
    becomes: 'if (renamed)',
  },
  {
    name: 'clients are told smaller numbers after a loss of data',
    file: 'cluster/own-place.ts',
    line: 'newEpoch = Math.max(at, epoch + 1, this.#greatestSeq + 1, (current ?? 0) + 1)',
    becomes: 'newEpoch = Math.max(at, epoch + 1, this.#last.seq + 1, (current ?? 0) + 1)',
  },
  {
    name: 'an epoch with smaller numbers is not replaced',
    file: 'cluster/own-place.ts',
    line: '      this.wantEpoch(epoch)\n      this.#greatestSeq += RESERVED',
    becomes: '      this.#greatestSeq += RESERVED',
  },
  {
    name: 'nobody is told whose sessions end on all nodes',
    file: 'cluster/cluster-log.ts',
    line: 'const kicked = entry?.body.kicks ?? NONE',
    becomes: 'const kicked = NONE',
  },
  {
    name: 'a node does not end the sessions that another node ends',
    file: 'cluster/cluster-log.ts',
    line: 'const ended = entry?.body.ends ? this.#ownSessions.ended(entry.body.ends) : NONE',
    becomes: 'const ended = NONE',
  },
  {
    name: 'a node does not answer the questions of others',
    file: 'cluster/cluster-log.ts',
    line: 'if (node === this.#node || !body.asks) return',
    becomes: 'return',
  },
  {
    name: 'a node does not tell whether somebody looks at a session',
    file: 'cluster/compose.ts',
    line: 'const v = isLookedAt ? 1 : 0',
    becomes: 'const v = 0',
  },
  {
    name: 'the last signs of life of users are lost with their node',
    file: 'cluster/own-entries.ts',
    line: 'this.#outbox.add({ users: host.usersOf(subject) })',
    becomes: '',
  },
  {
    name: 'a time that this node wrote hides what it knew, while another node shows the user',
    file: 'cluster/compose.ts',
    line: '?.node === node && heard === undefined',
    becomes: '?.node === node',
  },
  {
    name: 'a client can resume on a node after an epoch that began while it was connected',
    file: 'cluster/cluster-log.ts',
    line: ' || epoch !== String(current)) return false',
    becomes: ') return false',
  },
  {
    name: 'a choice loses its time when another node takes it',
    file: 'presence/here.ts',
    line: 'user.learnChoice(this.#unlessEnded(chosen.choice, now), chosen.madeAt)',
    becomes: 'user.learnChoice(this.#unlessEnded(chosen.choice, now), user.chosenAt)',
  },
  {
    name: 'a leave that is told late ends a newer choice',
    file: 'cluster/compose.ts',
    line: 'return hasLeft && (known?.madeAt ?? 0) <= (port.hidAt(userId) ?? 0) && (known?.keptSince ?? 0) <= at',
    becomes: 'return hasLeft',
  },
]
