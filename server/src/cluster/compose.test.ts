import { beforeEach, describe, expect, test } from 'vitest'
import { NO_CHOICE } from '../presence/choice.ts'
import { type Fact, NOTHING_SAID } from '../presence/fact.ts'
import type { PresentUser } from '../presence/present-user.ts'
import type { UserItems } from './command.ts'
import { type ChangedUser, composeUser } from './compose.ts'
import type { EntryKind, FactItem, RegisterItem, RegisterKey } from './entry.ts'
import { Fold } from './fold.ts'
import { joinValue, splitValue } from './registers.ts'
import { GONE } from './testing/unknown-user.ts'

const T = Date.UTC(2030, 0, 1)
const ONLINE = { status: 'online' } as const
const BUSY = { status: 'busy', text: 'at lunch' } as const
const HIDDEN = { status: 'offline' } as const

const HERE: PresentUser = {
  ...GONE,
  said: { sessions: 'active', choice: NO_CHOICE },
  isHere: true,
  isVisible: true,
  connections: 1,
  sessions: { s1: T },
  isLookedAt: true,
  lastSeen: T,
}

let fold: Fold
let seq: number
let isErased = false
let hidAt: number | undefined
let unread: Map<RegisterKey, string>

beforeEach(() => {
  fold = new Fold()
  seq = 0
  unread = new Map()
  hidAt = undefined
  isErased = false
})

function value(content: unknown, stamp = T, node = 'a'): string {
  return joinValue({ stamp, node, json: JSON.stringify(content) })
}

/** What a node says. */
interface Items {
  readonly facts: readonly FactItem[]
  readonly registers: readonly RegisterItem[]
}

function append(node: string, { facts, registers }: Partial<Items>, kind: EntryKind = 'say', at = T): void {
  const body = { format: 1, at, facts: facts ?? [], registers: registers ?? [] } as const
  fold.apply({ place: { epoch: 1, seq: ++seq }, node, batch: seq, kind, body })
}

/** What node `a` composes about `ann`. */
function say(
  user: PresentUser,
  {
    fact,
    isRenamed = false,
    isAssertion = false,
    now = T,
  }: {
    fact?: Fact
    isRenamed?: boolean
    isAssertion?: boolean
    now?: number
  } = {},
): Items {
  const over = splitValue(fold.register('n:ann'))?.stamp ?? 0
  const renamed = isRenamed ? { at: now, over } : undefined
  const items = saysOf('ann', user, { fact, renamed, at: now }, isAssertion)
  return { facts: items.fact ? [items.fact] : [], registers: items.registers }
}

/** What node `a` says about a user. */
function saysOf(userId: string, user: PresentUser, changed: ChangedUser, isAssertion = false): UserItems {
  const now = changed.at
  const port = {
    node: 'a',
    present: () => user,
    fold,
    unread: (key: RegisterKey) => unread.get(key),
    wasSaid: () => false,
    hidAt: () => hidAt,
    time: () => now,
    isOver: () => false,
    isErased: () => isErased,
  }
  return composeUser(userId, changed, port, isAssertion)
}

/** What another node composes about `ann`. */
function saysAs(node: string, user: PresentUser, at: number): Items {
  const port = {
    node,
    present: () => user,
    fold,
    unread: () => undefined,
    wasSaid: () => false,
    hidAt: () => hidAt,
    time: () => at,
    isOver: () => false,
    isErased: () => false,
  }
  const { fact, registers } = composeUser('ann', { fact: undefined, renamed: undefined, at }, port)
  return { facts: fact ? [fact] : [], registers }
}

/** Composes and reads it back. */
function place(user: PresentUser, isRenamed = false): Items {
  const items = say(user, { isRenamed })
  append('a', items)
  return items
}

