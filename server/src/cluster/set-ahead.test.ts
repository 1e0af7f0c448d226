import { beforeEach, expect, test } from 'vitest'
import type { Choice } from '../presence/choice.ts'
import { Presence } from '../presence/presence.ts'
import { NO_SESSION_YET } from '../presence/present-user.ts'
import { AT_ONCE } from '../presence/testing/options.ts'
import { HOUR, named, T } from '../presence/testing/scenario.ts'
import { Fold } from './fold.ts'
import { RedisModel } from './redis.model.ts'
import { ClusterNode } from './testing/cluster-node.ts'
import { Unplaced } from './unplaced.ts'

// A backend sets the status of a user on a node where the user has no session.

const BUSY = { status: 'busy' } as const
const BUSY_UNTIL = { status: 'busy', expiresAt: T + HOUR } as const
const HIDDEN = { status: 'offline' } as const

let a: ClusterNode
let b: ClusterNode
let c: ClusterNode
let now: number

beforeEach(() => {
  now = T
  const redis = new RedisModel()
  const parts = { Presence, Fold, Unplaced }
  ;[a, b, c] = ['a', 'b', 'c'].map(id => new ClusterNode(id, AT_ONCE, redis, parts)) as [
    ClusterNode,
    ClusterNode,
    ClusterNode,
  ]
  redis.append({
    epoch: undefined,
    node: 'a',
    batch: 0,
    kind: 'epoch',
    newEpoch: T,
    body: { format: 1, at: T, facts: [], registers: [] },
  })
  for (const node of [a, b, c]) node.start(T)
  settle()
})

/** Everything is appended and read. */
function settle(nodes: readonly ClusterNode[] = [a, b, c]): void {
  for (let round = 0; round < 9; round++) {
    for (const node of nodes) node.flush(100, now)
    for (const node of nodes) node.read(100, now)
  }
}

const open = (node: ClusterNode, id = 's') => node.decide(node.presence.open('ann', named(id), ++now), now)
const leave = (node: ClusterNode, id = 's') => node.decide(node.presence.leave('ann', id, ++now), now)

function set(node: ClusterNode, choice: Choice): boolean {
  const decision = node.presence.setStatusAhead('ann', choice, ++now)
  if (decision) node.decide(decision, now)
  return decision !== undefined
}

const views = () => [a, b, c].map(node => node.presence.see('ann').status)

test('[E6] a choice for a user on another node is taken there, and all nodes show it', () => {
  open(b)
  settle()
  expect(set(a, BUSY)).toBe(true)
  settle()
  expect(views()).toEqual(['busy', 'busy', 'busy'])
  expect(b.presence.choice('ann')).toEqual(BUSY)
  // The node with the session says it now, and the other one keeps nothing.
  expect(a.fold.chosen('ann')).toEqual({ choice: BUSY, madeAt: now, keptSince: undefined })
  expect(a.presence.present('ann')).toMatchObject({ isSetAhead: false, madeAt: 0 })
  leave(b)
  settle()
  open(c)
  settle()
  expect(views()).toEqual(['online', 'online', 'online'])
})

test('[E6] a user who is hidden by a backend on another node is hidden on all, and known to be there', () => {
  open(b)
  settle()
  expect(set(a, HIDDEN)).toBe(true)
  settle()
  expect(views()).toEqual(['offline', 'offline', 'offline'])
  expect(set(c, BUSY)).toBe(true)
  settle()
  expect(views()).toEqual(['busy', 'busy', 'busy'])
})

test('[N10] of two choices on two nodes the later one counts everywhere, in whatever order the log has them', () => {
  open(b)
  settle()
  set(a, HIDDEN)
  set(c, BUSY)
  // The later one comes first.
  settle([c, b])
  settle()
  expect(views()).toEqual(['busy', 'busy', 'busy'])
  expect(a.fold.chosen('ann')).toMatchObject({ choice: BUSY })
})

test.each([
  ['without an end', {}],
  ['with an end', { expiresAt: T + HOUR }],
])(
  '[E6 N10] a newer choice counts that this node made before it has read back the first one: %s',
  (_what, end) => {
    open(b)
    settle()
    set(a, { ...BUSY, ...end })
    a.flush(100, now)
    set(a, { ...HIDDEN, ...end })
    settle()
    expect(views()).toEqual(['offline', 'offline', 'offline'])
    expect(b.presence.choice('ann')).toEqual({ ...HIDDEN, ...end })
    expect(a.presence.present('ann')).toMatchObject({ isSetAhead: false, madeAt: 0 })
  },
)

test('[E15] the later of two choices ahead counts if the clock is set back between them, before the first is read', () => {
  set(a, { ...BUSY, expiresAt: T + HOUR })
  a.flush(100, now)
  now -= 60_000
  set(a, { ...HIDDEN, expiresAt: T + HOUR })
  now += 60_000
  settle()
  open(b)
  settle()
  expect(views()).toEqual(['offline', 'offline', 'offline'])
  expect(b.presence.choice('ann')).toMatchObject(HIDDEN)
})

test('[E6 N10] a newer choice counts that this node made before it has read an older one of another node', () => {
  open(b)
  settle()
  set(c, BUSY)
  c.flush(100, now)
  set(a, HIDDEN)
  a.read(100, now)
  settle()
  expect(views()).toEqual(['offline', 'offline', 'offline'])
})

