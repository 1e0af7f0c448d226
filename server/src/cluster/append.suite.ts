import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { games } from '../presence/testing/games.ts'
import type {
  AppendReply,
  AppendRequest,
  Entry,
  EntryBody,
  EntryKind,
  FactItem,
  Loaded,
  NodeFact,
  Place,
} from './entry.ts'
import { isBefore } from './place.ts'
import { RedisModel } from './redis.model.ts'

/** A Redis, or the model of it, that executes `append.lua`. */
export interface AppendTarget {
  /** Rejects if Redis refuses to write. Then nothing has changed. */
  append(request: AppendRequest): Promise<AppendReply>
  load(): Promise<Loaded>
  /** Another program writes a row of the nodes: of a member, or `epoch`. */
  writeRow(field: string, text: string): Promise<void>
  /** Another program adds an entry. */
  writeEntry(place: Place): Promise<void>
  /** All entries of the log. Of those that are not needed any more, some may be left. */
  log(): Promise<Entry[]>
}

/** A rule that each target follows, if it is empty at first. */
export type AppendRule<Target = AppendTarget> = readonly [
  name: string,
  check: (target: Target) => Promise<void>,
]

/** Checks that a target follows the rules of `append.lua`, and does the same as the model for random requests. */
export function appendSuite(name: string, make: () => Promise<AppendTarget>): void {
  describe(`${name} keeps the promises of AppendRequest and AppendReply`, () => {
    test.each(APPEND_RULES)('%s', async (_, check) => check(await make()))

    test('random requests of three nodes give the replies and the contents of the model', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(move, { minLength: 5, maxLength: 60 }), async moves => {
          await playBoth(await make(), moves)
        }),
        games(200),
      )
    }, 120_000)
  })
}

export const EPOCH = 1_750_000_000_000

/** A request of node `a` in the epoch that {@link begun} begins, with nothing to keep. */
export function request(
  kind: EntryKind,
  batch: number,
  { body, ...others }: Partial<Omit<AppendRequest, 'body'>> & { readonly body?: Partial<EntryBody> } = {},
): AppendRequest {
  const empty = { format: 1, at: EPOCH, facts: [], registers: [] } as const
  return { epoch: EPOCH, node: 'a', batch, kind, ...others, body: { ...empty, ...body } }
}

/** Begins the epoch by node `a`, as batch 1, and lets node `b` join, as batch 1. */
export async function begun<Target extends AppendTarget>(target: Target): Promise<Target> {
  await target.append(request('epoch', 1, { epoch: undefined, newEpoch: EPOCH }))
  await target.append(request('join', 1, { node: 'b', body: { about: { name: 'B', version: '1.0.0' } } }))
  return target
}

/** Checks that something changes neither the log nor what is kept. */
export async function changesNothing(target: AppendTarget, act: () => Promise<void>): Promise<void> {
  const before = [await target.load(), await target.log()]
  await act()
  expect([await target.load(), await target.log()]).toEqual(before)
}

function fact(p: NodeFact['p'], h = EPOCH): NodeFact {
  return { p, n: p === 0 ? 0 : 1, h, s: { [`session-${h}`]: h } }
}

function stamped(ms: number, node: string, value: unknown): string {
  return `${`${ms}`.padStart(15, '0')}|${node}|${JSON.stringify(value)}`
}

/** Rows that no node can have written, where a batch or an epoch stands. */
const FOREIGN = ['', '0', 'bar', '-5', '1.5', '007', '0x7f', '1e3', 'nan', '9'.repeat(16)]

const appended = (seq: number, epoch = EPOCH): AppendReply => ({ reply: 'appended', place: { epoch, seq } })

