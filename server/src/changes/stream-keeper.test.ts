import { expect, test } from 'vitest'
import { ChangeStreamModel } from './change-stream.model.ts'
import { ClusterFeed } from './cluster-feed.ts'
import type { Place } from './feed.ts'
import { type Standing, type StreamCommand, StreamKeeper } from './stream-keeper.ts'
import { newChange } from './testing/new-change.ts'

/** A node: its feed, its keeper, and how it stands. */
class Node {
  epoch = 'e'
  since = 10
  isSettled = true
  isWriter = false
  seq = 10
  now = 0
  readonly feed: ClusterFeed
  readonly keeper: StreamKeeper
  readonly commands: StreamCommand['do'][] = []

  /** @param isTold whether clients are told the number from which on the node shows what all others show */
  constructor(since = 10, recent = 100, isTold = true) {
    this.since = this.seq = since
    const places = {
      epoch: 'e',
      recalls: ({ epoch, seq }: Place) =>
        this.isSettled ? epoch === this.epoch && seq >= this.since : epoch === 'own',
    }
    Object.defineProperty(places, 'epoch', { get: () => (this.isSettled ? this.epoch : 'own') })
    this.feed = new ClusterFeed({ places, recent, report: fail })
    if (isTold) this.feed.reached(since)
    this.keeper = new StreamKeeper(this.feed)
  }

  standing(more: Partial<Standing> = {}): Standing | undefined {
    const { epoch, seq, since, isWriter } = this
    const place = { epoch, seq }
    return this.isSettled
      ? { place, settledSince: since, since, isWriter, isStopping: false, ...more }
      : undefined
  }

  /** A change of a user, or an entry without one, is read. */
  read(seq: number, userId?: string): void {
    this.seq = seq
    if (userId === undefined) this.feed.reached(seq)
    else this.feed.append([newChange(userId)], seq)
  }

  /** Executes all commands for some time. Returns how many changes it says were stored. */
  run(model: ChangeStreamModel, ms = 2_000, more: Partial<Standing> = {}): number {
    let stored = 0
    for (const until = this.now + ms; this.now < until; this.now += 50) {
      for (let command = this.next(more); command; command = this.next(more)) {
        stored += this.keeper.answered(execute(model, command), this.now)
      }
    }
    return stored
  }

  next(more: Partial<Standing> = {}): StreamCommand | undefined {
    const command = this.keeper.next(this.standing(more), this.now)
    if (command) this.commands.push(command.do)
    return command
  }

  changes(after: number): string | undefined {
    return this.feed
      .after(after, 1_000)
      ?.map(({ userId, seq }) => `${userId} ${seq}`)
      .join()
  }
}

function execute(model: ChangeStreamModel, command: StreamCommand) {
  if (command.do === 'end') return model.end
  return command.do === 'read' ? model.read(command.after, command.count) : model.store(command.request)
}

function fail(error: unknown): never {
  throw error
}

const chain = ({ entries, end }: ChangeStreamModel) =>
  `${entries.map(({ after, seq }) => `${after}<${seq}`).join(' ')} to ${end?.seq}`

test('[N12] the writer stores each change, and up to where there are no others', () => {
  const model = new ChangeStreamModel()
  const node = new Node()
  node.isWriter = true
  node.read(12, 'ann')
  expect(node.run(model)).toBe(1)
  expect(chain(model)).toBe('10<10 10<12 to 12')
  node.read(13, 'bob')
  node.feed.append([newChange('eve')], 14)
  node.read(15)
  expect(node.run(model)).toBe(2)
  expect(chain(model)).toBe('10<10 10<12 12<13 13<14 to 15')
  // Without a change there is one command a second, and without a new place none.
  node.commands.length = 0
  for (const seq of [16, 17, 18, 19, 20]) {
    node.read(seq)
    node.run(model, 200)
  }
  expect(node.commands).toEqual(['store'])
  node.run(model)
  node.commands.length = 0
  expect([node.run(model, 5_000), node.commands, chain(model)]).toEqual([
    0,
    [],
    '10<10 10<12 12<13 13<14 to 20',
  ])
})

test('[N12] a node that is not the writer stores nothing while the stream grows, and asks for its end now and then', () => {
  const model = new ChangeStreamModel()
  const [writer, other] = [new Node(), new Node(12)]
  writer.isWriter = true
  for (const node of [writer, other]) node.read(13, 'ann')
  other.run(model)
  expect([model.end, other.keeper.isHistoryKnown]).toEqual([undefined, false])
  writer.run(model)
  other.run(model)
  expect(other.keeper.isHistoryKnown).toBe(true)
  other.commands.length = 0
  for (let seq = 14; seq < 34; seq++) {
    for (const node of [writer, other]) node.read(seq, 'bob')
    writer.run(model, 500)
    other.run(model, 500)
  }
  expect(new Set(other.commands)).toEqual(new Set(['end']))
  expect(other.commands.length).toBeLessThanOrEqual(6)
})

