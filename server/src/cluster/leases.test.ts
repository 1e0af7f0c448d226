import { beforeEach, expect, test } from 'vitest'
import type { Change } from '../presence/change.ts'
import { MAX_LEASES_PER_USER } from '../presence/lease.ts'
import { Presence } from '../presence/presence.ts'
import { ClusterLog } from './cluster-log.ts'
import { lostLeases } from './leases.ts'
import { Member } from './member.ts'
import { RedisModel } from './redis.model.ts'
import { SimulatedCluster } from './testing/simulated-cluster.ts'
import type { Session, SimulatedNode } from './testing/simulated-node.ts'

// Leased sessions on the nodes of a cluster that a balancer chooses at will, without faults that a test does not make.

const T = 1_000_000
const TTL = { ttlMs: 60_000, device: 'r2', activity: 'idle' } as const

let cluster: SimulatedCluster
let a: SimulatedNode
let b: SimulatedNode
/** What the clients of each node are told of the bot. */
let told: Map<SimulatedNode, Pick<Change, 'status' | 'cause'>[]>

beforeEach(async () => {
  cluster = new SimulatedCluster(1, { Member, RedisModel, ClusterLog, Presence })
  told = new Map()
  cluster.listen({
    happened: () => {},
    ended: () => {},
    stored: () => {},
    changed: (node, changes) => {
      const own = told.get(node) ?? []
      told.set(node, own)
      for (const { userId, status, cause } of changes) if (userId === 'bot') own.push({ status, cause })
    },
  })
  a = start()
  await pass(1_000)
  b = start()
  await pass(9_000)
})

function start(): SimulatedNode {
  cluster.start()
  return cluster.nodes.at(-1) as SimulatedNode
}

const pass = (ms: number): Promise<void> => cluster.time.runUntil(cluster.time.now + ms)

/** What clients of a node are told since the last call. */
function tellsOf(node: SimulatedNode): readonly unknown[] {
  return told.get(node)?.splice(0) ?? []
}

const leaseOf = (node: SimulatedNode, id = 'agent') =>
  node.presence.part('bot').sessions.find(({ sessionId }) => sessionId === id)

const appends = () => cluster.redis.model.log.filter(({ body }) => body.facts.length > 0).length

test('[R20 E17 N11] a renewal on another node moves the lease with its content, and clients are told nothing', async () => {
  expect(a.lease('bot', 'agent', TTL)).toBe(true)
  await pass(1_000)
  const opened = leaseOf(a)
  expect(opened).toMatchObject({ kind: 'lease', device: 'r2', active: false })
  for (const node of [a, b]) expect(tellsOf(node)).toEqual([{ status: 'away', cause: 'opened' }])
  const before = appends()
  expect(b.lease('bot', 'agent', { ttlMs: 60_000 })).toBe(false)
  await pass(1_000)
  expect(leaseOf(a)).toBeUndefined()
  expect(leaseOf(b)).toMatchObject({ device: 'r2', active: false, connectedAt: opened?.connectedAt })
  // One entry of the node that has it, and one of the node that had it.
  expect(appends() - before).toBe(2)
  for (const node of [a, b]) expect(tellsOf(node)).toEqual([])
  await pass(58_900)
  for (const node of [a, b]) expect(tellsOf(node)).toEqual([])
  await pass(300)
  for (const node of [a, b]) expect(tellsOf(node)).toEqual([{ status: 'offline', cause: 'lost' }])
})

test('[R6 N11] a lease that moves often is not delayed, and leaves the rate limit of its user alone', async () => {
  Object.assign(cluster.options, { changePace: { burst: 3, everyMs: 60_000 } })
  const [c, d] = [start(), start()]
  await pass(9_000)
  c.lease('bot', 'agent', TTL)
  await pass(1_000)
  for (let round = 0; round < 20; round++) {
    for (const node of [d, c]) {
      node.lease('bot', 'agent', { ttlMs: 60_000 })
      await pass(500)
    }
  }
  expect(tellsOf(a)).toEqual([{ status: 'away', cause: 'opened' }])
  // The limit still allows a change at once.
  c.lease('bot', 'agent', { ttlMs: 60_000, activity: 'active' })
  await pass(500)
  expect(tellsOf(a)).toEqual([{ status: 'online', cause: 'active' }])
})