export const APPEND_RULES: readonly AppendRule[] = [
  [
    'an epoch begins with its own number, and all later entries follow without a gap',
    async target => {
      const first = await target.append(request('epoch', 1, { epoch: undefined, newEpoch: EPOCH }))
      expect(first).toEqual(appended(EPOCH))
      expect(await target.append(request('join', 2))).toEqual(appended(EPOCH + 1))
      expect(await target.append(request('join', 1, { node: 'b' }))).toEqual(appended(EPOCH + 2))
      expect(await target.append(request('beat', 3))).toEqual(appended(EPOCH + 3))
      const { end, epoch, nodes } = await target.load()
      expect({ end, epoch, nodes }).toEqual({
        end: { epoch: EPOCH, seq: EPOCH + 3 },
        epoch: EPOCH,
        nodes: new Map([
          ['a', 3],
          ['b', 1],
        ]),
      })
    },
  ],
  [
    'entries are read back as they were appended',
    async target => {
      await begun(target)
      const body: Partial<EntryBody> = {
        facts: [
          ['ann', fact(1), 'opened'],
          ['__proto__', null, 'left'],
          ['Jürgen 🎈 "x"\u2028', fact(2), 'idle'],
        ],
        registers: [['c:ann', stamped(EPOCH, 'a', { status: 'busy', text: 'a|b' })]],
        kicks: ['eve'],
        ends: [
          ['eve', 'tab "1"'],
          ['eve', 'bot', EPOCH],
        ],
        asks: [[7, 'eve']],
        answers: [['b', 3, { state: 'none', sessions: [], graces: [] }]],
      }
      const said = request('say', 2, { body })
      await target.append(said)
      const { epoch: _, ...entry } = said
      expect((await target.log()).at(-1)).toEqual({ place: { epoch: EPOCH, seq: EPOCH + 2 }, ...entry })
    },
  ],
  [
    'without an epoch, a node can only begin one',
    target =>
      changesNothing(target, async () => {
        for (const kind of ['join', 'say', 'beat'] as const) {
          const reply = await target.append(request(kind, 1, { epoch: undefined }))
          expect(reply).toEqual({ reply: 'epoch', epoch: undefined })
        }
        expect(await target.append(request('join', 1))).toEqual({ reply: 'epoch', epoch: undefined })
        const other = await target.append(request('epoch', 1, { newEpoch: EPOCH + 1 }))
        expect(other).toEqual({ reply: 'epoch', epoch: undefined })
      }),
  ],
  [
    'in another epoch nothing is appended, and the reply names the current one',
    async target => {
      await begun(target)
      await changesNothing(target, async () => {
        const reply = { reply: 'epoch', epoch: EPOCH }
        expect(await target.append(request('say', 2, { epoch: EPOCH - 1 }))).toEqual(reply)
        expect(await target.append(request('join', 2, { epoch: undefined }))).toEqual(reply)
        const begin = request('epoch', 1, { node: 'c', epoch: undefined, newEpoch: EPOCH + 9 })
        expect(await target.append(begin)).toEqual(reply)
      })
    },
  ],
  [
    'of two nodes that begin an epoch at the same time, one does',
    async target => {
      await begun(target)
      const begin = (node: string, newEpoch: number) =>
        target.append(request('epoch', 2, { node, newEpoch, body: { again: true } }))
      expect(await begin('b', EPOCH + 5_000)).toEqual(appended(EPOCH + 5_000, EPOCH + 5_000))
      expect(await begin('a', EPOCH + 5_001)).toEqual({ reply: 'epoch', epoch: EPOCH + 5_000 })
      const next = request('say', 2, { epoch: EPOCH + 5_000 })
      expect(await target.append(next)).toEqual(appended(EPOCH + 5_001, EPOCH + 5_000))
    },
  ],
  [
    'an epoch that is not later than the log is refused',
    async target => {
      await begun(target)
      await changesNothing(target, async () => {
        for (const newEpoch of [EPOCH - 1, EPOCH]) {
          await expect(target.append(request('epoch', 2, { newEpoch }))).rejects.toThrow()
        }
      })
    },
  ],
  [
    'a batch number is appended only once, whatever else is wrong',
    async target => {
      await begun(target)
      await target.append(request('say', 7, { body: { facts: [['ann', fact(1), 'opened']] } }))
      await target.append(request('epoch', 2, { node: 'b', newEpoch: EPOCH + 100 }))
      await changesNothing(target, async () => {
        for (const batch of [1, 6, 7]) {
          const again = request('say', batch, { body: { facts: [['ann', null, 'left']] } })
          expect(await target.append(again)).toEqual({ reply: 'duplicate', batch: 7 })
        }
      })
    },
  ],
  [
    'a node that is not a member can only join or begin an epoch',
    async target => {
      await begun(target)
      await changesNothing(target, async () => {
        for (const kind of ['say', 'end', 'beat', 'left', 'lost'] as const) {
          const body = kind === 'lost' ? { subject: 'b' } : {}
          const reply = await target.append(request(kind, 1, { node: 'c', knownBatch: 9, body }))
          expect(reply).toEqual({ reply: 'lost' })
        }
      })
      expect(await target.append(request('join', 1, { node: 'c' }))).toEqual(appended(EPOCH + 2))
      expect(await target.append(request('epoch', 1, { node: 'd', newEpoch: EPOCH + 9 }))).toEqual(
        appended(EPOCH + 9, EPOCH + 9),
      )
    },
  ],
  [
    'a batch that no node can have written counts as none, so the node joins again',
    async target => {
      await begun(target)
      for (const [i, text] of FOREIGN.entries()) {
        await target.writeRow('a', text)
        expect(await target.append(request('say', i + 2)), text).toEqual({ reply: 'lost' })
        expect(await target.append(request('join', i + 2)), text).toEqual(appended(EPOCH + i + 2))
      }
    },
  ],
  [
    'an epoch that no node can have written counts as none, so another one begins',
    async target => {
      await begun(target)
      let epoch = EPOCH
      for (const text of FOREIGN) {
        await target.writeRow('epoch', text)
        const say = request('say', epoch - EPOCH + 2, { epoch })
        expect(await target.append(say), text).toEqual({ reply: 'epoch', epoch: undefined })
        const begin = { epoch: undefined, newEpoch: epoch + 1 }
        const reply = await target.append(request('epoch', epoch - EPOCH + 2, begin))
        expect(reply, text).toEqual(appended(epoch + 1, epoch + 1))
        epoch++
      }
    },
  ],
  [
    'after an entry of another program that nodes cannot follow, an epoch begins another log',
    async target => {
      let epoch = EPOCH
      await begun(target)
      for (const foreign of [10 ** 15, 9_007_199_254_740_000, 1_750_000_000_000_000_000]) {
        await target.writeEntry({ epoch: foreign, seq: 1 })
        expect((await target.load()).end, `${foreign}`).toBe(undefined)
        await expect(target.append(request('say', epoch - EPOCH + 2, { epoch }))).rejects.toThrow()
        const begin = { epoch, newEpoch: epoch + 1 }
        const reply = await target.append(request('epoch', epoch - EPOCH + 2, begin))
        expect(reply).toEqual(appended(epoch + 1, epoch + 1))
        epoch++
        expect((await target.log()).map(({ place }) => place.epoch)).toEqual([epoch])
      }
    },
  ],
  [
    'after an entry of another program that nodes can follow, an epoch has a greater number',
    async target => {
      await begun(target)
      const foreign = 10 ** 15 - 9
      await target.writeEntry({ epoch: foreign, seq: 1 })
      await changesNothing(target, async () => {
        const begin = request('epoch', 2, { newEpoch: EPOCH + 9 })
        await expect(target.append(begin)).rejects.toThrow()
      })
      const reply = await target.append(request('epoch', 2, { newEpoch: foreign + 1 }))
      expect(reply).toEqual(appended(foreign + 1, foreign + 1))
      expect(await target.log()).toHaveLength(4)
    },
  ],
  [
    'after an entry of another program with too large a number in an epoch, the next epoch follows',
    async target => {
      await begun(target)
      await target.writeEntry({ epoch: EPOCH, seq: 10 ** 15 })
      expect((await target.load()).end).toBe(undefined)
      const reply = await target.append(request('epoch', 2, { newEpoch: EPOCH + 1 }))
      expect(reply).toEqual(appended(EPOCH + 1, EPOCH + 1))
      expect(await target.log()).toHaveLength(4)
    },
  ],
  [
    'a row of another program does not keep a node from being lost',
    async target => {
      await begun(target)
      for (const [i, text] of FOREIGN.entries()) {
        await target.writeRow('foo', text)
        const lost = request('lost', i + 2, { body: { subject: 'foo' } })
        expect(await target.append(lost), text).toEqual(appended(EPOCH + i + 2))
      }
    },
  ],
  [
    'a node that has written more than the judge has read is not lost',
    async target => {
      await begun(target)
      await target.append(request('say', 5, { node: 'b', body: { facts: [['ann', fact(1), 'opened']] } }))
      await changesNothing(target, async () => {
        const lost = request('lost', 2, { knownBatch: 4, body: { subject: 'b' } })
        expect(await target.append(lost)).toEqual({ reply: 'alive' })
        const never = request('lost', 2, { body: { subject: 'b' } })
        expect(await target.append(never)).toEqual({ reply: 'alive' })
      })
    },
  ],
  [
    'a lost node is removed with its facts, and only a join brings it back',
    async target => {
      await begun(target)
      const registers = [['s:ann', stamped(EPOCH, 'b', EPOCH)]] as const
      await target.append(
        request('say', 2, { node: 'b', body: { facts: [['ann', fact(1), 'opened']], registers } }),
      )
      await target.append(request('say', 2, { body: { facts: [['ann', fact(2), 'idle']] } }))
      const lost = request('lost', 3, { knownBatch: 2, body: { subject: 'b' } })
      expect(await target.append(lost)).toEqual(appended(EPOCH + 4))
      const { nodes, abouts, facts, registers: kept } = await target.load()
      expect(nodes).toEqual(new Map([['a', 3]]))
      expect(abouts).toEqual(new Map())
      expect(facts).toEqual(new Map([['a', new Map([['ann', fact(2)]])]]))
      expect(kept).toEqual(new Map(registers))
      expect(await target.append(request('beat', 3, { node: 'b' }))).toEqual({ reply: 'lost' })
      expect(await target.append(request('join', 3, { node: 'b' }))).toEqual(appended(EPOCH + 5))
      expect((await target.load()).registers).toEqual(new Map(registers))
    },
  ],
  [
    'a lost node that begins an epoch does not get its old facts back',
    async target => {
      await begun(target)
      await target.append(request('say', 2, { node: 'b', body: { facts: [['ann', fact(1), 'opened']] } }))
      await target.append(request('lost', 2, { knownBatch: 2, body: { subject: 'b' } }))
      const begin = request('epoch', 3, { node: 'b', newEpoch: EPOCH + 9 })
      expect(await target.append(begin)).toEqual(appended(EPOCH + 9, EPOCH + 9))
      expect((await target.load()).facts).toEqual(new Map())
    },
  ],
  [
    'a node that is already lost can be said to be lost again',
    async target => {
      await begun(target)
      for (const batch of [2, 3]) {
        const lost = request('lost', batch, { knownBatch: 1, body: { subject: 'b' } })
        expect(await target.append(lost)).toEqual(appended(EPOCH + batch))
      }
    },
  ],
  [
    'facts are kept by node and user, replaced, and removed',
    async target => {
      await begun(target)
      const say = (node: string, batch: number, facts: readonly FactItem[]) =>
        target.append(request('say', batch, { node, body: { facts } }))
      await say('a', 2, [
        ['ann', fact(1), 'opened'],
        ['bob', fact(1), 'opened'],
        ['__proto__', fact(1), 'opened'],
      ])
      await say('b', 2, [['ann', fact(1, EPOCH + 1), 'opened']])
      await say('a', 3, [
        ['ann', fact(2, EPOCH + 2), 'idle'],
        ['bob', null, 'left'],
        ['eve', null, 'left'],
      ])
      const expected = new Map([
        [
          'a',
          new Map([
            ['ann', fact(2, EPOCH + 2)],
            ['__proto__', fact(1)],
          ]),
        ],
        ['b', new Map([['ann', fact(1, EPOCH + 1)]])],
      ])
      expect((await target.load()).facts).toEqual(expected)
    },
  ],
  [
    'a join drops what the node said before, and keeps what it says with the join',
    async target => {
      await begun(target)
      for (const node of ['a', 'b']) {
        const facts = [['ann', fact(1), 'opened']] as const
        await target.append(request('say', 2, { node, body: { facts } }))
      }
      await target.append(request('join', 3, { body: { facts: [['bob', fact(2), 'opened']] } }))
      const expected = new Map([
        ['a', new Map([['bob', fact(2)]])],
        ['b', new Map([['ann', fact(1)]])],
      ])
      expect((await target.load()).facts).toEqual(expected)
    },
  ],
  [
    'of two values of a register the greater one is kept, compared by its bytes',
    async target => {
      await begun(target)
      const values = [
        stamped(1_000, 'b', 'first'),
        stamped(999, 'c', 'older'),
        stamped(1_000, 'a', 'same time, smaller node'),
        stamped(1_000, 'B', 'same time, upper case is smaller'),
        stamped(1_000, 'b', 'first').slice(0, -1),
        stamped(1_001, 'a', 'newer'),
        `${stamped(1_001, 'a', 'newer')} `,
        stamped(1_001, '_', 'same time, smaller node'),
        stamped(1_001, 'aa', 'same time, greater node'),
      ]
      const kept: (string | undefined)[] = []
      for (const [index, value] of values.entries()) {
        await target.append(request('say', 2 + index, { body: { registers: [['c:ann', value]] } }))
        kept.push((await target.load()).registers.get('c:ann'))
      }
      const [first, , , , , newer, longer] = values
      // The separator is greater than each letter, so an id is greater than those that begin with it.
      expect(kept).toEqual([first, first, first, first, first, newer, longer, longer, longer])
      await target.append(request('say', 99, { body: { registers: [['n:ann', stamped(1, 'a', 'Ann')]] } }))
      expect([...(await target.load()).registers.keys()].toSorted()).toEqual(['c:ann', 'n:ann'])
    },
  ],
  [
    'a greater value without a content removes the register, and then any value counts again',
    async target => {
      await begun(target)
      let batch = 1
      const say = async (ms: number, content: unknown) => {
        const registers = [['n:ann', stamped(ms, 'a', content)]] as const
        await target.append(request('say', ++batch, { body: { registers } }))
        return (await target.load()).registers.get('n:ann')
      }
      const ann = await say(10, 'Ann')
      expect(await say(9, null)).toBe(ann)
      expect(await say(11, null)).toBeUndefined()
      expect(await say(12, null)).toBeUndefined()
      expect(await say(5, 'Bob')).toBe(stamped(5, 'a', 'Bob'))
      // Names that only look like it.
      for (const [ms, name] of ['null', '|null', 'x|null', 'x|null"'].entries()) {
        expect(await say(20 + ms, name)).toBe(stamped(20 + ms, 'a', name))
      }
    },
  ],
  [
    'the server on which an epoch begins is kept beside it, and only then',
    async target => {
      await target.append(request('epoch', 1, { epoch: undefined, newEpoch: EPOCH, server: 'one' }))
      await target.append(request('beat', 2, { server: 'two' }))
      expect(await target.load()).toMatchObject({ epoch: EPOCH, server: 'one' })
      await target.append(request('epoch', 3, { newEpoch: EPOCH + 9, server: 'three' }))
      expect(await target.load()).toMatchObject({ epoch: EPOCH + 9, server: 'three' })
    },
  ],
  [
    'what a node says about itself is kept until it says something else',
    async target => {
      await begun(target)
      const about = { name: 'B', version: '1.0.0' }
      expect((await target.load()).abouts).toEqual(new Map([['b', about]]))
      await target.append(request('beat', 2, { node: 'b' }))
      await target.append(request('left', 3, { node: 'b', body: { about: { ...about, left: EPOCH + 3 } } }))
      expect((await target.load()).abouts).toEqual(new Map([['b', { ...about, left: EPOCH + 3 }]]))
    },
  ],
  [
    'entries that are not needed any more are removed, and no others',
    async target => {
      await begun(target)
      for (let batch = 2; batch <= 400; batch++) await target.append(request('beat', batch))
      const oldest = { epoch: EPOCH, seq: EPOCH + 390 }
      await target.append(request('beat', 401, { oldest }))
      const log = await target.log()
      expect(log.length).toBeLessThan(200)
      expect(log.filter(({ place }) => !isBefore(place, oldest)).map(({ batch }) => batch)).toEqual(
        Array.from({ length: 12 }, (_, index) => 390 + index),
      )
    },
  ],
  [
    'an entry may have thousands of facts and registers',
    async target => {
      await begun(target)
      const users = Array.from({ length: 5_000 }, (_, index) => `user-${index}`)
      const facts = users.map(userId => [userId, fact(1), 'opened'] as const)
      const registers = users.map(userId => [`s:${userId}`, stamped(EPOCH, 'a', EPOCH)] as const)
      expect(await target.append(request('say', 2, { body: { facts, registers } }))).toEqual(
        appended(EPOCH + 2),
      )
      const loaded = await target.load()
      expect([loaded.facts.get('a')?.size, loaded.registers.size]).toEqual([5_000, 5_000])
    },
  ],
]

