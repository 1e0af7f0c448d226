import type { UserId } from '@who-is-online/protocol/words'
import {
  type LeasesElsewhere,
  type LeaseTold,
  MAX_TTL_MS,
  type OrphanedLeases,
  type StoredLease,
  untoldMs,
} from '../presence/lease.ts'
import type { PresenceRecord } from '../presence/record.ts'
import type { EndItem, LeaseItem, NodeFact, NodeId } from './entry.ts'
import type { Fold } from './fold.ts'

// The leased sessions in the facts of nodes. They have no connection, so another node can take them over.

type FactsFold = Pick<Fold, 'fact' | 'facts' | 'members' | 'factsOf'>

/** Renewals that are closer together count as the same: each node has its own reading of the clock of Redis. */
const SAME_MS = 100

/**
 * The leased sessions of a fact, to be added to it; nothing if there are none.
 *
 * @param hides whether the user hides: then nobody may learn since when a session is idle
 */
export function leaseFields(
  { leases, held }: { readonly leases: readonly LeaseTold[]; readonly held: readonly string[] },
  now: number,
  hides: boolean,
): Pick<NodeFact, 'l' | 'g'> {
  return {
    ...(leases.length > 0 && {
      l: Object.fromEntries(leases.map(lease => [lease.sessionId, itemOf(lease, now, hides)])),
    }),
    ...(held.length > 0 && { g: held }),
  }
}

/**
 * What the other nodes say about a session id, and about the leased sessions of its user.
 *
 * @param hasLeft whether a node stops: its connections are about to come to other nodes
 */
export function leasesElsewhere(
  fold: FactsFold,
  { userId, sessionId, except, now }: { userId: UserId; sessionId: string; except: NodeId; now: number },
  hasLeft: (node: NodeId) => boolean,
): LeasesElsewhere {
  let isConnected = false
  let lease: LeaseTold | undefined
  const others: string[] = []
  for (const [node, fact] of fold.factsOf(userId, except)) {
    const leases = leasesOf(fact, now)
    if (fact.n > 0 && isConnectedIn(fact, sessionId) && !hasLeft(node)) isConnected = true
    for (const one of leases) {
      if (one.sessionId !== sessionId) others.push(one.sessionId)
      else if (!lease || one.since > lease.since) lease = one
    }
  }
  // A session that has moved to where it is leased may still be said on the first node.
  return { isConnected: isConnected && !lease, lease, others }
}

/**
 * Where a session was renewed last that is leased on this node and on another one: there it continues. While a node is
 * cut off, both may be renewed. `undefined` if it is not leased on both, or was not renewed since it has moved.
 */
export function lastRenewed(
  sessionId: string,
  {
    own,
    ownFact,
    fact,
    now,
  }: { own: readonly LeaseTold[]; ownFact: NodeFact | undefined; fact: NodeFact; now: number },
): 'here' | 'here, untold' | 'there' | undefined {
  const ownLease = own.find(lease => lease.sessionId === sessionId)
  const other = renewedAt(sessionId, fact)
  if (!ownLease || other === undefined) return undefined
  const ownAt = renewalOf(ownLease, now)
  if (other > ownAt + SAME_MS) return 'there'
  if (other >= ownAt - SAME_MS) return undefined
  const told = ownFact && renewedAt(sessionId, ownFact)
  return told !== undefined && told > other + SAME_MS ? 'here' : 'here, untold'
}

/** Whether an item ends a session that may be leased on this node; see `EndItem`. */
export function isEnded(
  [, sessionId, renewedBefore]: EndItem,
  leases: readonly LeaseTold[],
  now: number,
): boolean {
  if (renewedBefore === undefined) return true
  const own = leases.find(lease => lease.sessionId === sessionId)
  return own !== undefined && renewalOf(own, now) < renewedBefore - SAME_MS
}

/** When a leased session of a fact was renewed, as far as its node has told that. */
function renewedAt(sessionId: string, fact: NodeFact): number | undefined {
  return leaseIn(fact, sessionId)?.[1]
}

/** The leased session with an id in a fact, as far as its node has told it. */
export function leaseIn({ l }: Pick<NodeFact, 'l'>, sessionId: string): LeaseItem | undefined {
  return l && Object.hasOwn(l, sessionId) ? l[sessionId] : undefined
}

/**
 * The leased sessions of this node that others have taken over when it was lost: it had told them, and has not renewed
 * them since its last entry, or only so that they end before the others end them. They may have ended meanwhile, and
 * then nothing tells this node.
 *
 * @param lastWroteAt when it has composed the last entry that it has read back, by the clock of Redis
 */
export function lostLeases(
  ownFact: Pick<NodeFact, 'l'>,
  own: readonly LeaseTold[],
  now: number,
  lastWroteAt: number,
): string[] {
  const lost = own.filter(lease => {
    const told = leaseIn(ownFact, lease.sessionId)
    if (!told) return false
    const [endsAt, , toldTtlMs] = told
    const renewed = renewalOf(lease, now)
    return renewed <= lastWroteAt && renewed + lease.ttlMs <= endsAt + untoldMs(toldTtlMs)
  })
  return lost.map(({ sessionId }) => sessionId)
}