test.each([
  ['first', () => [b, a]],
  ['then', () => [a, b]],
])(
  '[E6 N10] a newer choice counts although the node with the session says an older one at the same time: %s',
  (_when, order) => {
    open(b)
    settle()
    set(c, BUSY)
    c.flush(100, now)
    b.read(100, now)
    set(a, HIDDEN)
    // Neither of them has read what the other one says. The greater stamp is that of the older choice.
    for (const node of order()) node.flush(100, now)
    settle()
    expect(views()).toEqual(['offline', 'offline', 'offline'])
    expect(b.presence.choice('ann')).toEqual(HIDDEN)
    expect(a.presence.present('ann')).toMatchObject({ isSetAhead: false, madeAt: 0 })
  },
)

test('[E6 N10] nothing is kept of a choice without an end if the user has left before it was said', () => {
  open(b)
  settle()
  set(a, HIDDEN)
  leave(b)
  settle([b])
  a.read(100, now)
  settle()
  expect(a.presence.present('ann')).toMatchObject({ isSetAhead: false, madeAt: 0 })
  open(a)
  settle()
  expect(views()).toEqual(['online', 'online', 'online'])
})

test.each([
  ['hides', HIDDEN],
  ['shows', BUSY],
])(
  '[N10] a choice without an end that %s does not outlive the session: the user leaves meanwhile',
  (_what, choice) => {
    open(b)
    settle()
    leave(b)
    // This node has not read that.
    expect(set(a, choice)).toBe(true)
    settle([b])
    a.flush(100, now)
    settle()
    expect(a.fold.register('c:ann')).toContain(`"keptSince":${NO_SESSION_YET}`)
    open(c)
    settle()
    expect(views()).toEqual(['online', 'online', 'online'])
    // The negative control: with an end it outlives it.
    leave(c)
    settle()
    expect(set(a, { ...choice, expiresAt: T + HOUR })).toBe(true)
    settle()
    open(c)
    settle()
    expect(new Set(views())).toEqual(new Set([choice.status]))
  },
)

test('[E15] a choice ahead applies on any node, and only until its end', () => {
  expect(set(a, BUSY)).toBe(false)
  expect(set(a, BUSY_UNTIL)).toBe(true)
  settle()
  expect(views()).toEqual(['offline', 'offline', 'offline'])
  expect(b.presence.see('ann').lastSeen).toBeNull()
  expect(b.presence.explain('ann').choice).toMatchObject(BUSY_UNTIL)
  open(b)
  settle()
  expect(views()).toEqual(['busy', 'busy', 'busy'])
  // The node with the session keeps it now.
  expect(a.presence.record('ann')).not.toHaveProperty('expiresAt')
  for (const node of [a, b, c]) node.decide(node.presence.advance(T + HOUR, 9), T + HOUR)
  now = T + HOUR
  settle()
  expect(views()).toEqual(['online', 'online', 'online'])
})

test('[E15] a choice ahead of a user who was not known is forgotten at its end, on all nodes', () => {
  set(a, BUSY_UNTIL)
  settle()
  expect([a, b].map(node => node.presence.knownCount)).toEqual([1, 0])
  a.decide(a.presence.advance(T + HOUR, 9), T + HOUR)
  now = T + HOUR
  settle()
  expect([a, b, c].map(node => node.fold.register('c:ann'))).toEqual([undefined, undefined, undefined])
  expect(a.presence.knownCount).toBe(0)
})

test('[E15] a newer choice on another node replaces the one that a node has kept', () => {
  set(a, BUSY_UNTIL)
  settle()
  set(c, { status: 'away', expiresAt: T + 2 * HOUR })
  settle()
  expect([a, c].map(node => node.presence.knownCount)).toEqual([0, 1])
  for (const node of [a, b, c]) node.decide(node.presence.advance(T + HOUR, 9), T + HOUR)
  now = T + HOUR
  settle()
  open(a)
  settle()
  expect(views()).toEqual(['away', 'away', 'away'])
})

test('[E15] a user who is hidden ahead is never shown, also by a node that has not read it when the user comes', () => {
  set(a, { ...HIDDEN, expiresAt: T + HOUR })
  a.flush(100, now)
  // Says that the user is online, because it has not read the choice.
  open(b)
  settle()
  expect([a, b, c].flatMap(node => node.changes)).toEqual([])
  expect(views()).toEqual(['offline', 'offline', 'offline'])
  expect(b.presence.choice('ann').status).toBe('offline')
  for (const node of [a, b, c]) node.decide(node.presence.advance(T + HOUR, 9), T + HOUR)
  now = T + HOUR
  settle()
  expect(views()).toEqual(['online', 'online', 'online'])
})

test('[N10] the node keeps a choice that the log does not have yet, also for a user who comes to it', () => {
  open(b)
  settle()
  // From now on, this node does not reach the log.
  set(a, BUSY)
  a.decide(a.presence.open('ann', named('t'), ++now), now)
  expect(a.presence.choice('ann')).toEqual(BUSY)
  settle()
  expect(views()).toEqual(['busy', 'busy', 'busy'])
})