/** How one request is made; the rest follows from what the model holds. */
interface Move {
  readonly node: string
  readonly kind: EntryKind
  /** How many batch numbers before the next one; 0 is the next one. */
  readonly batchesBack: number
  readonly epoch: 'current' | 'older' | 'none'
  readonly subject: string
  /** How many batches of the subject the judge has not read. */
  readonly unread: number
  readonly items: readonly (readonly [userId: string, p: -1 | 0 | 1 | 2, ms: number])[]
  readonly hasAbout: boolean
  /** How many entries are still needed; `undefined` if the request does not say it. */
  readonly needed: number | undefined
}

const nodeId = fc.constantFrom('a', 'b', 'c')

/** Mostly what a node sends when all is well, so that games get far. */
const move: fc.Arbitrary<Move> = fc.record({
  node: nodeId,
  kind: fc.oneof(
    { weight: 6, arbitrary: fc.constant('say' as const) },
    { weight: 3, arbitrary: fc.constant('join' as const) },
    { weight: 2, arbitrary: fc.constantFrom('epoch', 'lost') },
    { weight: 1, arbitrary: fc.constantFrom('end', 'beat', 'left') },
  ) as fc.Arbitrary<EntryKind>,
  batchesBack: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3) }),
  epoch: fc.oneof(
    { weight: 9, arbitrary: fc.constant('current' as const) },
    { weight: 1, arbitrary: fc.constantFrom('older' as const, 'none' as const) },
  ),
  subject: nodeId,
  unread: fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: -1, max: 2 }) },
  ),
  items: fc.array(
    fc.tuple(
      fc.constantFrom('ann', 'bob', 'eve', '🎈', '__proto__'),
      fc.constantFrom(-1 as const, 0 as const, 1 as const, 2 as const),
      fc.nat(3),
    ),
    { maxLength: 4 },
  ),
  hasAbout: fc.boolean(),
  needed: fc.option(fc.nat(5), { nil: undefined, freq: 3 }),
})

