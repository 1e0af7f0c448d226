import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NO_CHOICE } from '../presence/choice.ts'
import { presenceOf } from '../presence/fact.ts'
import { games } from '../presence/testing/games.ts'
import type { EntryBody, EntryKind, FactItem, NodeFact, Place, RegisterItem } from './entry.ts'
import { isRemoval } from './entry.ts'
import { type Applied, Fold } from './fold.ts'
import { orphanedLeases } from './leases.ts'
import { joinValue } from './registers.ts'
import {
  compareLoaded,
  compareWithRedis,
  loadGame,
  logActs,
  NODES,
  playLog,
  register,
  stateOf,
} from './testing/log.game.ts'

const T = Date.UTC(2030, 0, 1)
const ACTIVE: NodeFact = { p: 1, n: 1, h: T, s: {} }
const IDLE: NodeFact = { ...ACTIVE, p: 2 }
const HELD: NodeFact = { ...ACTIVE, n: 0 }
const WAITING: NodeFact = { ...ACTIVE, p: 0 }

function value(content: unknown, stamp = T, node = 'a'): string {
  return joinValue({ stamp, node, json: JSON.stringify(content) })
}

/** A fold with a log of its own. */
class Log {
  readonly fold = new Fold()
  #seq = 0

  say(node: string, facts: readonly FactItem[], registers: readonly RegisterItem[] = [], at = T): Applied {
    return this.append(node, 'say', { facts, registers, at })
  }

  append(node: string, kind: EntryKind, body: Partial<EntryBody> = {}): Applied {
    const seq = ++this.#seq
    const whole = { format: 1, at: T, facts: [], registers: [], ...body } as const
    return this.fold.apply({ place: { epoch: 1, seq }, node, batch: seq, kind, body: whole })
  }
}

const NOTHING: Applied = { facts: [], archived: [], forgotten: [], chose: [] }
const says = ({ facts }: Applied) =>
  facts.map(fact => `${fact.userId} ${presenceOf(fact).status} ${fact.cause}`)