test('[R20 N11] a renewal that moves the end little is not written', async () => {
  a.lease('bot', 'agent', TTL)
  await pass(1_000)
  const before = appends()
  for (let renewal = 0; renewal < 14; renewal++) {
    a.lease('bot', 'agent', { ttlMs: 60_000 })
    await pass(1_000)
  }
  expect(appends() - before).toBe(0)
  await pass(2_000)
  a.lease('bot', 'agent', { ttlMs: 60_000 })
  await pass(1_000)
  expect(appends() - before).toBe(1)
  // Negative controls: another activity, and an earlier end.
  a.lease('bot', 'agent', { ttlMs: 60_000, activity: 'active' })
  await pass(100)
  a.lease('bot', 'agent', { ttlMs: 20_000 })
  await pass(100)
  expect(appends() - before).toBe(3)
})

test('[N11] a node that was suspended does not tell that it has renewed a lease later than it has', async () => {
  a.lease('bot', 'agent', TTL)
  await pass(1_000)
  // The next node has not told the second renewal when it is suspended, and meanwhile the first node renews it.
  b.lease('bot', 'agent', { ttlMs: 30_000 })
  b.lease('bot', 'agent', { ttlMs: 40_000 })
  b.link.pausedUntil = cluster.time.now + 2_000
  await pass(1_500)
  a.lease('bot', 'agent', TTL)
  await pass(2_000)
  expect([leaseOf(a) !== undefined, leaseOf(b)]).toEqual([true, undefined])
})

test('[N11] a lease that has ended while Redis did not answer does not go on where it was leased before', async () => {
  // With the control, a further node has renewed it later.
  for (const isRenewed of [false, true]) {
    for (const isKilled of [false, true]) {
      const c = start()
      await pass(9_000)
      c.lease('bot', 'agent', { ttlMs: 600_000 })
      await pass(1_000)
      cluster.redis.hang(8_000)
      await pass(1_000)
      if (isKilled) cluster.kill(c)
      a.lease('bot', 'agent', { ttlMs: 2_000 })
      await pass(500)
      if (isRenewed) b.lease('bot', 'agent', { ttlMs: 600_000 })
      await pass(2_500)
      expect(leaseOf(a)).toBeUndefined()
      // Redis is back, and the node is lost if it was killed.
      await pass(25_000)
      expect(cluster.nodes.map(node => node.isPresent('bot'))).toEqual(cluster.nodes.map(() => isRenewed))
      expect(cluster.nodes.filter(node => leaseOf(node))).toEqual(isRenewed ? [b] : [])
      b.endSession('bot', 'agent', () => {})
      await pass(1_000)
    }
  }
})

/** A client connects with the id of a session. */
async function connect(node: SimulatedNode, id: string): Promise<Session> {
  const session = { id, userId: 'bot', node, openedAt: 0, isHeld: false, isOver: false, placedAt: 0 }
  node.open(session, () => {})
  await pass(500)
  return session
}

test('[R20 E12 N11] the id of a session that is connected to another node is refused, and that of a lost one is not', async () => {
  const tab = await connect(a, 'tab')
  await connect(a, 'other tab')
  expect(b.lease('bot', 'tab', TTL)).toBe('connected')
  expect(leaseOf(a, 'tab')).toMatchObject({ kind: 'socket' })
  a.lose(tab)
  await pass(500)
  expect(b.lease('bot', 'tab', TTL)).toBe(true)
  await pass(500)
  expect([leaseOf(a, 'tab'), leaseOf(b, 'tab')?.kind]).toEqual([undefined, 'lease'])
})

test('[R20 N11] a client that connects to another node with the id of a lease continues it', async () => {
  a.lease('bot', 'agent', TTL)
  await pass(500)
  await connect(b, 'agent')
  expect([leaseOf(a), leaseOf(b)?.kind]).toEqual([undefined, 'socket'])
  expect(a.lease('bot', 'agent', TTL)).toBe('connected')
})

test('[R20 N11] the leases of a user count over all nodes, one that moves counts once, and a renewal is never refused', async () => {
  for (let lease = 0; lease < MAX_LEASES_PER_USER; lease++) (lease % 2 ? a : b).lease('bot', `${lease}`, TTL)
  await pass(500)
  for (const node of [a, b]) {
    expect(node.lease('bot', 'more', TTL)).toBe('tooManyOfUser')
    for (let lease = 0; lease < MAX_LEASES_PER_USER; lease++) {
      expect(node.lease('bot', `${lease}`, TTL)).toBe(false)
    }
    await pass(500)
  }
})

