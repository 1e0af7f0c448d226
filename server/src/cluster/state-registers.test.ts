import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { PresenceRecord } from '../presence/record.ts'
import { Fold } from './fold.ts'
import { factOfStored } from './leases.ts'
import { splitValue } from './registers.ts'
import { recordOf, registersOf } from './state-registers.ts'

const T = 1_750_000_000_000

const offline = { session: 'none', status: 'offline' } as const

/** The record of a user whose registers are those of another record, and who is on no node. */
function returned(record: PresenceRecord): PresenceRecord | undefined {
  const fold = new Fold()
  const registers = new Map<string, string>(registersOf(record))
  const nothing = { end: undefined, epoch: undefined, server: undefined, abouts: new Map() }
  fold.load({ ...nothing, nodes: new Map(), facts: new Map(), registers }, T)
  return recordOf(record.userId, { fold, aliveAt: () => 0, now: T })
}

test('[N11] a user with only leased sessions is the same after an import and an export, and an end is not earlier', () => {
  const stored = { sessionId: 'agent', openedAt: T - 5_000, endsAt: T + 40_000 }
  const leases = [stored, { ...stored, sessionId: '__proto__', device: 'r2', idle: true as const }]
  const user: PresenceRecord = { userId: 'bot', session: 'leased', leases, status: 'online', lastSeen: T - 9 }
  const fact = factOfStored(user, T, () => false)
  const facts = new Map([['import', new Map([['bot', JSON.parse(JSON.stringify(fact))]])]])
  const fold = new Fold()
  const nothing = { end: undefined, epoch: undefined, server: undefined, abouts: new Map() }
  const registers = new Map<string, string>(registersOf(user))
  fold.load({ ...nothing, nodes: new Map([['import', 1]]), facts, registers }, T)
  const exported = recordOf('bot', { fold, aliveAt: () => 0, now: T })
  // The end is by a quarter of the rest later: it is not known whether a newer renewal was told.
  const later = leases.map(lease => ({ ...lease, endsAt: T + 50_000 }))
  expect(exported).toEqual({ ...user, leases: later })
  // Negative controls: what has ended, and what a node has.
  expect(factOfStored(user, T + 40_000, () => false)).toBeUndefined()
  expect(Object.keys(factOfStored(user, T, id => id === 'agent')?.l ?? {})).toEqual(['__proto__'])
})

describe('a stored user as registers', () => {
  const time = fc.integer({ min: T - 1_000_000, max: T })
  const optional = <Field extends string, Value>(field: Field, values: fc.Arbitrary<Value>) =>
    fc.option(values, { nil: undefined }).map(value => (value === undefined ? {} : { [field]: value }))

  const record = fc
    .tuple(
      fc.record({ userId: fc.string({ minLength: 1 }), lastSeen: time }),
      optional('username', fc.string({ minLength: 1 })),
      fc.oneof(
        fc.constant(offline),
        fc.record({
          session: fc.constant('none' as const),
          status: fc.constantFrom('away' as const, 'busy' as const),
          expiresAt: time,
          chosenAt: time,
        }),
        fc.record({
          session: fc.constant('none' as const),
          status: fc.constant('offline' as const),
          keptHidden: fc.constant(true as const),
          chosenAt: time,
        }),
      ),
    )
    .map(parts => Object.assign({}, ...parts) as PresenceRecord)

  test('a user without a session is the same after an import and an export', () => {
    fc.assert(
      fc.property(record, user => {
        expect(returned(user)).toEqual(user)
      }),
    )
  })

  test('each stamp is a time of the record, so a later value of a cluster is greater', () => {
    const user: PresenceRecord = {
      userId: 'ann',
      session: 'none',
      status: 'busy',
      expiresAt: T,
      chosenAt: 5,
      lastSeen: 7,
      username: 'Ann',
    }
    const stamps = registersOf(user).map(([key, value]) => [key, splitValue(value)?.stamp])
    expect(stamps).toEqual([
      ['c:ann', 5],
      ['n:ann', 7],
      ['s:ann', 7],
    ])
  })

  test('times that no stamp can have are written nevertheless', () => {
    for (const lastSeen of [-5, 0, 8.64e15]) {
      const [[, value] = []] = registersOf({ ...offline, userId: 'ann', lastSeen })
      expect(splitValue(value)?.json).toBe(`${lastSeen}`)
      expect(splitValue(value)?.stamp).toBeGreaterThan(0)
    }
  })

  test('of a user with a session, the choice is kept, and others do not see one who was always hidden', () => {
    const hidden: PresenceRecord = {
      userId: 'eve',
      session: 'live',
      status: 'offline',
      lastSeen: T,
      unseen: true,
    }
    expect(registersOf(hidden).map(([key]) => key)).toEqual(['c:eve'])
    expect(returned(hidden)).toMatchObject({ session: 'none', keptHidden: true, unseen: true })
    // Without a choice, nothing is left to keep.
    expect(registersOf({ ...hidden, status: 'online' })).toEqual([])
  })
})

describe('a user of a cluster as a record', () => {
  function recordWith(facts: Record<string, object>, aliveAt = 0): PresenceRecord | undefined {
    const fold = new Fold()
    const known = new Map(
      Object.entries(facts).map(([node, fact]) => [
        node,
        new Map([['ann', { p: 1, n: 1, h: 5, s: {}, ...fact } as never]]),
      ]),
    )
    const nothing = { end: undefined, epoch: undefined, server: undefined, abouts: new Map() }
    const nodes = new Map(Object.keys(facts).map(node => [node, 1]))
    fold.load({ ...nothing, nodes, facts: known, registers: new Map() }, T)
    return recordOf('ann', { fold, aliveAt: () => aliveAt, now: T })
  }

  test('a user with a connection is live, and was seen when the node has written last', () => {
    expect(recordWith({ a: {} }, 9)).toEqual({
      userId: 'ann',
      session: 'live',
      status: 'online',
      lastSeen: 9,
    })
    expect(recordWith({ a: { n: 0 }, b: { h: 7 } }, 1)).toMatchObject({ session: 'live', lastSeen: 7 })
  })

  test('a user without a connection is held, and gives no sign of life', () => {
    expect(recordWith({ a: { n: 0 } }, 9)).toMatchObject({ session: 'held', lastSeen: 5 })
  })

  test('a user is idle if all sessions are', () => {
    expect(recordWith({ a: { p: 2 }, b: { p: 2 } })).toMatchObject({ idle: true })
    expect(recordWith({ a: { p: 2 }, b: {} })).not.toHaveProperty('idle')
  })
})