describe('the fact', () => {
  const factOf = (user: PresentUser) => say(user).facts[0]

  test('it has the sessions as they were said, the connections, the sign of life and the session ids', () => {
    expect(factOf(HERE)).toEqual(['ann', { p: 1, n: 1, h: T, s: { s1: T }, v: 1 }, 'active'])
    const idle = { ...HERE, said: { sessions: 'idle', choice: NO_CHOICE } } as const
    expect(factOf({ ...idle, connections: 0, isLookedAt: false, idleSince: T - 9 })).toEqual([
      'ann',
      { p: 2, n: 0, h: T, s: { s1: T }, v: 0, i: T - 9 },
      'idle',
    ])
    // The rate limit delays the arrival.
    const waits = { ...HERE, said: NOTHING_SAID, isVisible: false, lastSeen: undefined }
    expect(factOf(waits)).toEqual(['ann', { p: 0, n: 1, h: 0, s: { s1: T }, v: 1 }, 'left'])
    expect(factOf(GONE)).toBeUndefined()
    append('a', { facts: [['ann', { p: 1, n: 1, h: T, s: {} }, 'opened']] })
    expect(factOf(GONE)).toEqual(['ann', null, 'left'])
  })

  test('[R18 N9] it does not tell when a user became idle who hides, or whom others still see as hidden', () => {
    const idle = { ...HERE, said: { sessions: 'idle', choice: NO_CHOICE }, idleSince: T } as const
    const itemOf = (user: PresentUser) => factOf(user)?.[1]
    expect(itemOf({ ...idle, choice: HIDDEN, madeAt: T })).toMatchObject({ p: 2, i: 0 })
    expect(itemOf({ ...idle, said: { ...idle.said, choice: HIDDEN } })).toMatchObject({ p: 2, i: 0 })
    // The negative control: a user whom all see.
    expect(itemOf(idle)).toMatchObject({ p: 2, i: T })
  })

  test('its cause is that of the decision', () => {
    const said = { userId: 'ann', sessions: 'none', choice: NO_CHOICE, username: undefined } as const
    append('a', { facts: [['ann', { p: 1, n: 1, h: T, s: {} }, 'opened']] })
    expect(say(GONE, { fact: { ...said, lastSeen: T, cause: 'lost', at: T } }).facts[0]?.[2]).toBe('lost')
  })
})