test('[N12 E9] if the writer does not know what is missing, or nobody is the writer, another node continues', () => {
  const model = new ChangeStreamModel()
  const [first, late, other] = [new Node(), new Node(15), new Node()]
  first.isWriter = true
  for (const node of [first, other]) node.read(11, 'ann')
  first.run(model)
  other.run(model)
  // The first one ends. The next writer has started after this.
  other.read(13, 'bob')
  late.isWriter = true
  for (const node of [late, other]) node.read(16, 'eve')
  for (let time = 0; time < 6_000; time += 500) {
    late.run(model, 500)
    other.run(model, 500)
  }
  expect(chain(model)).toBe('10<10 10<11 11<13 13<16 to 16')
  expect(late.changes(10)).toBe('ann 11,bob 13,eve 16')
})

test('[N12 E9] when the writer ends, the next one continues with what it has kept', () => {
  const model = new ChangeStreamModel()
  const [first, next] = [new Node(), new Node(11)]
  first.isWriter = true
  for (const node of [first, next]) node.read(12, 'ann')
  first.run(model)
  // The first one ends before it has stored these.
  for (const seq of [13, 14, 16]) next.read(seq, `user ${seq}`)
  next.isWriter = true
  next.run(model)
  expect(chain(model)).toBe('10<10 10<12 12<13 13<14 14<16 to 16')
  // The first one comes back and takes itself for the writer too.
  for (const seq of [13, 14, 16, 18]) first.read(seq, `user ${seq}`)
  first.run(model)
  next.read(18, 'user 18')
  next.read(19, 'user 19')
  next.run(model)
  expect(chain(model)).toBe('10<10 10<12 12<13 13<14 14<16 16<18 18<19 to 19')
})

test('[N12 E9] a node that starts knows what was before, and its clients and backends resume from there', () => {
  const model = new ChangeStreamModel()
  const writer = new Node()
  writer.isWriter = true
  writer.read(11, 'ann')
  writer.read(13, 'bob')
  writer.run(model)
  const node = new Node(15)
  // What it has told itself when it loaded is not what others were told.
  node.feed.append(['ann', 'bob', 'cid'].map(newChange), 14)
  node.read(16, 'eve')
  expect([node.feed.recalls({ epoch: 'e', seq: 12 }), node.changes(15)]).toEqual([false, 'eve 16'])
  node.run(model)
  // It waits until the stream has all up to where it knows it itself.
  expect(node.feed.hasHistory).toBe(false)
  writer.read(15)
  writer.run(model)
  node.run(model)
  expect([9, 10, 12, 15, 16, 17].map(seq => node.feed.recalls({ epoch: 'e', seq }))).toEqual([
    ...[false, true, true, true, true, false],
  ])
  expect(node.feed.recalls({ epoch: 'f', seq: 12 })).toBe(false)
  expect([10, 11, 13, 16].map(seq => node.changes(seq))).toEqual([
    'ann 11,bob 13,eve 16',
    'bob 13,eve 16',
    'eve 16',
    '',
  ])
  expect(node.feed.after(10, 1)).toMatchObject([{ userId: 'ann', seq: 11 }])
  expect(node.feed.after(10, 2)).toMatchObject([{ userId: 'ann' }, { userId: 'bob', seq: 13 }])
  expect(node.feed.changedSince({ epoch: 'e', seq: 11 })).toEqual(['bob', 'eve'])
  expect(node.feed.changedSince({ epoch: 'e', seq: 9 })).toBeUndefined()
  expect(node.feed.changedSince({ epoch: 'e', seq: 16 })).toEqual([])
  expect(['ann', 'bob', 'eve', 'joe'].map(userId => node.feed.newestOf(userId))).toEqual([14, 14, 16, 0])
})

test('[N12 E9] what was before is known although no number was told since', () => {
  const model = new ChangeStreamModel()
  const writer = new Node()
  writer.isWriter = true
  writer.read(11, 'ann')
  writer.read(15)
  writer.run(model)
  const node = new Node(15, 100, false)
  node.feed.reached(12)
  node.run(model)
  expect([10, 12, 16].map(seq => node.feed.recalls({ epoch: 'e', seq }))).toEqual([true, true, false])
  expect(node.changes(10)).toBe('ann 11')
  node.isSettled = false
  expect(node.feed.recalls({ epoch: 'e', seq: 10 })).toBe(false)
})

