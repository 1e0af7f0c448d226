import { beforeEach, expect, test } from 'vitest'
import type { Fact } from '../presence/fact.ts'
import type { PresentUser } from '../presence/present-user.ts'
import { fact } from '../presence/testing/scenario.ts'
import type { UserPart } from '../presence/user-part.ts'
import { ClusterLog } from './cluster-log.ts'
import type { EntryBody, EntryKind, NodeFact } from './entry.ts'
import type { Agreed } from './log.ts'
import type { Changed } from './outbox.ts'
import { GONE, NO_PART } from './testing/unknown-user.ts'

const T = 1_000_000
let log: ClusterLog
let seq: number
let batch: number
let users: Map<string, Partial<PresentUser>>
let parts: Map<string, UserPart>
let said: Changed[]
let told: { readonly facts: readonly Fact[]; readonly agreed: Agreed }[]
let settledSince: number | undefined
let isEldest: boolean
let isAway: boolean
let time: number

beforeEach(() => {
  seq = T
  batch = 0
  users = new Map()
  parts = new Map()
  said = []
  told = []
  settledSince = undefined
  isEldest = false
  isAway = false
  time = T
  log = new ClusterLog('own', () => {})
  const member = {
    get isAway() {
      return isAway
    },
    get isEldest() {
      return isEldest
    },
    isEldestToStay: false,
    get place() {
      return { epoch: T, seq }
    },
    get isSettled() {
      return settledSince !== undefined
    },
    get settledSince() {
      return settledSince === undefined ? undefined : { epoch: T, seq: settledSince }
    },
    canResumeFrom: (place: { seq: number }) => settledSince !== undefined && place.seq >= settledSince,
  }
  const access = { member, changed: (changed: Changed) => void said.push(changed), time: () => time }
  log.attach(access, {
    present: userId => ({ ...GONE, ...users.get(userId) }),
    usersHere: () => users.keys(),
    part: userId => parts.get(userId) ?? NO_PART,
  })
  log.listen((facts, agreed) => told.push({ facts, agreed }))
})

/** An entry is read, as the member tells it. Returns what the listener was told. */
function read(node: string, kind: EntryKind, body: Partial<EntryBody> = {}, placed?: number) {
  const place = { epoch: T, seq: ++seq }
  const whole = { format: 1, at: T, facts: [], registers: [], ...body } as const
  log.happened({ what: 'entry', entry: { place, node, batch: ++batch, kind, body: whole } })
  if (placed !== undefined) log.happened({ what: 'placed', batch: placed })
  told = []
  log.happened({ what: 'reached', place })
  return told[0] as (typeof told)[0]
}

const session = (s: Record<string, number>, n = 1): NodeFact => ({ p: 1, n, h: T, s })

test('[N4] a session that was opened later on another node ends here, and no other one', () => {
  users.set('ann', { isHere: true, sessions: { same: T, older: T + 9, mine: T } })
  const opened = session({ same: T + 1, older: T, other: T + 5 })
  const { agreed } = read('other', 'say', { facts: [['ann', opened, 'opened']] })
  expect(agreed.moved).toEqual([{ userId: 'ann', sessionId: 'same' }])
  // Negative control: own entries are no other node.
  expect(read('own', 'say', { facts: [['ann', opened, 'opened']] }).agreed.moved).toEqual([])
})

test('[N4] of two sessions that were opened at the same time, both nodes keep the same one', () => {
  users.set('ann', { isHere: true, sessions: { same: T } })
  const opened = { facts: [['ann', session({ same: T }), 'opened']] } as const
  expect(read('a', 'say', opened).agreed.moved).toEqual([])
  expect(read('z', 'say', opened).agreed.moved).toHaveLength(1)
})

test('[D19] a kick ends the sessions on all nodes in the order of the log, and is done when this node has read it', async () => {
  const done: string[] = []
  const placed = log.kick('ann').then(() => done.push('placed'))
  expect(told).toEqual([])
  expect(said).toEqual([{ kicks: ['ann'] }])
  expect(read('other', 'say', { kicks: ['bob'] }).agreed.kicked).toEqual(['bob'])
  await Promise.resolve()
  expect(done).toEqual([])
  // A node that has not read it yet still has a session.
  read('b', 'say', { facts: opened('tab') })
  expect(read('own', 'say', { kicks: ['ann'] }).agreed.kicked).toEqual(['ann'])
  await settle()
  expect(done).toEqual([])
  read('b', 'say', { facts: [['ann', null, 'kicked']] })
  await placed
  expect(done).toEqual(['placed'])
})