test.each([[undefined], [true]])(
  '[N11] the leases of a node that is killed live on, renewed or not (%s)',
  async isRenewed => {
    a.lease('bot', 'agent', TTL)
    await pass(5_000)
    // Not written: the others know only the first end.
    if (isRenewed) a.lease('bot', 'agent', { ttlMs: 60_000 })
    await pass(1_000)
    tellsOf(b)
    cluster.kill(a)
    await pass(20_000)
    expect(leaseOf(b)).toMatchObject({ device: 'r2', active: false })
    expect(b.log.nodes).toHaveLength(1)
    await pass(isRenewed ? 39_000 : 33_500)
    expect(tellsOf(b)).toEqual([])
    // The node does not know whether it was renewed, so it adds a quarter.
    await pass(16_000)
    expect(tellsOf(b)).toEqual([{ status: 'offline', cause: 'lost' }])
  },
)

test('[N11] a lease that ends before its node is taken for lost ends as lost', async () => {
  a.lease('bot', 'agent', { ttlMs: 4_000 })
  await pass(1_000)
  tellsOf(b)
  cluster.kill(a)
  await pass(12_000)
  expect(tellsOf(b)).toEqual([{ status: 'offline', cause: 'lost' }])
})

test.each(['kick', 'endSession'] as const)(
  '[E7 E12 N11] a lease that a backend has ended (%s) is not taken over',
  async how => {
    a.lease('bot', 'agent', TTL)
    await pass(1_000)
    cluster.kill(a)
    await pass(1_000)
    if (how === 'kick') b.kick('bot', () => {})
    else b.endSession('bot', 'agent', () => {})
    await pass(14_000)
    expect([leaseOf(b), b.presence.see('bot').status]).toEqual([undefined, 'offline'])
  },
)

test('[N11] a lease that has continued and ended elsewhere is not taken over from a node that is dead', async () => {
  a.lease('bot', 'agent', TTL)
  await pass(1_000)
  cluster.kill(a)
  await pass(1_000)
  expect(b.lease('bot', 'agent', { ttlMs: 2_000 })).toBe(false)
  await pass(14_000)
  expect([leaseOf(b), b.presence.see('bot').status]).toEqual([undefined, 'offline'])
})

test('[N11] of two nodes that were cut off from each other, the lease continues on the one that renewed it last', async () => {
  a.lease('bot', 'agent', { ttlMs: 20_000 })
  await pass(500)
  a.link.cutUntil = cluster.time.now + 8_000
  a.lease('bot', 'agent', { ttlMs: 20_000, activity: 'idle' })
  await pass(3_000)
  b.lease('bot', 'agent', { ttlMs: 20_000 })
  await pass(3_000)
  a.lease('bot', 'agent', { ttlMs: 60_000 })
  await pass(10_000)
  expect([leaseOf(a)?.kind, leaseOf(b)]).toEqual(['lease', undefined])
})

test('[N11] a client that was connected to a node that is killed goes offline as before', async () => {
  await connect(a, 'tab')
  tellsOf(b)
  cluster.kill(a)
  await pass(12_000)
  expect(tellsOf(b)).toEqual([{ status: 'offline', cause: 'nodeLost' }])
})

test('[N11] of several nodes only the eldest takes the leases of a lost node over, and if it is lost too, the next', async () => {
  const [c, d] = [start(), start()]
  await pass(9_000)
  for (let user = 0; user < 30; user++) d.lease(`bot-${user}`, 'agent', TTL)
  d.lease('bot', 'agent', TTL)
  await pass(1_000)
  tellsOf(c)
  cluster.kill(d)
  cluster.kill(a)
  const before = cluster.redis.model.end?.seq ?? 0
  await pass(14_000)
  expect(leaseOf(b)?.kind).toBe('lease')
  const said = cluster.redis.model.log
    .filter(({ place, body }) => place.seq > before && body.facts.length > 0)
    .map(({ node }) => node)
  expect(new Set(said)).toEqual(new Set([b.id]))
  expect(tellsOf(c)).toEqual([])
})