describe('facts', () => {
  test('a user is active if one node says so, idle if all are, and present while any node shows the user', () => {
    const log = new Log()
    expect(says(log.say('a', [['ann', IDLE, 'opened']]))).toEqual(['ann away opened'])
    expect(says(log.say('b', [['ann', ACTIVE, 'opened']]))).toEqual(['ann online active'])
    expect(says(log.say('a', [['ann', null, 'left']]))).toEqual([])
    expect(says(log.say('a', [['ann', IDLE, 'opened']]))).toEqual([])
    expect(says(log.say('b', [['ann', null, 'lost']]))).toEqual(['ann away idle'])
    expect(says(log.say('a', [['ann', WAITING, 'lost']], [['s:ann', value(T)]]))).toEqual([
      'ann offline lost',
    ])
    log.say('a', [['ann', ACTIVE, 'opened']])
    expect(says(log.say('a', [['ann', null, 'kicked']]))).toEqual(['ann offline kicked'])
  })

  test('[N9] the sessions on other nodes are told together, by each node as it knows them', () => {
    const log = new Log()
    const sessions = () => log.fold.sessions('ann', 'a')
    const opened = { ...ACTIVE, n: 0, s: { tab: T } }
    log.say('a', [['ann', { ...opened, v: 1 }, 'opened']])
    expect(sessions()).toBeUndefined()
    log.say('b', [['ann', { ...opened, p: 2, v: 1, i: T - 5 }, 'opened']])
    const idle = { ids: ['tab'], isLookedAt: true, isActive: false, lastActive: T - 5 }
    expect(sessions()).toEqual(idle)
    // The rate limit delays that others see it.
    log.say('c', [['ann', { ...opened, p: 2, s: { app: T, bot: T }, v: 0 }, 'opened']])
    const active = { ids: ['tab', 'app', 'bot'], isActive: true, lastActive: T }
    expect(sessions()).toEqual({ ...idle, ...active })
    log.say('b', [['ann', null, 'left']])
    expect(sessions()).toEqual({ ...active, ids: ['app', 'bot'], isLookedAt: false })
    // A connection gives signs of life.
    log.append('c', 'say', { facts: [['ann', { ...opened, n: 1, v: 1 }, 'opened']], at: T + 60_000 })
    expect(sessions()?.lastActive).toBe(T + 30_000)
  })

  test('[N9] a node of an older version does not say what is visible, and since when a user is idle', () => {
    const log = new Log()
    const sessions = () => log.fold.sessions('ann', 'a')
    log.say('b', [['ann', { ...ACTIVE, s: { tab: T } }, 'opened']])
    expect(sessions()).toMatchObject({ isActive: true, isLookedAt: false })
    log.say('b', [['ann', { ...IDLE, s: { tab: T } }, 'idle']])
    expect(sessions()).toMatchObject({ isActive: false, isLookedAt: false, lastActive: 0 })
  })

  test('a fact that is not shown, and a repeated fact, make no difference', () => {
    const log = new Log()
    expect(log.say('a', [['ann', WAITING, 'opened']])).toEqual(NOTHING)
    log.say('a', [['ann', ACTIVE, 'opened']])
    expect(log.say('a', [['ann', { ...ACTIVE, h: T + 5, n: 2 }, 'active']])).toEqual(NOTHING)
    expect(log.fold.of('ann').lastSeen).toBe(T + 5)
  })

  test('the fact of a change has the choice, the name, the time and the cause', () => {
    const log = new Log()
    const choice = { status: 'busy', text: 'at lunch', expiresAt: T + 9 } as const
    const registers: RegisterItem[] = [
      ['v:ann', value(choice)],
      ['n:ann', value('Ann')],
    ]
    expect(log.say('a', [['ann', { ...ACTIVE, h: T - 3 }, 'opened']], registers, T + 1)).toEqual({
      ...NOTHING,
      facts: [
        {
          userId: 'ann',
          sessions: 'active',
          choice,
          username: 'Ann',
          lastSeen: T - 3,
          cause: 'opened',
          at: T + 1,
        },
      ],
      chose: ['ann'],
    })
    expect(says(log.say('a', [['ann', ACTIVE, 'expired']], [['v:ann', value(NO_CHOICE, T + 1)]]))).toEqual([
      'ann online expired',
    ])
    expect(says(log.say('b', [], [['v:ann', value(choice, T + 2)]]))).toEqual(['ann busy chosen'])
    expect(says(log.say('b', [], [['n:ann', value('Anna', T + 2)]]))).toEqual(['ann busy renamed'])
  })

  test('[R4] a choice to be hidden hides the sessions on all nodes, and showing is an arrival', () => {
    const log = new Log()
    log.say('a', [['ann', ACTIVE, 'opened']])
    log.say('b', [['ann', ACTIVE, 'opened']])
    const hide: RegisterItem[] = [
      ['v:ann', value({ status: 'offline' }, T + 1)],
      ['s:ann', value(T + 1)],
    ]
    expect(says(log.say('a', [['ann', ACTIVE, 'left']], hide))).toEqual(['ann offline left'])
    // The time of a hidden user stands still, whatever the nodes know.
    expect(log.say('b', [['ann', { ...ACTIVE, h: T + 9 }, 'active']])).toEqual(NOTHING)
    expect(log.fold.of('ann').lastSeen).toBe(T + 1)
    expect(log.say('b', [['ann', null, 'lost']])).toEqual(NOTHING)
    expect(says(log.say('a', [], [['v:ann', value(NO_CHOICE, T + 2)]]))).toEqual(['ann online opened'])
  })

  test('a last session that is lost while the user hides is no cause `lost`', () => {
    const log = new Log()
    log.say('a', [['ann', ACTIVE, 'opened']])
    const hide: RegisterItem[] = [['v:ann', value({ status: 'offline' })]]
    expect(says(log.say('a', [['ann', ACTIVE, 'lost']], hide))).toEqual(['ann offline left'])
  })
})