/** After this, all has happened that does not wait for an entry. */
const settle = () => new Promise(resolve => setImmediate(resolve))

test('[E7 E12 E20] an end that this node does not read, because it loads, is not confirmed', async () => {
  const done: string[] = []
  void log.kick('ann').then(() => done.push('kick'))
  void log.endSession({ userId: 'ann', sessionId: 'tab' }).then(() => done.push('end'))
  void log.erase('ann').then(() => done.push('erase'))
  const [abouts, facts, registers] = [new Map(), new Map(), new Map()]
  const loaded = { end: { epoch: T, seq }, epoch: T, server: 'x', nodes: new Map([['b', 1]]) }
  log.happened({ what: 'loaded', loaded: { ...loaded, abouts, facts, registers } })
  await settle()
  expect(done).toEqual([])
})

test('[E7 E12 E20] an entry that was on its way when a call came does not confirm it', async () => {
  const done: string[] = []
  const entry = { kicks: ['ann'], ends: [['ann', 'tab']], erases: ['ann'] } as const
  const call = (name: string) => {
    void log.kick('ann').then(() => done.push(`kick ${name}`))
    void log.endSession({ userId: 'ann', sessionId: 'tab' }).then(() => done.push(`end ${name}`))
    void log.erase('ann').then(() => done.push(`erase ${name}`))
  }
  call('first')
  log.happened({ what: 'composed', batch: 1, at: T })
  call('second')
  read('own', 'say', entry)
  await settle()
  expect(done.splice(0).toSorted()).toEqual(['end first', 'erase first', 'kick first'])
  log.happened({ what: 'composed', batch: 2, at: T })
  read('own', 'say', entry)
  await settle()
  expect(done.toSorted()).toEqual(['end second', 'erase second', 'kick second'])
})

/** The sessions of the user `ann` on a node. */
const opened = (...ids: string[]) =>
  [['ann', session(Object.fromEntries(ids.map(id => [id, T]))), 'opened']] as const

test.each([
  ['says so', () => read('b', 'say', { facts: [['ann', session({ app: T }), 'left']] })],
  ['knows nothing of the user', () => read('b', 'say', { facts: [['ann', null, 'left']] })],
  ['is lost', () => read('own', 'lost', { subject: 'b' })],
  ['does not say it again', () => [read('b', 'join'), read('b', 'end')]],
])(
  '[E12] the end of a session on another node is done when that node %s, and that of any other one when this node has read it',
  async (_, act) => {
    read('b', 'join', { facts: opened('tab', 'app') })
    read('own', 'say', { facts: opened('mine') })
    const tab = { userId: 'ann', sessionId: 'tab' }
    const done: string[] = []
    const end = (userId: string, sessionId: string) =>
      log.endSession({ userId, sessionId }).then(() => done.push(sessionId))
    void end('ann', 'mine')
    // Another node may have it already.
    void end('bob', 'unknown')
    const waiting = end('ann', 'tab')
    const ends = [
      ['ann', 'mine'],
      ['bob', 'unknown'],
      ['ann', 'tab'],
    ] as const
    expect(said).toEqual(ends.map(one => ({ ends: [one] })))
    await settle()
    expect(done).toEqual([])
    // The own entry does not end it, and neither does a fact of somebody else.
    expect(read('own', 'say', { ends, facts: opened() }).agreed.ended).toContainEqual(tab)
    await settle()
    expect(done).toEqual(['mine', 'unknown'])
    act()
    await waiting
    expect(done).toEqual(['mine', 'unknown', 'tab'])
  },
)

test('[E12] the end of a session is done if Redis does not know the session any more', async () => {
  read('b', 'join', { facts: opened('tab') })
  const waiting = log.endSession({ userId: 'ann', sessionId: 'tab' })
  read('own', 'say', { ends: [['ann', 'tab']] })
  await settle()
  const [abouts, facts, registers] = [new Map(), new Map(), new Map()]
  const loaded = { end: { epoch: T, seq }, epoch: T, server: 'x', nodes: new Map([['b', 1]]) }
  log.happened({ what: 'loaded', loaded: { ...loaded, abouts, facts, registers } })
  await waiting
})

/** Two nodes have the user `ann`, and this one too. */
function onThreeNodes(): void {
  read('own', 'say', { facts: opened('mine') })
  for (const [node, name] of [
    ['b', 'node-b'],
    ['c', 'node-c'],
  ] as const) {
    read(node, 'join', { about: { name, version: '1' }, facts: opened(`tab-${node}`) })
  }
}

