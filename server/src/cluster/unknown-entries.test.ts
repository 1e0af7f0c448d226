import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import type { Entry, Place } from './entry.ts'
import { RedisModel } from './redis.model.ts'
import type { RedisConnection } from './redis.ts'
import { LinkedNode } from './testing/linked-node.ts'
import { connectModel } from './testing/model-connection.ts'

// What no node of this version has written. It must stop nobody, and be the same for all.

const START = 1_750_000_000_000

beforeEach(() => {
  vi.useFakeTimers({ now: START })
  onTestFinished(() => void vi.useRealTimers())
})

/** Two nodes on one model, which are ready. */
async function nodes(connect = connectModel) {
  const model = new RedisModel()
  const all = ['a', 'b'].map(id => new LinkedNode(id, async () => connect(model)))
  const [a, b] = all as [LinkedNode, LinkedNode]
  for (const { link } of all) link.start()
  onTestFinished(async () => void (await Promise.all(all.map(({ link }) => link.close()))))
  await vi.advanceTimersByTimeAsync(8_000)
  expect(all.map(({ member }) => member.isReady)).toEqual([true, true])
  return { model, a, b, all }
}

/** Adds an entry behind the back of all nodes. */
function add(model: RedisModel, entry: Partial<Entry> = {}): void {
  const { epoch, seq } = model.end as Place
  const body = { format: 1, at: 0, facts: [], registers: [] } as const
  const added = {
    place: { epoch, seq: seq + 1 },
    node: '',
    batch: 0,
    kind: 'unknown',
    body,
    ...entry,
  } as const
  model.log.push(added)
  model.end = added.place
  if (added.node !== '') model.nodes.set(added.node, added.batch)
}

const later = ({ epoch }: Place): Place => ({ epoch: epoch + 3_600_000, seq: 0 })

test('[N8] an entry of another program moves the place, and nothing else', async () => {
  const { model, a, b, all } = await nodes()
  const counts = () =>
    all.map(node => (['loaded', 'epoch', 'away', 'nodeLost'] as const).map(what => node.count(what)))
  const before = counts()
  for (let i = 0; i < 3; i++) add(model)
  a.open('ann')
  await vi.advanceTimersByTimeAsync(200)
  expect(b.usersOf('a')).toEqual(['ann'])
  await vi.advanceTimersByTimeAsync(15_000)
  expect(counts()).toEqual(before)
  expect(a.member.place).toEqual(model.end)
  expect(b.member.place).toEqual(model.end)
  for (const node of all) expect([...node.fold.members()].sort()).toEqual(['a', 'b'])
})

/** A connection that leaves such entries out. */
function connectLeavingOut(model: RedisModel): RedisConnection {
  const connection = connectModel(model)
  return {
    ...connection,
    async read(...asked) {
      const entries = (await connection.read(...asked)).filter(({ kind }) => kind !== 'unknown')
      // Time passes only while somebody waits.
      if (entries.length === 0) await new Promise(resolve => setTimeout(resolve, 10))
      return entries
    },
  }
}

test('negative control: if such an entry were left out, the nodes would have to load', async () => {
  const { model, a, b } = await nodes(connectLeavingOut)
  add(model)
  a.open('ann')
  await vi.advanceTimersByTimeAsync(200)
  expect([a.count('loading'), b.count('loading')]).toEqual([1, 1])
})

test('negative control: if one with the number of a later time were left out, nobody could append', async () => {
  const { model, a, b } = await nodes(connectLeavingOut)
  add(model, { place: later(model.end as Place) })
  a.open('ann')
  await vi.advanceTimersByTimeAsync(15_000)
  expect([b.usersOf('a'), a.member.isAway]).toEqual([[], true])
  expect(a.link.lastFailure?.text).toMatch(/not after the last entry/)
})

test('an entry of a kind that a newer node knows counts as a batch of that node', async () => {
  const { model, all } = await nodes()
  const before = all.map(node => node.count('epoch'))
  const about = { format: 1, at: START + 8_000, facts: [], registers: [] } as const
  add(model, { node: 'new', batch: 1, kind: 'join', body: about })
  add(model, { node: 'new', batch: 2 })
  add(model, { node: 'new', batch: 3, kind: 'beat', body: about })
  await vi.advanceTimersByTimeAsync(2_000)
  // A batch that is missing begins an epoch.
  expect(all.map(node => node.count('epoch'))).toEqual(before)
  add(model, { node: 'new', batch: 5, kind: 'beat', body: about })
  await vi.advanceTimersByTimeAsync(2_000)
  expect(all.map(node => node.count('epoch'))).toEqual(before.map(count => count + 1))
})

