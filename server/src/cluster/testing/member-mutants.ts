import type { Mutant as FileMutant } from '@who-is-online/testing/mutated-copies'

/**
 * An error that was put into the protocol: in one file, `line` is replaced. The simulator has to find each of them. If
 * it misses one, its faults or its checks are too weak; removing the mutant is no solution.
 */
export type Mutant = FileMutant<
  'member.ts' | 'members.ts' | 'outbox.ts' | 'redis-clock.ts' | 'redis.model.ts'
>

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a node does not notice that Redis is away',
    file: 'member.ts',
    line: 'if (this.#waitingSince === undefined || ',
    becomes: 'if (this.#now > 0 || ',
  },
  {
    name: 'the end of an assertion does not drop what was not said again',
    file: 'member.ts',
    line: "if (kind === 'end') this.#host.happened({ what: 'assertionEnded', node })",
    becomes: '',
  },
  {
    name: 'the facts of a lost node stay',
    file: 'member.ts',
    line: "this.#host.happened({ what: 'nodeLost', node })",
    becomes: '',
  },
  {
    name: 'nobody is ever lost',
    file: 'member.ts',
    line: 'if (node !== this.#options.node) this.#toLose.add(node)',
    becomes: '',
  },
  {
    name: 'a node is lost by time, also when Redis has stopped',
    file: 'members.ts',
    line: 'if (at >= known.lastAt + BEAT_MS) known.missed++',
    becomes: 'known.missed = Math.floor((at - known.lastAt) / BEAT_MS)',
  },
  {
    name: 'a join does not clear the facts in Redis',
    file: 'redis.model.ts',
    line: "if (kind === 'join') this.facts.delete(node)",
    becomes: '',
  },
  {
    name: 'there is no audit',
    file: 'member.ts',
    line: 'if (this.#now < this.#auditAt || ',
    becomes: 'if (this.#now > 0 || ',
  },
  {
    name: 'the audit ignores unknown members',
    file: 'members.ts',
    line: 'if (!known) this.#add(node, { batch, next: undefined, since: undefined, at })',
    becomes: 'if (!known) continue',
  },
  {
    name: 'a client can always resume',
    file: 'member.ts',
    line: 'if (!since || !this.#place) return false',
    becomes: 'return true',
  },
  {
    name: 'a client can resume before all members have asserted',
    file: 'member.ts',
    line: "const isSettled = this.#assertion === 'done' && this.#members.areComplete && knowsEpoch",
    becomes: "const isSettled = this.#assertion === 'done'",
  },
  {
    name: 'a client can resume from a place of an earlier epoch',
    file: 'member.ts',
    line: "this.#settledSince = undefined\n    this.#host.happened({ what: 'epoch'",
    becomes: "this.#host.happened({ what: 'epoch'",
  },
  {
    name: 'a batch is sent again as it was',
    file: 'member.ts',
    line: 'const request = this.#compose(next, batch, place)',
    becomes:
      'const request = this.#attempts > 0 ? this.lastRequest : this.#compose(next, batch, place)\n    this.lastRequest = request',
  },
  {
    name: 'a duplicate is taken as done',
    file: 'member.ts',
    line: "if (answer.reply === 'appended') return this.#landed(sent, answer.place)",
    becomes:
      "if (answer.reply === 'appended' || answer.reply === 'duplicate') return this.#landed(sent, answer.place ?? { ...sent.from, seq: sent.from.seq + 1 })",
  },
  {
    name: 'what was refused is forgotten',
    file: 'outbox.ts',
    line: 'if (this.#taken) this.add(this.#taken)',
    becomes: '',
  },
  {
    name: 'no epoch begins when the log is gone',
    file: 'member.ts',
    line: '      this.#wantEpoch(epoch)\n    }\n  }\n\n  #append',
    becomes: '    }\n  }\n\n  #append',
  },
  {
    name: 'a node that starts does not notice a restart of Redis',
    file: 'member.ts',
    line: ' || server !== this.#server) this',
    becomes: ') this',
  },
  {
    name: 'an epoch begins although another one has begun',
    file: 'redis.model.ts',
    line: 'if (epoch !== this.epoch || isFirst)',
    becomes: "if (kind !== 'epoch' && (epoch !== this.epoch || isFirst))",
  },
  {
    name: 'a member does not assert in a new epoch',
    file: 'member.ts',
    line: "this.#host.happened({ what: 'epoch', epoch })\n    this.#assert()",
    becomes: "this.#host.happened({ what: 'epoch', epoch })",
  },
  {
    name: 'no member writes registers back',
    file: 'member.ts',
    line: 'this.#writesBack = writesBack ?',
    becomes: 'this.#writesBack = this.#now < 0 ?',
  },
  {
    name: 'only the eldest member writes registers back',
    file: 'member.ts',
    line: 'const writesBack = this.#isComplete || this.#members.isWrittenBack',
    becomes: 'const writesBack = this.#isComplete',
  },
  {
    name: 'a member does not compare its registers with those of the eldest',
    file: 'member.ts',
    line: 'if (!wasWrittenBack && this.#members.isWrittenBack) this.#compareRegisters()',
    becomes: '',
  },
  {
    name: 'beats do not tell that the registers were written back',
    file: 'member.ts',
    line: "kind === 'beat' && this.#members.isWrittenBack",
    becomes: 'false',
  },
  {
    name: 'the age of a member is told only with a join',
    file: 'member.ts',
    line: "kind === 'join' || kind === 'beat' ? { since",
    becomes: "kind === 'join' ? { since",
  },
  {
    name: 'a register takes any value',
    file: 'redis.model.ts',
    line: "if (value > (this.registers.get(key) ?? '')) this",
    becomes: 'this',
  },
  {
    name: 'missing entries are not noticed',
    file: 'member.ts',
    line: 'return place.seq === seq + 1',
    becomes: 'return place.seq > seq',
  },
  {
    name: 'a batch can be appended twice',
    file: 'redis.model.ts',
    line: "if (last !== undefined && last >= batch) return { reply: 'duplicate', batch: last }",
    becomes: '',
  },
  {
    name: 'a node is ready in a young epoch',
    file: 'member.ts',
    line: ' && body.at - place.epoch >= YOUNG_MS) {',
    becomes: ') {',
  },
  {
    name: 'no epoch begins after a loss of data',
    file: 'member.ts',
    line: 'this.#epochWanted = { current }',
    becomes: 'if (current === undefined) this.#epochWanted = { current }',
  },
  {
    name: 'a judge does not tell what it has read of a member',
    file: 'members.ts',
    line: 'return this.#known.get(node)?.batch ?? 0',
    becomes: 'return 0',
  },
  {
    name: 'the clock of Redis stands still after it was set back',
    file: 'redis-clock.ts',
    line: ' || offset > this.#offset - TOLERANCE_MS',
    becomes: ' || offset > 0',
  },
  {
    name: 'a new node does not follow a clock that runs ahead',
    file: 'redis-clock.ts',
    line: 'if (this.#offset !== undefined && time > this.at(now) + TOLERANCE_MS) this',
    becomes: 'if (time < 0) this',
  },
]