test('[N1] a client continues from what its node has told itself, even if the history reaches further', () => {
  const model = new ChangeStreamModel()
  const writer = new Node()
  writer.isWriter = true
  for (const seq of [11, 15]) writer.read(seq)
  writer.run(model)
  const node = new Node(15)
  node.feed.append([newChange('ann')], 14)
  node.run(model)
  expect(node.feed.changedSince({ epoch: 'e', seq: 12 })).toEqual([])
  // The keeper has not noticed that yet.
  node.isSettled = false
  expect(node.feed.changedSince({ epoch: 'own', seq: 12 })).toEqual(['ann'])
})

test('[N12] since when a user had the status before is known from what was before, and not from what was loaded', () => {
  const model = new ChangeStreamModel()
  const writer = new Node()
  writer.isWriter = true
  writer.seq = 11
  writer.feed.append([{ ...newChange('ann'), status: 'busy', at: 40 }], 11)
  writer.read(15)
  writer.run(model)
  const node = new Node(15)
  node.feed.append([{ ...newChange('ann'), status: 'busy', at: 90 }], 14)
  node.run(model)
  expect(node.keeper.takeHistory()).toMatchObject([{ userId: 'ann', seq: 11 }])
  expect(node.keeper.takeHistory()).toBeUndefined()
  for (const userId of ['ann', 'bob']) {
    node.feed.append([{ ...newChange(userId), previousStatus: 'busy', at: 100 }], ++node.seq)
  }
  node.feed.append([{ ...newChange('ann'), status: 'away', previousStatus: 'online', at: 120 }], ++node.seq)
  expect(node.feed.after(15, 10)?.map(({ previousSince }) => previousSince)).toEqual([40, 0, 100])
})

test('[N12] what the memory has dropped ends the history, and the stream is not kept longer than that', () => {
  const model = new ChangeStreamModel()
  const writer = new Node(10, 3)
  writer.isWriter = true
  for (const seq of [11, 12]) writer.read(seq, 'ann')
  writer.run(model)
  const node = new Node(12, 3)
  node.run(model)
  node.isWriter = true
  expect(node.feed.knownAfter).toBe(10)
  for (const seq of [13, 14, 15]) node.read(seq, 'bob')
  expect([node.feed.knownAfter, node.changes(10)]).toEqual([10, 'ann 11,ann 12,bob 13,bob 14,bob 15'])
  node.read(16, 'bob')
  expect([node.feed.hasHistory, node.feed.knownAfter, node.changes(10)]).toEqual([false, 13, undefined])
  expect(node.feed.recalls({ epoch: 'e', seq: 12 })).toBe(false)
  // It had not stored these before: nothing between 12 and 13 is known, so another stream begins.
  node.run(model, 12_000)
  expect(chain(model)).toBe('13<13 13<14 14<15 15<16 to 16')
})

test('[N12] if no node knows what has changed since the end of the stream, another one begins', () => {
  const model = new ChangeStreamModel()
  const writer = new Node()
  writer.isWriter = true
  writer.read(11, 'ann')
  writer.run(model)
  const late = new Node(15)
  late.isWriter = true
  late.read(16, 'bob')
  // Another node might know it.
  late.run(model, 5_500)
  expect(model.end?.seq).toBe(11)
  late.run(model, 3_000)
  expect(chain(model)).toBe('15<15 15<16 to 16')
  expect([late.feed.hasHistory, late.keeper.isHistoryKnown]).toEqual([false, true])
  // The same in another epoch, and after Redis has lost everything.
  late.epoch = 'f'
  late.since = 17
  late.read(17)
  late.run(model)
  expect([model.end, chain(model)]).toEqual([{ epoch: 'f', seq: 17 }, '17<17 to 17'])
  const empty = new ChangeStreamModel()
  late.read(18, 'eve')
  late.run(empty)
  expect(chain(empty)).toBe('17<17 17<18 to 18')
})