const IDLE_PART: UserPart = { ...NO_PART, state: 'idle' }

test('[N9] the other nodes are asked through the log, and named', async () => {
  expect(log.ask('ann')).toBeUndefined()
  onThreeNodes()
  expect(log.ask('bob')).toBeUndefined()
  const question = log.ask('ann')
  expect(said).toEqual([{ asks: [1] }])
  expect(log.asked(1)).toBe('ann')
  read('own', 'say', { asks: [[1, 'ann']] })
  read('b', 'say', { answers: [['own', 1, { ...IDLE_PART, more: 7 }]] })
  read('c', 'say', { answers: [['own', 1, IDLE_PART]] })
  await question?.answered
  expect(question?.end()).toEqual({
    parts: [
      { node: 'node-b', part: { ...IDLE_PART, more: 7 }, isCut: true },
      { node: 'node-c', part: IDLE_PART, isCut: false },
    ],
    missing: [],
  })
  expect(log.asked(1)).toBeUndefined()
})

test('[N9] a node answers questions of others about users that it has told a fact about, and no others', () => {
  onThreeNodes()
  parts.set('ann', IDLE_PART)
  read('b', 'say', {
    asks: [
      [3, 'ann'],
      [4, 'bob'],
    ],
  })
  expect(said).toEqual([{ answers: [['b', 3, 'ann']] }])
  expect(log.answer('ann')).toEqual(IDLE_PART)
  read('own', 'say', { asks: [[5, 'ann']] })
  expect(said).toHaveLength(1)
})

test('[N9] while Redis does not answer, and while too many wait, nobody is asked', async () => {
  onThreeNodes()
  const waiting = Array.from({ length: 100 }, () => log.ask('ann'))
  const missing = ['node-b', 'node-c']
  const tooMany = log.ask('ann')
  await tooMany?.answered
  expect(tooMany?.end()).toEqual({ parts: [], missing })
  expect(said).toHaveLength(100)
  log.happened({ what: 'away' })
  isAway = true
  for (const question of waiting) {
    await question?.answered
    expect(question?.end()).toEqual({ parts: [], missing })
  }
  // What this node knows is old: another node may have the user by now.
  expect(log.ask('bob')?.end()).toEqual({ parts: [], missing })
  expect(said).toHaveLength(100)
})

test('[N5] what is appended is done when it was read back', async () => {
  const done: string[] = []
  users.set('ann', { isHere: true, isVisible: true, lastSeen: T })
  const placed = log.append([fact('ann')], { records: [{ userId: 'ann' }], forgotten: [] }, true)
  const waiting = placed?.then(() => done.push('placed'))
  expect(said).toEqual([{ users: ['ann'] }])
  const { fact: item, registers } = log.compose('ann', 1, false)
  read('own', 'say', { facts: item ? [item] : [], registers })
  await Promise.resolve()
  expect(done).toEqual([])
  const { agreed } = read('own', 'beat', {}, 1)
  expect(agreed.own.map(({ userId }) => userId)).toEqual(['ann'])
  await waiting
  expect(done).toEqual(['placed'])
  expect(log.append([], undefined, true)).toBeUndefined()
})

test('what is known to be read back only after its entry is told at once', () => {
  users.set('ann', { isHere: true, isVisible: true, lastSeen: T })
  void log.append([fact('ann')], { records: [{ userId: 'ann' }], forgotten: [] })
  const { fact: item, registers } = log.compose('ann', 1, false)
  const { agreed } = read('own', 'say', { facts: item ? [item] : [], registers })
  expect(agreed.own).toEqual([])
  told = []
  // The next fact may be decided before the next entry. It must not have the name of this one, as if that were waiting.
  log.happened({ what: 'placed', batch: 1 })
  expect(told.map(({ agreed }) => agreed.own.map(({ userId }) => userId))).toEqual([['ann']])
  expect(read('own', 'beat').agreed.own).toEqual([])
})

test('[N3] nothing is kept of a caller who does not wait, however long Redis does not answer', () => {
  users.set('ann', { isHere: true, isVisible: true, lastSeen: T })
  const touched = { records: [{ userId: 'ann' }], forgotten: [] }
  expect(log.append([fact('ann')], touched)).toBeUndefined()
  expect(said).toEqual([{ users: ['ann'] }])
  // Negative control: one who waits gets a promise.
  expect(log.append([fact('ann')], touched, true)).toBeInstanceOf(Promise)
})