test.each([
  ['a year', { epoch: START + 365 * 86_400_000, seq: 0 }],
  ['the year 2058', { epoch: 2_795_942_161_792, seq: 0 }],
  ['the largest whole numbers', { epoch: 9_007_199_254_740_000, seq: 1 }],
  ['nanoseconds', { epoch: START * 1_000_000, seq: 1 }],
  ['too large a number in the epoch', { epoch: START, seq: 10 ** 15 }],
])(
  '[N8] after an entry of another program with %s, the nodes go on, and no clock follows it',
  async (_, { epoch, seq }) => {
    const { model, a, b, all } = await nodes()
    const before = model.epoch as number
    model.writeEntry({ epoch: epoch === START ? before : epoch, seq })
    a.open('ann')
    const clocksAreRight = () => {
      for (const { member } of all) {
        const now = performance.now()
        expect(Math.abs(member.wallTime(now) - Date.now())).toBeLessThan(10)
        expect(Math.abs(member.redisTime(now) - Date.now())).toBeLessThan(10)
      }
    }
    for (let second = 0; second < 15; second++) {
      await vi.advanceTimersByTimeAsync(1_000)
      clocksAreRight()
    }
    expect(b.usersOf('a')).toEqual(['ann'])
    for (const { member } of all) expect([member.isReady, member.isAway]).toEqual([true, false])
    expect(model.log.filter(({ kind, place }) => kind === 'epoch' && place.epoch > before)).toHaveLength(1)
    // A dead node is still lost, and a new node starts.
    await b.link.close()
    const c = new LinkedNode('c', async () => connectModel(model))
    c.link.start()
    onTestFinished(() => c.link.close())
    await vi.advanceTimersByTimeAsync(15_000)
    expect([...a.fold.members()].sort()).toEqual(['a', 'c'])
    expect([c.member.isReady, c.usersOf('a')]).toEqual([true, ['ann']])
    clocksAreRight()
  },
)

test('negative control: the time of an entry of a node is followed by stamps, and not by the wall clock', async () => {
  const { model, a } = await nodes()
  const ahead = Date.now() + 3_600_000
  const body = { format: 1, at: ahead, facts: [], registers: [] } as const
  add(model, { node: 'b', batch: (model.nodes.get('b') ?? 0) + 1, kind: 'beat', body })
  await vi.advanceTimersByTimeAsync(200)
  const now = performance.now()
  expect(Math.abs(a.member.redisTime(now) - ahead)).toBeLessThan(1_000)
  expect(Math.abs(a.member.wallTime(now) - Date.now())).toBeLessThan(10)
})

test.each([
  ['a batch of no node', 'foo', 'bar'],
  ['a batch that is not a number', 'a', 'bar'],
  ['an epoch that is not a number', 'epoch', 'abc'],
  ['an earlier epoch', 'epoch', '5'],
  ['an epoch that never was', 'epoch', '9999999999999'],
])('[N8] after another program has written %s, the nodes go on', async (_, field, text) => {
  const { model, a, b, all } = await nodes()
  model.writeRow(field, text)
  a.open('ann')
  await vi.advanceTimersByTimeAsync(15_000)
  expect(b.usersOf('a')).toEqual(['ann'])
  for (const node of all) {
    expect([...node.fold.members()].sort()).toEqual(['a', 'b'])
    expect([node.member.isReady, node.member.isAway]).toEqual([true, false])
  }
})

test.each([{ reply: 'epoch', epoch: undefined }, { reply: 'lost' }] as const)(
  'a Redis that always answers $reply is not asked without a pause',
  async answer => {
    const model = new RedisModel()
    let appends = 0
    const append = async () => {
      appends++
      await new Promise(resolve => setTimeout(resolve, 1))
      return answer
    }
    const node = new LinkedNode('a', async () => ({ ...connectModel(model), append }))
    node.link.start()
    onTestFinished(() => node.link.close())
    await vi.advanceTimersByTimeAsync(2_000)
    expect(appends).toBeGreaterThan(10)
    expect(appends).toBeLessThan(30)
  },
)

test.each([
  ['a gap', ({ epoch, seq }: Place) => ({ epoch, seq: seq + 10 })],
  ['the number of a later time', later],
])('after an entry of another program with %s, the nodes go on', async (_, placed) => {
  const { model, a, b, all } = await nodes()
  add(model, { place: placed(model.end as Place) })
  a.open('ann')
  await vi.advanceTimersByTimeAsync(15_000)
  expect(b.usersOf('a')).toEqual(['ann'])
  expect(all.map(({ member }) => [member.isReady, member.isAway])).toEqual([
    [true, false],
    [true, false],
  ])
})
