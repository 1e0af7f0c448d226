import type { Status } from '@who-is-online/protocol/words'
import fc from 'fast-check'
import { expect } from 'vitest'
import { type Choice, NO_CHOICE } from '../../presence/choice.ts'
import { presenceOf } from '../../presence/fact.ts'
import type { PresenceOptions } from '../../presence/options.ts'
import { AT_ONCE } from '../../presence/testing/options.ts'
import type { Place } from '../entry.ts'
import type { Fold } from '../fold.ts'
import { RedisModel } from '../redis.model.ts'
import { ClusterNode } from './cluster-node.ts'
import type { ClusterParts } from './cluster-parts.ts'

// Random games of three nodes with one log. Each node decides, composes and folds, and reads and writes at any time.

const USERS = ['ann', 'bob', '__proto__']
const NODES = [0, 1, 2]

type Act =
  | {
      readonly do: 'open'
      readonly node: number
      readonly userId: string
      readonly id: string
      readonly name?: string | undefined
    }
  | { readonly do: 'leave' | 'lose'; readonly node: number; readonly userId: string; readonly id: string }
  | {
      /** The client of a session connects to another node, which the node of the session reads. */
      readonly do: 'move'
      readonly node: number
      readonly to: number
      readonly userId: string
      readonly id: string
    }
  | {
      readonly do: 'choose'
      readonly node: number
      readonly userId: string
      readonly status: Status
      readonly forMs?: number | undefined
      /** Whether it is read back before anything else happens. */
      readonly isPlaced: boolean
    }
  | { readonly do: 'idle' | 'active'; readonly node: number; readonly userId: string; readonly id: string }
  | { readonly do: 'name'; readonly node: number; readonly userId: string; readonly name: string }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'flush'; readonly node: number; readonly limit: number }
  | { readonly do: 'read'; readonly node: number; readonly count: number }
  | { readonly do: 'kill'; readonly node: number }
  /** A node forgets all whom nobody sees, although another one may have read more by now. */
  | { readonly do: 'forget'; readonly node: number }