test('[E17 N11] a node that stops hands its leases on at once, without a change, and they end in time', async () => {
  a.lease('bot', 'agent', TTL)
  await pass(10_000)
  a.lease('bot', 'agent', { ttlMs: 60_000 })
  await pass(1_000)
  tellsOf(b)
  a.stop()
  expect(a.lease('bot', 'more', TTL)).toBe('stopping')
  await pass(400)
  expect([leaseOf(a), leaseOf(b)?.kind]).toEqual([undefined, 'lease'])
  await pass(3_000)
  cluster.kill(a)
  await pass(55_500)
  expect(tellsOf(b)).toEqual([])
  await pass(300)
  expect(tellsOf(b)).toEqual([{ status: 'offline', cause: 'lost' }])
})

test('[N11] the last node that stops leaves its leases to the next start', async () => {
  b.lease('bot', 'agent', TTL)
  await pass(500)
  for (const node of [a, b]) node.stop()
  await pass(1_000)
  for (const node of [a, b]) cluster.kill(node)
  await pass(5_000)
  const c = start()
  await pass(9_000)
  expect(c.presence.see('bot').status).toBe('away')
  await pass(16_000)
  expect(leaseOf(c)).toMatchObject({ device: 'r2', active: false })
  expect(tellsOf(c)).not.toContainEqual(expect.objectContaining({ status: 'offline' }))
})

test('[N11] a node that was frozen for so long that others took its leases over gives them up', async () => {
  a.lease('bot', 'agent', TTL)
  await pass(1_000)
  for (const node of [a, b]) tellsOf(node)
  a.link.pausedUntil = cluster.time.now + 14_000
  await pass(20_000)
  expect([leaseOf(a), leaseOf(b)?.kind]).toEqual([undefined, 'lease'])
  for (const node of [a, b]) expect(tellsOf(node)).toEqual([])
})

test.each([
  ['reads', 14_000, 1],
  ['loads', 25_000, 2],
] as const)(
  '[N11] a lease that has continued and ended elsewhere does not go on where its node was frozen and %s',
  async (_, pauseMs, loads) => {
    a.lease('bot', 'agent', TTL)
    await pass(1_000)
    a.link.pausedUntil = cluster.time.now + pauseMs
    await pass(1_000)
    b.lease('bot', 'agent', { ttlMs: 2_000 })
    await pass(4_000)
    for (const node of [a, b]) tellsOf(node)
    await pass(pauseMs)
    expect(a.loads).toBe(loads)
    expect([leaseOf(a), leaseOf(b)]).toEqual([undefined, undefined])
    for (const node of [a, b]) expect(node.see('bot').status).toBe('offline')
    // As long as the first node is not lost, its session counts.
    expect(tellsOf(b)).toEqual([{ status: 'offline', cause: 'nodeLost' }])
  },
)

test('[N11] a lost node keeps a lease that it has renewed since its last entry', async () => {
  a.lease('bot', 'agent', TTL)
  await pass(1_000)
  a.link.cutUntil = cluster.time.now + 25_000
  await pass(5_000)
  a.lease('bot', 'agent', TTL)
  await pass(10_000)
  expect(leaseOf(b)?.kind).toBe('lease')
  b.endSession('bot', 'agent', () => {})
  await pass(1_000)
  expect(leaseOf(b)).toBeUndefined()
  await pass(12_000)
  expect(leaseOf(a)?.kind).toBe('lease')
})

test.each([
  { what: 'told, and not renewed since', renewedAt: 0, ttlMs: 60_000, isLost: true },
  {
    what: 'renewed since, so that it ends before the others end it',
    renewedAt: 9_000,
    ttlMs: 60_000,
    isLost: true,
  },
  { what: 'renewed for longer than the others know', renewedAt: 9_000, ttlMs: 120_000, isLost: false },
  { what: 'renewed just after the last entry', renewedAt: 10_001, ttlMs: 60_000, isLost: false },
  { what: 'not told', id: 'other', renewedAt: 0, ttlMs: 60_000, isLost: false },
])('[N11] of a node that was lost, others have a lease that was $what: $isLost', lease => {
  const { id = 'agent', renewedAt, ttlMs, isLost } = lease
  const now = T + 20_000
  const own = { openedAt: T, since: T, leftMs: ttlMs, ageMs: now - T - renewedAt, notBefore: 0, ttlMs }
  const told = { l: { agent: [T + 60_000, T, 60_000, T, -1] as const } }
  expect(lostLeases(told, [{ ...own, sessionId: id }], now, T + 10_000)).toEqual(isLost ? [id] : [])
})