describe('registers', () => {
  test('of two values the greater string wins: by time, then by node, then by content', () => {
    const log = new Log()
    log.say('a', [['ann', ACTIVE, 'opened']], [['n:ann', value('Ann', T, 'b')]])
    const name = (text: string, stamp: number, node: string) => {
      log.say('a', [], [['n:ann', value(text, stamp, node)]])
      return log.fold.of('ann').username
    }
    expect(name('Bob', T - 1, 'c')).toBe('Ann')
    expect(name('Bob', T, 'a')).toBe('Ann')
    expect(name('Al', T, 'b')).toBe('Ann')
    expect(name('Bea', T, 'b')).toBe('Bea')
    expect(name('Cleo', T, 'c')).toBe('Cleo')
    expect(name('Dora', T + 1, 'a')).toBe('Dora')
    expect(log.fold.register('n:ann')).toBe(value('Dora', T + 1, 'a'))
  })

  test('a value that cannot be read, and a register of an unknown kind, are ignored', () => {
    const log = new Log()
    log.say('a', [['ann', ACTIVE, 'opened']], [['n:ann', value('Ann')]])
    for (const bad of [
      '',
      'x',
      '999999999999999',
      '999999999999999|a',
      '999999999999999|a|{',
      '99999999999999x|a|1',
    ]) {
      expect(
        log.say(
          'a',
          [],
          [
            ['n:ann', bad],
            ['v:ann', bad],
            ['c:ann', bad],
            ['s:ann', bad],
          ],
        ),
      ).toEqual(NOTHING)
    }
    expect(log.say('a', [], [['x:ann' as 'n:ann', value('Bob', T + 1)]])).toEqual(NOTHING)
    expect(log.fold.of('ann')).toMatchObject({ username: 'Ann', choice: NO_CHOICE })
  })

  test('the name and the time of an offline user are no change, and a user without a time was never seen', () => {
    const log = new Log()
    expect(log.say('a', [], [['n:ann', value('Ann')]])).toEqual(NOTHING)
    expect(log.say('a', [], [['s:ann', value(T)]]).archived).toEqual([
      { userId: 'ann', lastSeen: T, username: 'Ann' },
    ])
    expect(log.say('a', [], [['s:ann', value(T)]])).toEqual(NOTHING)
    expect(log.say('a', [], [['s:ann', value(T - 5, T + 1)]]).archived).toMatchObject([{ lastSeen: T - 5 }])
    expect(log.say('a', [], [['s:ann', value(null, T + 2)]])).toEqual({ ...NOTHING, forgotten: ['ann'] })
    expect(log.fold.of('ann').lastSeen).toBeUndefined()
  })

  test('a choice that was acknowledged is no difference for others, but it is reported', () => {
    const log = new Log()
    const chosen = { status: 'busy', madeAt: T } as const
    expect(log.say('a', [], [['c:ann', value(chosen)]])).toEqual({ ...NOTHING, chose: ['ann'] })
    expect(log.fold.chosen('ann')).toEqual({ choice: { status: 'busy' }, madeAt: T })
    // Without a session in the cluster only a choice with an end, and to be hidden, still counts.
    expect(log.fold.choiceOf('ann')).toEqual({ choice: { status: 'online' }, madeAt: T })
    log.say('b', [['ann', WAITING, 'opened']])
    expect(log.fold.choiceOf('ann')?.madeAt).toBe(T)
    log.say(
      'a',
      [],
      [
        ['c:bob', value({ ...chosen, expiresAt: T + 9 })],
        ['c:eve', value({ status: 'offline', madeAt: T })],
      ],
    )
    expect([log.fold.choiceOf('bob')?.choice, log.fold.choiceOf('eve')?.choice]).toEqual([
      { status: 'busy', expiresAt: T + 9 },
      { status: 'offline' },
    ])
  })

  test('[R4] a user who hides and has no session for too long is not hidden on returning', () => {
    const log = new Log()
    log.say('a', [], [['c:ann', value({ status: 'offline', madeAt: T, keptSince: T + 1 })]])
    expect(log.fold.choiceOf('ann', () => false)?.choice).toEqual({ status: 'offline' })
    expect(log.fold.choiceOf('ann', since => since === T + 1)).toEqual({
      choice: { status: 'online' },
      madeAt: T,
    })
    log.say('b', [['ann', WAITING, 'opened']])
    expect(log.fold.choiceOf('ann', () => true)?.choice).toEqual({ status: 'offline' })
  })
})