describe('the registers', () => {
  const registersOf = (items: Items) => Object.fromEntries(items.registers)

  test('a plain user who arrives for the first time has only a time, and nothing when it is said', () => {
    expect(registersOf(place(HERE))).toEqual({ 's:ann': value(T) })
    expect(registersOf(place({ ...HERE, lastSeen: T + 5 }))).toEqual({})
  })

  test('a choice is said as it was acknowledged, and as it is shown', () => {
    place(HERE)
    const waits = { ...HERE, choice: BUSY, madeAt: T - 3 }
    expect(registersOf(place(waits))).toEqual({ 'c:ann': value({ ...BUSY, madeAt: T - 3 }, T - 3) })
    const shown = { ...waits, said: { ...HERE.said, choice: BUSY } }
    expect(registersOf(place(shown))).toEqual({ 'v:ann': value(BUSY, T - 3) })
    expect(registersOf(place(shown))).toEqual({})
    // Others do not see the choice of a user who is gone.
    expect(registersOf(place({ ...shown, said: NOTHING_SAID, isVisible: false, lastSeen: T }))).toEqual({})
  })

  test('a stamp is the time, and at least one more than the greatest known one', () => {
    place({ ...HERE, username: 'Ann' }, true)
    const named = { ...HERE, username: 'Anna' }
    expect(registersOf(say(named, { isRenamed: true }))).toEqual({ 'n:ann': value('Anna', T + 1) })
    expect(registersOf(say(named, { isRenamed: true, now: T + 50 }))).toEqual({
      'n:ann': value('Anna', T + 50),
    })
    unread.set('n:ann', value('Bob', T + 70))
    expect(registersOf(say(named, { isRenamed: true, now: T + 50 }))).toEqual({
      'n:ann': value('Anna', T + 71),
    })
  })

  test('[R4] the stamp of a choice is the time when it was made, also when it ends or is made again', () => {
    const busy = { ...HERE, choice: BUSY, madeAt: T + 5, said: { ...HERE.said, choice: BUSY } }
    expect(registersOf(place(busy))).toMatchObject({ 'v:ann': value(BUSY, T + 5) })
    expect(registersOf(say({ ...HERE, madeAt: T + 5 }, { now: T + 90 }))).toEqual({
      'c:ann': value({ ...ONLINE, madeAt: T + 5 }, T + 6),
      'v:ann': value(ONLINE, T + 6),
    })
    expect(registersOf(say({ ...busy, madeAt: T + 7 }))).toEqual({
      'c:ann': value({ ...BUSY, madeAt: T + 7 }, T + 7),
      'v:ann': value(BUSY, T + 7),
    })
  })

  test('while it is not known what the log has, a register is said again', () => {
    place({ ...HERE, said: { ...HERE.said, choice: BUSY } })
    unread.set('v:ann', value(ONLINE, T + 1))
    expect(registersOf(say({ ...HERE, said: { ...HERE.said, choice: BUSY } }))).toEqual({
      'v:ann': value(BUSY, T + 2),
    })
  })

  test('a newer choice of another node stays, and only the node that wrote a choice ends it', () => {
    append('b', { registers: [['c:ann', value({ ...BUSY, madeAt: T }, T, 'b')]] })
    expect(
      registersOf(say({ ...HERE, choice: HIDDEN, madeAt: T - 1, said: NOTHING_SAID }))['c:ann'],
    ).toBeUndefined()
    expect(registersOf(say({ ...HERE, madeAt: 0 }))['c:ann']).toBeUndefined()
    const newer = { ...HERE, choice: HIDDEN, madeAt: T + 1 }
    expect(registersOf(place(newer))['c:ann']).toBe(value({ ...HIDDEN, madeAt: T + 1 }, T + 1))
    const left = { ...GONE, lastSeen: T }
    // Who has left without that choice does not end it.
    const kept = { ...HIDDEN, madeAt: T + 1, keptSince: T }
    hidAt = T
    expect(registersOf(say(left))['c:ann']).toBe(value(kept, T + 2))
    hidAt = T + 1
    expect(registersOf(say(left))['c:ann']).toBe(value({ ...ONLINE, madeAt: 0 }, T + 2))
  })

  test('[R4] a choice ends with the last session in the cluster, and not before', () => {
    const chosen = { ...HIDDEN, madeAt: T }
    place({ ...HERE, choice: HIDDEN, madeAt: T })
    append('b', { facts: [['ann', { p: 0, n: 1, h: T, s: {} }, 'opened']] })
    const gone = { ...GONE, lastSeen: T }
    hidAt = T
    expect(registersOf(say(gone))['c:ann']).toBeUndefined()
    expect(registersOf(say({ ...gone, madeAt: T }))['c:ann']).toBeUndefined()
    append('b', { facts: [['ann', null, 'left']], registers: [['c:ann', value(chosen, T + 5, 'b')]] })
    expect(registersOf(say(gone))['c:ann']).toBe(value({ ...ONLINE, madeAt: 0 }, T + 6))
    // A node that has not known the user leaves the choice of another node.
    append('a', { facts: [['ann', null, 'left']] })
    const kept = { ...chosen, keptSince: T + 7 }
    expect(registersOf(say(gone, { now: T + 7 }))['c:ann']).toBe(value(kept, T + 6))
  })

  test('[R4] a user who was lost while hidden is kept from that time on, until the time is over or a later leave', () => {
    place({ ...HERE, choice: HIDDEN, madeAt: T })
    const lost = { ...GONE, choice: HIDDEN, madeAt: T, lastSeen: T }
    const kept = value({ ...HIDDEN, madeAt: T, keptSince: T + 100 }, T + 1)
    const items = say(lost, { now: T + 100 })
    expect(registersOf(items)['c:ann']).toBe(kept)
    append('a', items)
    // It stays the same, whenever it is said again.
    expect(registersOf(say(lost, { now: T + 900 }))['c:ann']).toBeUndefined()
    // With a session on a node, that node says so.
    const back = say({ ...HERE, choice: HIDDEN, madeAt: T, said: NOTHING_SAID })
    expect(registersOf(back)['c:ann']).toBe(value({ ...HIDDEN, madeAt: T }, T + 2))
    // Another node read too late that the user had left it before.
    append('b', { facts: [['ann', { p: 1, n: 1, h: T, s: {} }, 'opened']] })
    hidAt = T
    const left = (now: number) => registersOf(saysAs('b', { ...GONE, lastSeen: T }, now))['c:ann']
    expect(left(T + 99)).toBeUndefined()
    expect(left(T + 100)).toBe(value({ ...ONLINE, madeAt: 0 }, T + 2, 'b'))
  })

  test('[E20] nothing is kept of a user who is erased, not even that the user hides', () => {
    append('b', { registers: [['c:ann', value({ ...HIDDEN, madeAt: T, keptSince: T }, T, 'b')]] })
    // The negative control.
    expect(registersOf(say(GONE))).toEqual({})
    isErased = true
    expect(registersOf(say(GONE))).toEqual({ 'c:ann': value(null, T + 1) })
    // As long as a node has the user, that node decides.
    append('b', { facts: [['ann', { p: 0, n: 1, h: T, s: {} }, 'opened']] })
    expect(registersOf(say(GONE))).toEqual({})
  })

  test('a name is said only by the node that decides it', () => {
    place(HERE)
    const named = { ...HERE, username: 'Ann' }
    expect(registersOf(say(named))).toEqual({})
    expect(registersOf(place(named, true))).toEqual({ 'n:ann': value('Ann') })
    expect(registersOf(say(named, { isRenamed: true }))).toEqual({})
    expect(registersOf(say({ ...HERE }, { isRenamed: true }))).toEqual({ 'n:ann': value(null, T + 1) })
  })

  test('[R2] a user who goes offline was last seen when any node has heard the user', () => {
    place(HERE)
    const gone = { ...GONE, lastSeen: T + 5 }
    expect(registersOf(say(gone))).toEqual({ 's:ann': value(T + 5, T + 5) })
    append('b', { facts: [['ann', { p: 1, n: 0, h: T + 7, s: {} }, 'opened']] })
    expect(registersOf(say(gone))).toEqual({ 's:ann': value(T + 7, T + 7, '') })
    // A time that this node wrote is replaced, also by an earlier one.
    expect(registersOf(place({ ...GONE, lastSeen: T + 9 }))).toEqual({ 's:ann': value(T + 9, T + 9) })
    append('b', { facts: [['ann', null, 'left']] })
    expect(registersOf(say(gone))).toEqual({ 's:ann': value(T + 5, T + 10) })
    append('b', { registers: [['s:ann', value(T + 8, T + 14, 'b')]] })
    expect(registersOf(say(gone))).toEqual({})
  })

  test('[R2] a node that is behind replaces no later sign of life that others have said', () => {
    place(HERE)
    const [late] = say({ ...GONE, lastSeen: T + 2 }, { now: T + 50 }).registers
    append('b', { registers: [['s:ann', value(T + 9, T + 9, 'b')]] })
    append('a', { facts: [['ann', null, 'left']], registers: late ? [late] : [] })
    expect(fold.of('ann').lastSeen).toBe(T + 9)
  })

  test('in a new epoch, the registers of a user are said again until they were read again', () => {
    const registers = registersOf(place({ ...HERE, choice: BUSY, madeAt: T }))
    expect(registersOf(say({ ...HERE, choice: BUSY, madeAt: T }))).toEqual({})
    fold.beginEpoch()
    expect(registersOf(say({ ...HERE, choice: BUSY, madeAt: T }))).toEqual(registers)
    append('b', { registers: Object.entries(registers) as RegisterItem[] })
    expect(registersOf(say({ ...HERE, choice: BUSY, madeAt: T }))).toEqual({})
  })

  test('[R2] a sign of life that another node has heard counts also after that node is lost', () => {
    append('b', { facts: [['ann', { p: 1, n: 0, h: T + 9, s: {} }, 'opened']] })
    expect(registersOf(place({ ...HERE, lastSeen: T + 2 }))).toMatchObject({
      's:ann': value(T + 9, T + 9, ''),
    })
    append('b', { facts: [['ann', null, 'lost']] })
    expect(registersOf(say({ ...GONE, lastSeen: T + 2 }))['s:ann']).toBeUndefined()
  })

  test('[R2] while another node shows a user, a node says no earlier time than it has said', () => {
    append('b', { facts: [['ann', { p: 1, n: 0, h: T + 1, s: {} }, 'opened']] })
    append('a', { registers: [['s:ann', value(T + 9, T + 9)]] })
    expect(registersOf(say({ ...GONE, lastSeen: T + 1 }))).toEqual({})
  })

  test('[R4] while a user is hidden, no node says when the user was last seen', () => {
    place(HERE)
    append('b', { facts: [['ann', { p: 1, n: 1, h: T + 3, s: {} }, 'opened']] })
    const said = { sessions: 'active', choice: HIDDEN } as const
    const hidden = { ...HERE, said, choice: HIDDEN, madeAt: T, isVisible: false, lastSeen: T + 1 }
    expect(registersOf(place(hidden))['s:ann']).toBe(value(T + 3, T + 3, ''))
    append('b', { facts: [['ann', { p: 1, n: 1, h: T + 9, s: {} }, 'active']] })
    append('b', {}, 'beat', T + 90_000)
    expect(registersOf(say({ ...hidden, lastSeen: T + 3 }))).toEqual({})
  })

  test('a user whom others have never seen has none, and a forgotten user loses them', () => {
    const hidden = { ...HERE, isVisible: false, lastSeen: undefined, choice: HIDDEN, madeAt: T }
    const unseen = { ...hidden, said: { sessions: 'active', choice: HIDDEN } } as const
    expect(Object.keys(registersOf(say(unseen)))).toEqual(['c:ann', 'v:ann'])
    place({ ...HERE, username: 'Ann' }, true)
    expect(registersOf(say(GONE))).toEqual({ 'n:ann': value(null, T + 1), 's:ann': value(null, T + 1) })
  })

  test('a node that has not taken a newer choice does not say what is shown', () => {
    place({ ...HERE, choice: BUSY, madeAt: T, said: { ...HERE.said, choice: BUSY } })
    append('b', {
      registers: [
        ['c:ann', value({ ...HIDDEN, madeAt: T + 5 }, T + 5, 'b')],
        ['v:ann', value(HIDDEN, T + 5, 'b')],
      ],
    })
    const late = { ...HERE, choice: BUSY, madeAt: T, said: { ...HERE.said, choice: BUSY } }
    expect(registersOf(say(late))).toEqual({})
    expect(registersOf(say(late, { isAssertion: true }))['v:ann']).toBe(value(HIDDEN, T + 5, 'b'))
    // The negative control: a node that knows it decides what is shown.
    const known = { ...late, choice: HIDDEN, madeAt: T + 5 }
    expect(registersOf(say(known))['v:ann']).toBe(value(BUSY, T + 6))
  })

  test('a name does not replace one that another node has said after it was decided', () => {
    append('b', { registers: [['n:ann', value('Ann', T, 'b')]] })
    const changed = { fact: undefined, renamed: { at: T + 5, over: T }, at: T + 30 }
    const anna = { ...HERE, username: 'Anna' }
    const saysName = () => saysOf('ann', anna, changed).registers.some(([key]) => key === 'n:ann')
    expect(saysName()).toBe(true)
    append('b', { registers: [['n:ann', value('Annie', T + 5, 'b')]] })
    expect(saysName()).toBe(true)
    append('b', { registers: [['n:ann', value('Annie', T + 6, 'b')]] })
    expect(saysName()).toBe(false)
  })

  test('[I9] a forgotten user loses all registers, but what another node says later stays', () => {
    place({ ...HERE, choice: BUSY, madeAt: T, said: { ...HERE.said, choice: BUSY }, username: 'Ann' }, true)
    const stays = value('Anna', T + 2, 'b')
    // The node forgets long after that, and has not read that the user is on another node.
    const { facts, registers } = say(GONE, { now: T + 99_999 })
    expect([...registers].toSorted()).toEqual([
      ['c:ann', value(null, T + 1)],
      ['n:ann', value(null, T + 1)],
      ['s:ann', value(null, T + 1)],
      ['v:ann', value(null, T + 1)],
    ])
    append('b', { registers: [['n:ann', stays]] })
    append('a', { facts: [['ann', null, 'left']], registers })
    expect(facts).toEqual([['ann', null, 'left']])
    expect([...fold.registers()]).toEqual([['n:ann', stays]])
    expect(registersOf(say({ ...GONE }, { now: T }))).toEqual({ 'n:ann': value(null, T + 3) })
  })

  test('[I9] a user who is on another node loses nothing', () => {
    place({ ...HERE, username: 'Ann' }, true)
    append('a', { facts: [['ann', null, 'left']] })
    append('b', { facts: [['ann', { p: 0, n: 1, h: T, s: {} }, 'opened']] })
    expect(registersOf(say(GONE))).toEqual({})
    append('b', { facts: [['ann', null, 'left']] })
    expect(Object.keys(registersOf(say(GONE)))).toEqual(['n:ann', 's:ann'])
  })

  test('an assertion repeats what the log has', () => {
    place({ ...HERE, choice: BUSY, madeAt: T, said: { ...HERE.said, choice: BUSY } })
    place({ ...HERE, username: 'Ann' }, true)
    const known = [...fold.registers()].toSorted()
    expect(known).toHaveLength(4)
    expect([...say(HERE, { isAssertion: true }).registers].toSorted()).toEqual(known)
    const [renamed] = say({ ...HERE, username: 'Anna' }, { isAssertion: true, isRenamed: true }).registers
    expect(renamed).toEqual(['n:ann', value('Anna', T + 1)])
  })
})