async function playBoth(target: AppendTarget, moves: readonly Move[]): Promise<void> {
  const model = new RedisModel()
  const sent = new Map<string, number>()
  for (const each of moves) {
    const next = (sent.get(each.node) ?? 0) + 1
    const asked = requestOf(each, model, Math.max(1, next - each.batchesBack))
    const expected = model.append(asked)
    expect(await target.append(asked)).toEqual(expected)
    if (expected.reply === 'appended') sent.set(each.node, Math.max(next - 1, asked.batch))
  }
  expect(await target.load()).toEqual(model.load())
  const [first] = model.log
  expect((await target.log()).filter(({ place }) => first && !isBefore(place, first.place))).toEqual(
    model.log,
  )
}

function requestOf(move: Move, model: RedisModel, batch: number): AppendRequest {
  const { node, kind, subject, items, needed } = move
  const { epoch: current, end } = model
  const epoch = move.epoch === 'none' ? undefined : move.epoch === 'older' ? (current ?? EPOCH) - 1 : current
  return {
    epoch,
    node,
    batch,
    kind,
    knownBatch: Math.max(0, (model.nodes.get(subject) ?? 0) - move.unread),
    ...(kind === 'epoch' && { newEpoch: (end?.seq ?? EPOCH) + 1 + batch }),
    ...(needed !== undefined && end && { oldest: { epoch: end.epoch, seq: end.seq - needed } }),
    body: {
      format: 1,
      at: EPOCH,
      facts: items.map(([userId, p, ms]) => [userId, p === -1 ? null : fact(p, EPOCH + ms), 'opened']),
      registers: items.map(([userId, p, ms]) => [
        p > 0 ? `c:${userId}` : `n:${userId}`,
        stamped(ms, node, p === 2 ? null : p),
      ]),
      ...(kind === 'lost' && { subject }),
      ...(move.hasAbout && { about: { name: node, version: `${batch}` } }),
    },
  }
}