describe('members', () => {
  test('a node that asserts drops at its end what it does not say again, and nothing before', () => {
    const log = new Log()
    log.say('a', [
      ['ann', ACTIVE, 'opened'],
      ['bob', ACTIVE, 'opened'],
    ])
    log.say('b', [['eve', ACTIVE, 'opened']])
    expect(log.append('a', 'join')).toEqual(NOTHING)
    expect(log.fold.isAsserting('a')).toBe(true)
    expect(log.say('a', [['ann', ACTIVE, 'active']])).toEqual(NOTHING)
    expect(log.append('b', 'end')).toEqual(NOTHING)
    expect(says(log.append('a', 'end'))).toEqual(['bob offline lost'])
    expect(log.append('a', 'end')).toEqual(NOTHING)
    expect(log.fold.isAsserting('a')).toBe(false)
  })

  test('a node that joins again before its end begins again', () => {
    const log = new Log()
    log.say('a', [['ann', ACTIVE, 'opened']])
    log.append('a', 'join', { facts: [['bob', ACTIVE, 'opened']] })
    log.append('a', 'join')
    log.say('a', [['ann', ACTIVE, 'active']])
    expect(says(log.append('a', 'end'))).toEqual(['bob offline lost'])
  })

  test('a lost node is dropped with all it said, and one that left keeps it', () => {
    const log = new Log()
    log.say('a', [
      ['ann', ACTIVE, 'opened'],
      ['bob', ACTIVE, 'opened'],
    ])
    log.say('b', [['bob', IDLE, 'opened']])
    log.append('a', 'join')
    expect(log.append('a', 'left')).toEqual(NOTHING)
    const registers: RegisterItem[] = [['s:ann', value(T + 7)]]
    const lost = log.append('b', 'lost', { subject: 'a', registers, at: T + 9 })
    expect(says(lost)).toEqual(['ann offline nodeLost', 'bob away idle'])
    expect(lost.facts[0]).toMatchObject({ lastSeen: T + 7, at: T + 9 })
    expect([[...log.fold.members()], log.fold.isAsserting('a')]).toEqual([['b'], false])
    expect(says(log.append('a', 'join', { facts: [['ann', ACTIVE, 'opened']] }))).toEqual([
      'ann online opened',
    ])
  })

  test.each([
    { what: 'continued', since: T + 9, lasts: false },
    // The negative control: the other node had the session before, and knows of no renewal.
    { what: 'begun earlier', since: T - 9, lasts: true },
  ])(
    '[N11] a lease that has $what and ended on another node is taken over from a lost one: $lasts',
    ({ since, lasts }) => {
      const log = new Log()
      const leased = (at: number): NodeFact => {
        return { ...ACTIVE, n: 0, s: { agent: at }, l: { agent: [at + 60_000, at, 60_000, T, -1] } }
      }
      log.say('a', [['ann', leased(T), 'opened']])
      log.say('b', [['ann', leased(since), 'opened']])
      log.say('b', [['ann', null, 'lost']])
      const orphaned = orphanedLeases(log.fold, 'a', T + 30_000, true)
      expect(orphaned.map(({ userId }) => userId)).toEqual(lasts ? ['ann'] : [])
    },
  )

  test.each([
    { from: T - 9, lasts: true },
    { from: T, lasts: false },
    { from: T + 9, lasts: false },
  ])(
    '[N11] a lease is taken over from a lost node if no other node has it since then: $lasts',
    ({ from, lasts }) => {
      const leased: NodeFact = {
        ...ACTIVE,
        n: 0,
        s: { agent: T },
        l: { agent: [T + 60_000, T, 60_000, T, -1] },
      }
      const other: NodeFact = { ...ACTIVE, s: { agent: from } }
      const fold = {
        members: () => ['a', 'b'],
        fact: () => leased,
        facts: () => new Map([['ann', leased]]),
        *factsOf() {
          yield ['b', other] as const
        },
      }
      const orphaned = orphanedLeases(fold, 'a', T + 30_000, true)
      expect(orphaned).toHaveLength(lasts ? 1 : 0)
    },
  )

  test('without a register, a user of a lost node was last seen as its fact says', () => {
    const log = new Log()
    log.say('a', [['ann', ACTIVE, 'opened']])
    expect(log.append('b', 'lost', { subject: 'a' }).facts).toMatchObject([{ userId: 'ann', lastSeen: T }])
  })

  test('[R2] the sign of life grows with the entries of a node, but not of a user who is held, waits or is there only', () => {
    const log = new Log()
    log.say('a', [
      ['ann', ACTIVE, 'opened'],
      ['bob', HELD, 'opened'],
      ['eve', WAITING, 'opened'],
    ])
    log.append('b', 'beat', { at: T + 90_000 })
    const signs = () => ['ann', 'bob', 'eve', 'joe'].map(userId => log.fold.signOfLife(userId))
    expect(signs()).toEqual([T, T, undefined, undefined])
    log.append('a', 'beat', { at: T + 90_000 })
    expect(signs()).toEqual([T + 60_000, T, undefined, undefined])
    expect(log.fold.signOfLife('ann', 'a')).toBeUndefined()
  })
})