test('[R2 R4] before a node is lost, the judge says when its visible users were last seen', () => {
  const facts: FactItem[] = [
    ['ann', { p: 1, n: 1, h: T, s: {} }, 'opened'],
    ['bob', { p: 2, n: 0, h: T, s: {} }, 'opened'],
    ['eve', { p: 0, n: 1, h: T, s: {} }, 'opened'],
    ['joe', { p: 1, n: 1, h: T, s: {} }, 'opened'],
    ['kim', { p: 1, n: 0, h: T, s: {} }, 'opened'],
  ]
  const registers: RegisterItem[] = [
    ['v:joe', value(HIDDEN)],
    ['s:kim', value(T)],
  ]
  append('b', { facts, registers })
  append('b', {}, 'beat', T + 40_000)
  const changed = { fact: undefined, renamed: undefined, at: T + 50_000 }
  const said = ['ann', 'bob', 'eve', 'joe', 'kim'].map(userId => {
    const lastSeen = fold.of(userId).lastSeen
    return saysOf(userId, { ...GONE, lastSeen }, changed)
  })
  expect(said.flatMap(({ registers }) => registers)).toEqual([
    ['s:ann', value(T + 10_000, T + 10_000, '')],
    ['s:bob', value(T)],
  ])
  // Only the node itself says facts.
  expect(said.map(({ fact }) => fact)).toEqual(said.map(() => undefined))
})