test('[N6] connections of a node that stops do not count: they are about to come', () => {
  const about = { name: 'b', version: '1' }
  read('b', 'join', { about, facts: [['ann', session({}, 2), 'opened']] })
  expect(log.connectionsElsewhere('ann')).toBe(2)
  read('b', 'left', { about: { ...about, left: T } })
  expect(log.connectionsElsewhere('ann')).toBe(0)
})

test('[N6] a visible change counts in the rate limit if another node has caused it', () => {
  const opened = { facts: [['ann', session({}), 'opened']] } as const
  expect(read('b', 'say', { ...opened, at: T - 700 }).agreed).toMatchObject({ paced: ['ann'], agoMs: 700 })
  expect(read('own', 'say', { facts: [['bob', session({}), 'opened']] }).agreed.paced).toEqual([])
})

test('[V13] entries without a visible change do not move the number, except those that clients resume from', () => {
  const hidden = { p: 0, n: 1, h: T, s: {} } as const
  const numbers = [
    read('b', 'say', { facts: [['ann', hidden, 'opened']] }),
    read('b', 'beat'),
    read('b', 'say', { facts: [['bob', session({}), 'opened']] }),
    read('b', 'end'),
    read('b', 'epoch', { again: true }),
  ].map(({ agreed }) => agreed.seq)
  expect(numbers).toEqual([undefined, undefined, T + 3, T + 4, T + 5])
})

test('[N1] clients are told an epoch of this node alone until it shows what all others show', () => {
  expect(log.epoch).toBe('own')
  settledSince = T + 2
  expect(log.epoch).toBe(`${T}`)
})

test('[N1] a place is recalled if this node is settled since then, and if it is of the present epoch', () => {
  settledSince = T + 5
  const recalls = (epoch: number | string, number: number) =>
    log.recalls({ epoch: `${epoch}`, seq: T + number })
  expect([recalls(T, 5), recalls(T, 110)]).toEqual([true, true])
  settledSince = undefined
  // A client of this node can continue on it as long as both are alone.
  expect([recalls(T, 110), recalls('own', 110), recalls('other', 110)]).toEqual([false, true, false])
  settledSince = T + 5
  // Before all nodes had told what they know, of other epochs, and of a node alone.
  expect([
    recalls(T, 4),
    recalls(T - 1, 110),
    recalls(7, 110),
    recalls('own', 110),
    recalls('', 110),
  ]).toEqual(Array(5).fill(false))
})

test('[E18] what is loaded is told apart from what has happened, and what happened has the time of its entry', () => {
  const { facts, agreed } = read('b', 'say', { at: T - 30, facts: [['ann', session({}), 'opened']] })
  expect([facts[0]?.at, agreed.isLoaded]).toEqual([T - 30, false])
  told = []
  const [nodes, rest] = [new Map([['b', 1]]), { registers: new Map(), abouts: new Map(), server: 's' }]
  const known = new Map([['b', new Map([['bob', session({})]])]])
  log.happened({
    what: 'loaded',
    loaded: { end: { epoch: T, seq: T + 9 }, epoch: T, nodes, facts: known, ...rest },
  })
  expect(told[0]?.agreed.isLoaded).toBe(true)
})

test.each([
  ['of the same epoch without this node', T, [], ['agent']],
  ['of the same epoch with this node', T, ['own'], []],
  ['of another epoch, in which Redis has lost data', T + 5, [], []],
])('[N11] others have leases of this node if what it loads is %s: %j', (_, epoch, members, gone) => {
  const lease = { openedAt: T, since: T, leftMs: 60_000, ageMs: 0, notBefore: T, ttlMs: 60_000 }
  const leases = ['agent', 'later'].map(sessionId => ({ sessionId, ...lease }))
  users.set('bot', { isHere: true, sessions: { agent: T, later: T }, leases })
  log.happened({ what: 'epoch', epoch: T })
  read('own', 'say', {
    facts: [['bot', { ...session({ agent: T }, 0), l: { agent: [T + 60_000, T, 60_000, T, -1] } }, 'opened']],
  })
  const loaded = { registers: new Map(), abouts: new Map(), facts: new Map(), server: 's' }
  const nodes = new Map(members.map(node => [node, 1]))
  log.happened({ what: 'loaded', loaded: { ...loaded, end: { epoch, seq: T + 9 }, epoch, nodes } })
  expect(told.at(-1)?.agreed.moved.map(({ sessionId }) => sessionId)).toEqual(gone)
})