describe('forgotten users', () => {
  const nothing = { end: undefined, epoch: undefined, server: undefined, abouts: new Map(), facts: new Map() }
  const ann: RegisterItem[] = [
    ['n:ann', value('Ann')],
    ['s:ann', value(5)],
    ['v:ann', value({ status: 'busy' })],
  ]

  test('[I9] a user whose registers are removed is forgotten, and Redis is told so again in a new epoch', () => {
    const log = new Log()
    log.say('a', [], ann)
    const gone = ann.map(([key]): RegisterItem => [key, value(null, T + 1)])
    expect(log.say('b', [], gone)).toEqual({ ...NOTHING, forgotten: ['ann'], chose: ['ann'] })
    expect([...log.fold.registers()]).toEqual([])
    expect([...log.fold.unrepeated()]).toEqual([])
    log.fold.beginEpoch()
    expect([...log.fold.unrepeated()].toSorted()).toEqual(['n:ann', 's:ann', 'v:ann'])
    expect(log.fold.removed('n:ann')).toBe(value(null, T + 1))
    log.say('b', [], [], T + 120_000)
    expect([...log.fold.unrepeated()]).toEqual([])
  })

  test('[I9] a node that was away forgets those whom Redis does not have, unless Redis may have lost them', () => {
    const registers = new Map([['n:bob', value('Bob')]])
    const loaded = { ...nothing, nodes: new Map(), registers }
    const behind = () => {
      const log = new Log()
      log.say('a', [], [...ann, ['n:bob', value('Bob')]])
      return log.fold
    }
    const lost = behind()
    expect(lost.load(loaded, T, false).forgotten).toEqual([])
    expect([...lost.unrepeated()].toSorted()).toEqual(['n:ann', 's:ann', 'v:ann'])
    const whole = behind()
    expect(whole.load(loaded, T, true)).toEqual({ ...NOTHING, forgotten: ['ann'], chose: ['ann'] })
    expect([...whole.registers()]).toEqual([...registers])
    expect([...whole.unrepeated()]).toEqual([])
  })

  test('a node that was away takes an older value that came after a removal, unless Redis may have lost the newer', () => {
    const away: RegisterItem = ['v:ann', value({ status: 'away' }, T - 1)]
    const loaded = { ...nothing, nodes: new Map(), registers: new Map([...ann, away]) }
    const behind = () => {
      const log = new Log()
      log.say('a', [], ann)
      return log.fold
    }
    const whole = behind()
    expect(whole.load(loaded, T, true).chose).toEqual(['ann'])
    expect(new Map(whole.registers())).toEqual(loaded.registers)
    expect([...whole.unrepeated()]).toEqual([])
    const lost = behind()
    lost.load(loaded, T, false)
    expect(lost.register('v:ann')).toBe(value({ status: 'busy' }))
    expect([...lost.unrepeated()]).toEqual(['v:ann'])
  })

  test('a node that was away keeps what nobody has written back in the epoch', () => {
    const log = new Log()
    log.say('a', [], ann)
    log.fold.beginEpoch()
    log.say('a', [], [['n:ann', value('Ann')]])
    const loaded = { ...nothing, nodes: new Map(), registers: new Map() }
    log.fold.load(loaded, T, true)
    // The name was read in this epoch, so it was removed since.
    expect([...log.fold.unrepeated()].toSorted()).toEqual(['s:ann', 'v:ann'])
    expect(log.fold.register('n:ann')).toBeUndefined()
    expect(log.fold.register('s:ann')).toBe(value(5))
  })
})