describe('a choice that a backend has set on a node without a session', () => {
  const set = (choice: PresentUser['choice'], madeAt: number): PresentUser => ({
    ...GONE,
    choice,
    madeAt,
    isSetAhead: true,
  })
  const UNTIL = { ...BUSY, expiresAt: T + 9_000 }

  test('[N10] it is marked, and says nothing else', () => {
    append('b', { facts: [['ann', { p: 1, n: 1, h: T, s: { s1: T } }, 'opened']] })
    const { facts, registers } = say(set(BUSY, T + 5))
    expect(facts).toEqual([])
    expect(registers).toEqual([['c:ann', value({ ...BUSY, madeAt: T + 5, keptSince: 0 }, T + 5)]])
  })

  test('[N10] it does not replace a newer one, whatever this node has to say', () => {
    append('b', {
      facts: [['ann', { p: 1, n: 1, h: T, s: { s1: T } }, 'opened']],
      registers: [['c:ann', value({ ...HIDDEN, madeAt: T + 9 }, T + 9, 'b')]],
    })
    expect(say(set(BUSY, T + 5)).registers).toEqual([])
    expect(say(set(BUSY, T + 9)).registers).toHaveLength(1)
  })

  test('[N10] it replaces one of this node from before the clock was set back', () => {
    place(set(UNTIL, T + 9_000))
    const later = { ...UNTIL, expiresAt: T + 5_000 }
    const [said] = say(set(later, T + 5)).registers
    expect(said).toEqual(['c:ann', value({ ...later, madeAt: T + 5, keptSince: 0 }, T + 9_001)])
  })

  test('[E15] a node that knows nothing of the user does not end it, until it is over or the user is erased', () => {
    const ahead = (expiresAt: number) => value({ ...BUSY, expiresAt, madeAt: T, keptSince: 0 }, T, 'b')
    const changed = { fact: undefined, renamed: undefined, at: T + 8 }
    append('b', { registers: [['c:ann', ahead(T + 9)]] })
    expect(saysOf('ann', GONE, changed).registers).toEqual([])
    expect(saysOf('ann', GONE, { ...changed, at: T + 9 }).registers).toEqual([['c:ann', value(null, T + 1)]])
    isErased = true
    expect(saysOf('ann', GONE, changed).registers).toHaveLength(1)
  })

  test('[N10] without an end, it is not said when no node has the user any more', () => {
    expect(say(set(BUSY, T + 5)).registers).toEqual([])
    expect(say(set(HIDDEN, T + 5)).registers).toEqual([])
    expect(say(set(UNTIL, T + 5)).registers).toHaveLength(1)
  })
})

test('[N10] a choice to be hidden that no session has had is over for a user who comes', () => {
  append('b', { registers: [['c:ann', value({ ...HIDDEN, madeAt: T, keptSince: 0 }, T, 'b')]] })
  expect(fold.choiceOf('ann')).toEqual({ choice: NO_CHOICE, madeAt: T })
  // The negative control: with a session before.
  append('b', { registers: [['c:ann', value({ ...HIDDEN, madeAt: T, keptSince: T }, T + 1, 'b')]] })
  expect(fold.choiceOf('ann')?.choice).toEqual(HIDDEN)
})