test('[N12] a time in which Redis does not answer does not count: the node that knows what is missing may be cut off', () => {
  for (const isAnswered of [false, true]) {
    const model = new ChangeStreamModel()
    const writer = new Node()
    writer.isWriter = true
    writer.read(11, 'ann')
    writer.run(model)
    writer.isWriter = false
    for (const seq of [12, 16]) writer.read(seq, 'bob')
    const late = new Node(15)
    late.isWriter = true
    late.read(16, 'bob')
    late.run(model, 2_000)
    // With the control, it is answered all the time.
    if (isAnswered) late.run(model, 3_900)
    else for (const until = late.now + 10_000; late.now < until; late.now += 50) fails(late)
    // Now both reach Redis again.
    for (let ms = 0; ms < 5_000; ms += 50) for (const node of [late, writer]) node.run(model, 50)
    expect(chain(model)).toBe(isAnswered ? '15<15 15<16 to 16' : '10<10 10<11 11<12 12<16 to 16')
    if (isAnswered) continue
    // If nobody knows it, another stream begins nevertheless.
    const alone = new Node(20)
    Object.assign(alone, { isWriter: true, now: late.now })
    alone.read(21, 'eve')
    alone.run(model, 2_000)
    for (let failures = 0; failures < 20; failures++, alone.now += 250) fails(alone)
    alone.run(model, 5_500)
    expect(model.end?.seq).toBe(16)
    alone.run(model, 1_000)
    expect(chain(model)).toBe('20<20 20<21 to 21')
  }
})

/** A command of a node is not answered, if it gives one. */
function fails(node: Node): void {
  if (node.next()) node.keeper.failed(node.now)
}

test('[N12] if nothing has changed since the end, as after a restart of all nodes, the stream is continued', () => {
  const model = new ChangeStreamModel()
  const before = new Node()
  before.read(11, 'ann')
  before.run(model)
  // No node was the writer. Each one that stops stores what is missing.
  expect(model.end).toBeUndefined()
  before.isWriter = true
  before.run(model)
  before.isWriter = false
  before.read(12, 'bob')
  before.run(model, 50, { isStopping: true })
  expect(chain(model)).toBe('10<10 10<11 11<12 to 12')
  const after = new Node(16)
  after.isWriter = true
  after.run(model, 2_000, { since: 12 })
  expect(chain(model)).toBe('10<10 10<11 11<12 to 16')
  expect([after.changes(10), after.feed.recalls({ epoch: 'e', seq: 12 })]).toEqual(['ann 11,bob 12', true])
})

test('[N12] an entry that is missing, or that this version can not read, ends the history', () => {
  const stored = () => {
    const model = new ChangeStreamModel()
    const writer = new Node()
    writer.isWriter = true
    for (const seq of [11, 12, 13]) writer.read(seq, 'ann')
    writer.run(model)
    return model
  }
  const known = (model: ChangeStreamModel) => {
    const node = new Node(13)
    node.run(model)
    return node.feed.knownAfter
  }
  expect(known(stored())).toBe(10)
  const missing = stored()
  missing.entries.splice(2, 1)
  expect(known(missing)).toBe(12)
  const unknown = [
    '',
    '{',
    'null',
    '{"format":2,"changes":[]}',
    '{"format":1,"changes":[{}]}',
    '{"format":1}',
  ]
  for (const content of unknown) {
    const model = stored()
    model.entries[2] = { after: 11, seq: 12, content }
    expect(known(model), content).toBe(12)
  }
})

test('[N12] after a failure the keeper asks for the end, and an answer that comes too late changes nothing', () => {
  const model = new ChangeStreamModel()
  const node = new Node()
  node.isWriter = true
  node.run(model)
  node.read(11, 'ann')
  const command = node.next()
  expect(command?.do).toBe('store')
  expect(node.next()).toBeUndefined()
  // It was executed, but nobody knows.
  if (command) execute(model, command)
  node.keeper.failed(node.now)
  expect(node.next()).toBeUndefined()
  node.commands.length = 0
  node.run(model)
  expect([node.commands, chain(model)]).toEqual([['end'], '10<10 10<11 to 11'])

  const late = new Node(11)
  const end = late.next()
  late.isSettled = false
  expect([end?.do, late.next()]).toEqual(['end', undefined])
  late.isSettled = true
  late.epoch = 'f'
  expect(late.next()).toBeUndefined()
  late.keeper.answered({ epoch: 'e', seq: 11 }, late.now)
  expect(late.next()?.do).toBe('end')
})

test('[N12] a rewrite replaces all that is stored by what the feed has', () => {
  const model = new ChangeStreamModel()
  const node = new Node()
  node.isWriter = true
  for (const seq of [11, 12]) node.read(seq, 'ann')
  node.run(model)
  model.entries[1] = { after: 10, seq: 11, content: 'of a user who was erased' }
  node.keeper.rewrite()
  node.run(model)
  expect(chain(model)).toBe('10<10 10<11 11<12 to 12')
  expect(JSON.stringify(model.entries)).not.toContain('erased')
})