const node = fc.constantFrom(...NODES)
const userId = fc.constantFrom(...USERS)
const id = fc.constantFrom('s1', 's2')
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('open'),
      node,
      userId,
      id,
      name: fc.constantFrom(undefined, undefined, 'Ann'),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('leave', 'lose'), node, userId, id }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('move'), node, to: node, userId, id }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('choose'),
      node,
      userId,
      status: fc.constantFrom('online', 'busy', 'away', 'offline', 'offline'),
      forMs: fc.constantFrom(undefined, undefined, 6),
      isPlaced: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('idle', 'active'), node, userId, id }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('name'), node, userId, name: fc.constantFrom('Ann', 'Bob') }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.integer({ min: 1, max: 12 }) }) },
  {
    weight: 10,
    arbitrary: fc.record({ do: fc.constant('flush'), node, limit: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 10,
    arbitrary: fc.record({ do: fc.constant('read'), node, count: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill'), node }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('forget'), node }) },
)

const options: fc.Arbitrary<PresenceOptions> = fc
  .record({
    graceMs: fc.constantFrom(0, 5),
    hiddenKeepMs: fc.constantFrom(0, 8),
    changePace: fc.constantFrom({ burst: 1, everyMs: 0 }, { burst: 2, everyMs: 5 }),
  })
  .map(some => ({ ...AT_ONCE, keepMs: 0, ...some }))

class Cluster {
  readonly redis = new RedisModel()
  readonly nodes: ClusterNode[] = []
  readonly #options: PresenceOptions
  readonly #parts: ClusterParts
  readonly #observer: Fold
  #observed: Place = { epoch: 0, seq: 0 }
  #started = 0
  now = Date.UTC(2030, 0, 1)

  constructor(options: PresenceOptions, parts: ClusterParts) {
    this.#options = options
    this.#parts = parts
    this.#observer = new parts.Fold()
    const body = { format: 1, at: this.now, facts: [], registers: [] } as const
    this.redis.append({ epoch: undefined, node: 'z', batch: 1, kind: 'epoch', newEpoch: 100, body })
    for (const node of NODES) this.nodes[node] = this.#start()
  }

  #start(): ClusterNode {
    const node = new ClusterNode(`n${this.#started++}`, this.#options, this.redis, this.#parts)
    node.start(this.now)
    return node
  }

  /** The newest choice of each user, if it was placed and the user had a session on the same node ever since. */
  readonly newest = new Map<string, { readonly choice: Choice; readonly home: ClusterNode }>()

  take(act: Act): void {
    // Two choices at the same time have no order, and the end of a choice has the stamps of the next milliseconds.
    if (act.do === 'choose') this.now += 5
    this.#take(act)
    this.#dropPastChoices()
    this.#checkHidden()
  }

  /** Nobody sees a user who has hidden and whose hiding was placed. */
  #checkHidden(): void {
    for (const entry of this.redis.read(this.#observed, 1_000)) {
      this.#observer.apply(entry)
      this.#observed = entry.place
    }
    for (const [userId, { choice }] of this.newest) {
      if (choice.status !== 'offline' || choice.expiresAt !== undefined) continue
      expect(presenceOf(this.#observer.of(userId)).status).toBe('offline')
    }
  }

  #dropPastChoices(): void {
    for (const [userId, { home }] of this.newest) {
      if (!this.nodes.includes(home) || !home.presence.hasSession(userId)) this.newest.delete(userId)
    }
  }

  #take(act: Act): void {
    const { now } = this
    if (act.do === 'pass') {
      this.now += act.ms
      this.advance()
      return
    }
    const node = this.nodes[act.node] as ClusterNode
    const { presence } = node
    switch (act.do) {
      case 'open':
        // The session ids of the nodes differ: a session on two nodes is a matter of the member.
        node.decide(presence.open(act.userId, { id: act.id, named: true }, now, { username: act.name }), now)
        break
      case 'leave':
        presence.heard(act.userId, now)
        node.decide(presence.leave(act.userId, act.id, now), now)
        break
      case 'lose':
        node.decide(presence.lose(act.userId, act.id, now), now)
        break
      case 'move':
        this.#move(act.userId, act.id, node, this.nodes[act.to] as ClusterNode)
        break
      case 'choose': {
        const expiresAt = act.forMs === undefined ? undefined : now + act.forMs
        const choice = { status: act.status, expiresAt }
        const isTaken = presence.hasSession(act.userId)
        node.decide(presence.setStatus(act.userId, choice, now), now)
        // A choice that is not placed is lost with the session.
        if (isTaken) this.newest.delete(act.userId)
        if (!act.isPlaced) break
        node.read(1_000, now)
        node.flush(10, now)
        node.read(1_000, now)
        if (isTaken && presence.hasSession(act.userId)) this.newest.set(act.userId, { choice, home: node })
        break
      }
      case 'idle':
      case 'active':
        node.decide(presence.setActivity(act.userId, act.id, act.do, now), now)
        break
      case 'name':
        node.decide(presence.identify(act.userId, act.name, now), now)
        break
      case 'flush':
        node.flush(act.limit, now)
        break
      case 'read':
        node.read(act.count, now)
        break
      case 'forget':
        node.decide(presence.forgetStale(now, 10), now)
        break
      case 'kill': {
        const judge = this.nodes[(act.node + 1) % 3] as ClusterNode
        // It has read all that the subject wrote.
        judge.read(1_000, now)
        judge.judge(node.id, now)
        this.nodes[act.node] = this.#start()
      }
    }
  }

  /** A session continues on another node. The user keeps the choice, hidden or not. */
  #move(userId: string, id: string, from: ClusterNode, to: ClusterNode): void {
    const { now } = this
    if (from === to || !(id in from.presence.present(userId).sessions)) return
    to.read(1_000, now)
    to.decide(to.presence.open(userId, { id, named: true }, now), now)
    to.flush(10, now)
    // The member tells this node that the session has moved.
    from.read(1_000, now)
    from.decide(from.presence.endMoved(userId, id, now), now)
    expect(from.presence.present(userId).sessions).not.toHaveProperty(id)
    const newest = this.newest.get(userId)
    if (newest?.home === from && !from.presence.hasSession(userId)) {
      this.newest.set(userId, { ...newest, home: to })
    }
  }

  advance(): void {
    for (const node of this.nodes) {
      while (node.presence.nextDeadline <= this.now)
        node.decide(node.presence.advance(this.now, 10), this.now)
    }
  }

  /** Until nothing waits any more. */
  rest(): void {
    for (let round = 0; round < 200; round++) {
      this.now += 1
      this.advance()
      for (const node of this.nodes) node.flush(10, this.now)
      for (const node of this.nodes) node.read(1_000, this.now)
      this.#dropPastChoices()
    }
    for (const { isBusy, presence } of this.nodes) {
      // A sign of life of an unknown user only tells the time.
      presence.heard('nobody', this.now)
      if (isBusy) throw new Error('the nodes do not come to rest')
    }
  }
}

export interface ClusterGame {
  readonly acts: readonly Act[]
  readonly options: PresenceOptions
}

export const clusterGame: fc.Arbitrary<ClusterGame> = fc.record({
  acts: fc.array(act, { size: 'max', maxLength: 60 }),
  options,
})

/**
 * Plays a game until nothing waits any more, and compares all nodes with each other and with the sessions.
 *
 * @returns how many users are visible at the end
 */
export function playCluster(parts: ClusterParts, { acts, options }: ClusterGame): number {
  const cluster = new Cluster(options, parts)
  for (const act of acts) cluster.take(act)
  cluster.rest()
  for (const [userId, { choice }] of cluster.newest) {
    const expected = choice.expiresAt === undefined ? choice.status : 'online'
    for (const { presence } of cluster.nodes) {
      if (presence.hasSession(userId)) expect(presence.choice(userId).status).toBe(expected)
    }
  }
  const kept = [...cluster.redis.load().registers].map(register => register.join(' ')).toSorted()
  for (const { fold } of cluster.nodes) {
    expect([...fold.registers()].map(register => register.join(' ')).toSorted()).toEqual(kept)
  }
  return USERS.filter(userId => isVisible(userId, cluster.nodes)).length
}

/** Whether all nodes show a user, or all do not. @throws Error if they differ, or are wrong */
function isVisible(userId: string, nodes: readonly ClusterNode[]): boolean {
  const homes = nodes.filter(({ presence }) => presence.hasSession(userId))
  // The nodes where the user has a session agree on the choice.
  const choices = new Set(homes.map(({ presence }) => JSON.stringify(presence.choice(userId))))
  expect([...choices].slice(1)).toEqual([])
  const choice = homes[0]?.presence.choice(userId) ?? NO_CHOICE
  const isIdle = homes.every(({ presence }) => presence.record(userId)?.idle === true)
  const sessions = homes.length === 0 ? 'none' : isIdle ? 'idle' : 'active'
  const { status } = presenceOf({ sessions, choice })
  const [first] = nodes as [ClusterNode]
  // A node that has loaded may not know when the status began. All others agree.
  const starts = new Set(nodes.map(({ presence }) => presence.see(userId).since))
  starts.delete(undefined)
  expect([...starts].slice(1)).toEqual([])
  for (const { id, presence, fold } of nodes) {
    expect(fold.fact(id, userId) !== undefined).toBe(presence.hasSession(userId))
    const seen = presence.see(userId)
    const { lastSeen, since: _, ...rest } = first.presence.see(userId)
    expect(seen).toMatchObject({ ...rest, userId, status })
    // The time of a visible user is a lower bound on other nodes.
    if (status === 'offline') expect(seen.lastSeen).toBe(lastSeen)
    expect(fold.of(userId)).toEqual(first.fold.of(userId))
    expect(seen.username).toEqual(seen.lastSeen === null ? undefined : fold.of(userId).username)
  }
  return status !== 'offline'
}