test('[E19] a user is refused on the node that is asked at once, and on the others when they read it', () => {
  void log.kick('ann', 500)
  expect([log.refusedMs('ann'), log.refusedMs('bob')]).toEqual([500, 0])
  expect(said).toEqual([{ kicks: ['ann'], refused: ['ann'] }])
  expect(log.refusal('ann')).toEqual(['ann', T + 500, T])
  const body = { kicks: ['bob'], refusals: [['bob', T + 700, T]] } as const
  expect(read('other', 'say', body).agreed.kicked).toEqual(['bob'])
  expect(log.refusedMs('bob')).toBe(700)
})

test('[E19] the eldest member says it again to a node that joins, which ends the sessions that came before that', () => {
  const joined = () => {
    said = []
    read('new', 'join')
    read('new', 'end')
    return said
  }
  void log.kick('ann', 500)
  // The negative control: no member but the eldest.
  expect(joined()).toEqual([])
  isEldest = true
  settledSince = T
  expect(joined()).toEqual([{ refused: ['ann'] }])
  users.set('bob', { isHere: true })
  const refusals = [
    ['bob', T + 700, T],
    ['eve', T + 700, T],
    ['ann', T - 1, T],
  ] as const
  expect(read('other', 'say', { refusals }).agreed.kicked).toEqual(['bob'])
})

test('[E20] a user who is erased is kicked on all nodes, and refused until nothing is kept', () => {
  void log.erase('ann')
  expect(said).toEqual([{ kicks: ['ann'], erases: ['ann'] }])
  const kept = [['s:ann', `${String(T).padStart(15, '0')}|b|${T}`]] as const
  read('b', 'say', { facts: [['ann', session({}), 'opened']], registers: kept })
  const items = { kicks: ['ann'], erases: ['ann'] } as const
  expect(read('own', 'say', items).agreed).toMatchObject({ kicked: ['ann'], erased: ['ann'] })
  expect([log.keeps('ann'), log.keeps('bob'), log.refusedMs('bob')]).toEqual([true, false, 0])
  expect(log.refusedMs('ann')).toBeGreaterThan(0)
  time = T + 1
  read('b', 'say', { facts: [['ann', null, 'kicked']] })
  // The registers are still there.
  expect([log.keeps('ann'), log.refusedMs('ann') > 0]).toEqual([true, true])
  read('own', 'say', { registers: [['s:ann', `${String(T + 1).padStart(15, '0')}|own|null`]] })
  expect([log.keeps('ann'), log.refusedMs('ann')]).toEqual([false, 0])
})

test('[E20] a user who can not be erased, because a node still has sessions, is refused for a minute at most', () => {
  read('b', 'say', { facts: [['ann', session({}), 'opened']] })
  read('own', 'say', { kicks: ['ann'], erases: ['ann'] })
  time = T + 59_000
  expect(log.refusedMs('ann')).toBe(1_000)
  time = T + 60_001
  read('b', 'beat')
  expect(log.refusedMs('ann')).toBe(0)
})

test('[E3] the users with a session on a node are those who are shown or idle there', () => {
  const hidden: NodeFact = { p: 0, n: 1, h: T, s: {} }
  read('b', 'say', {
    facts: [
      ['ann', session({ one: T }), 'opened'],
      ['bob', hidden, 'opened'],
    ],
  })
  expect([...log.usersWithSession('b')]).toEqual(['ann'])
  expect([...log.usersWithSession('c')]).toEqual([])
})

test('[E6] who catches up waits for an entry that is composed later; all share it, and it says nothing', async () => {
  const isRead: boolean[] = []
  const catchUp = () => void log.catchUp().then(is => isRead.push(is))
  catchUp()
  expect(log.compose('', 1, false)).toEqual({ fact: undefined, registers: [] })
  catchUp()
  catchUp()
  expect(said.flatMap(({ users }) => [...(users ?? [])])).toEqual(['', '', ''])
  log.happened({ what: 'placed', batch: 1 })
  await new Promise(setImmediate)
  expect(isRead).toEqual([true])
  log.compose('', 2, false)
  log.happened({ what: 'placed', batch: 2 })
  await new Promise(setImmediate)
  expect(isRead).toEqual([true, true, true])
  isAway = true
  expect(await log.catchUp()).toBe(false)
})