describe('random logs of three nodes', () => {
  test('at each place, what all see follows from what stands in Redis, and is what was reported', () => {
    let compared = 0
    fc.assert(
      fc.property(logActs, acts => {
        compared += compareWithRedis(Fold, acts)
      }),
      games(1_000),
    )
    expect(compared).toBeGreaterThan(100)
  })

  test('a fold that was loaded at any place equals a fold of the whole log, as soon as nobody asserts', () => {
    let compared = 0
    fc.assert(
      fc.property(loadGame, game => {
        compared += compareLoaded(Fold, game)
      }),
      games(1_000),
    )
    expect(compared).toBeGreaterThan(100)
  })

  test('registers commute, unless one is removed', () => {
    fc.assert(
      fc.property(fc.array(register), fc.infiniteStream(fc.nat()), (items, order) => {
        const registers = items.filter(([, value]) => !isRemoval(value))
        const shuffled = registers
          .map(register => [order.next().value, register] as const)
          .sort(([one], [other]) => one - other)
          .map(([, register]) => register)
        const [one, other] = [new Log(), new Log()]
        one.say('a', [], registers)
        other.say('a', [])
        for (const register of shuffled) other.say('a', [], [register])
        expect(stateOf(other.fold)).toEqual(stateOf(one.fold))
      }),
      games(500),
    )
  })

  test('an assertion that repeats everything changes nothing', () => {
    fc.assert(
      fc.property(logActs, fc.constantFrom(...NODES), fc.nat({ max: 3 }), (acts, node, size) => {
        const fold = new Fold()
        playLog(acts, (_, entry) => fold.apply(entry))
        if (NODES.some(node => fold.isAsserting(node))) return
        const log = { ...new Log(), place: { epoch: 200, seq: 200 } satisfies Place }
        const items = [...fold.facts(node)].map(([userId, fact]): FactItem => [userId, fact, 'lost'])
        const registers = [...fold.registers()]
        const body = { format: 1, at: 999, facts: [], registers: [] } as const
        const say = (kind: EntryKind, more: Partial<EntryBody> = {}) =>
          fold.apply({ place: log.place, node, batch: 999, kind, body: { ...body, ...more } })
        const before = stateOf(fold)
        expect(say('join')).toEqual(NOTHING)
        expect(say('say', { facts: items.slice(0, size), registers })).toEqual(NOTHING)
        expect(say('say', { facts: items.slice(size) })).toEqual(NOTHING)
        expect(say('end')).toEqual(NOTHING)
        // A node that has joined is a member, with or without facts.
        const rest = before.facts.filter(([other]) => other !== node)
        expect({ ...stateOf(fold), facts: rest }).toEqual({ ...before, facts: rest })
      }),
      games(500),
    )
  })
})

test('[N6] connections are counted over the nodes that count, without that of a session that moves', () => {
  const fold = new Fold()
  const say = (node: string, n: number, s: Record<string, number>) => {
    const body = {
      format: 1,
      at: 1,
      facts: [['ann', { p: 1, n, h: 1, s }, 'opened']],
      registers: [],
    } as const
    fold.apply({ place: { epoch: 1, seq: 1 }, node, batch: 1, kind: 'say', body })
  }
  say('a', 2, { s1: 1, s2: 1 })
  say('b', 1, { s3: 1 })
  say('c', 0, { held: 1 })
  const butA = (node: string) => node !== 'a'
  expect(fold.connections('ann', () => true)).toBe(3)
  expect(fold.connections('ann', butA)).toBe(1)
  expect(fold.connections('ann', butA, 's3')).toBe(0)
  // Negative controls: a session of a node that does not count, one that has no connection, and none of the user.
  expect(fold.connections('ann', butA, 's1')).toBe(1)
  expect(fold.connections('ann', butA, 'held')).toBe(1)
  expect(fold.connections('eve', butA)).toBe(0)
})