/** Whether a node has leased sessions. */
export function hasLeases(fold: Pick<Fold, 'facts'>, node: NodeId): boolean {
  for (const { l } of fold.facts(node).values()) if (l) return true
  return false
}

/**
 * The leased sessions of a node that is lost or stops, without those that have ended and those that another node has.
 *
 * @param isLost whether the node may have renewed them without telling that
 */
export function orphanedLeases(
  fold: FactsFold,
  node: NodeId,
  now: number,
  isLost: boolean,
): OrphanedLeases[] {
  const orphaned: OrphanedLeases[] = []
  for (const [userId, fact] of fold.facts(node)) {
    if (!fact.l) continue
    const others = Array.from(fold.factsOf(userId, node), ([, { s }]) => s)
    // A dead node that had it before still names it in its facts. Its time is earlier, so it does not count.
    const isElsewhere = ({ sessionId, since }: LeaseTold) =>
      others.some(s => Object.hasOwn(s, sessionId) && Number(s[sessionId]) >= since)
    const leases = leasesOf(fact, now)
      .map(lease => (isLost ? { ...lease, leftMs: lease.leftMs + untoldMs(lease.ttlMs) } : lease))
      .filter(lease => lease.leftMs > 0 && !isElsewhere(lease))
    if (leases.length > 0) orphaned.push({ userId, heardAt: fact.h, leases })
  }
  return orphaned
}

/**
 * The leased sessions of a user as a single node stores them. The newest renewals may not be known, so they end late
 * rather than early.
 */
export function storedLeases(facts: Iterable<NodeFact>, now: number): StoredLease[] {
  const newest = new Map<string, LeaseTold>()
  for (const fact of facts) {
    for (const lease of leasesOf(fact, now)) {
      if (lease.since > (newest.get(lease.sessionId)?.since ?? 0)) newest.set(lease.sessionId, lease)
    }
  }
  return Array.from(newest.values(), ({ sessionId, openedAt, leftMs, ttlMs, device, idleSince }) => ({
    sessionId,
    openedAt,
    endsAt: Math.round(now + leftMs + untoldMs(ttlMs)),
    ...(device !== undefined && { device }),
    ...(idleSince !== undefined && { idle: true as const }),
  }))
}

/** A fact about stored leased sessions that have not ended at `now`; `undefined` if there are none. */
export function factOfStored(
  { lastSeen, leases = [] }: Pick<PresenceRecord, 'lastSeen' | 'leases'>,
  now: number,
  isKnown: (sessionId: string) => boolean,
): NodeFact | undefined {
  const lasting = leases.filter(({ sessionId, endsAt }) => endsAt > now && !isKnown(sessionId))
  if (lasting.length === 0) return undefined
  const item = ({ endsAt, openedAt, idle, device }: StoredLease): LeaseItem => {
    const times = [endsAt, lastSeen, Math.min(endsAt - now, MAX_TTL_MS), openedAt, idle ? 0 : -1] as const
    return device === undefined ? times : [...times, device]
  }
  const p = lasting.every(({ idle }) => idle) ? 2 : 1
  const s = Object.fromEntries(lasting.map(({ sessionId, openedAt }) => [sessionId, openedAt]))
  const l = Object.fromEntries(lasting.map(lease => [lease.sessionId, item(lease)]))
  return { p, n: 0, h: lastSeen, s, v: 1, l }
}

/** A node of an older version does not tell which sessions are leased, or held: they all count as connected. */
function isConnectedIn({ s, l, g }: NodeFact, sessionId: string): boolean {
  const isLeased = l !== undefined && Object.hasOwn(l, sessionId)
  return Object.hasOwn(s, sessionId) && !isLeased && g?.includes(sessionId) !== true
}

/** When a session of this node was renewed, by the clock of Redis. */
export function renewalOf({ ageMs, notBefore }: Pick<LeaseTold, 'ageMs' | 'notBefore'>, now: number): number {
  return Math.max(now - ageMs, notBefore)
}

function itemOf(lease: LeaseTold, now: number, hides: boolean): LeaseItem {
  const { openedAt, leftMs, ttlMs, device, idleSince } = lease
  const idle = idleSince === undefined ? -1 : hides ? 0 : idleSince
  const times = [now + leftMs, renewalOf(lease, now), ttlMs].map(Math.round) as [number, number, number]
  return device === undefined ? [...times, openedAt, idle] : [...times, openedAt, idle, device]
}

function leasesOf({ s, l = {} }: NodeFact, now: number): LeaseTold[] {
  return Object.entries(l).flatMap(([sessionId, item]) => {
    const [endsAt, renewedAt, ttlMs, openedAt, idleSince, device] = item
    const since = Object.hasOwn(s, sessionId) ? s[sessionId] : undefined
    if (since === undefined) return []
    // The clock of Redis may have been set back.
    const times = {
      leftMs: Math.min(endsAt - now, ttlMs),
      ageMs: Math.max(0, now - renewedAt),
      notBefore: renewedAt,
      ttlMs,
    }
    const lease = { sessionId, openedAt, since, ...times, device }
    return idleSince < 0 ? lease : { ...lease, idleSince }
  })
}
