import type { UserId } from '@who-is-online/protocol/words'
import type { Choice, ShownPresence } from '../../../presence/choice.ts'
import { presenceOf } from '../../../presence/fact.ts'
import { KINDS } from '../../compose.ts'
import { isRemoval, type RegisterKey } from '../../entry.ts'
import { splitValue } from '../../registers.ts'
import { OPEN_USERS, type SimulatedCluster, USERS } from '../simulated-cluster.ts'
import type { SimulatedNode } from '../simulated-node.ts'
import type { Truth } from './truth.ts'
import { viewOf } from './view-check.ts'

/**
 * What must hold at the end, after the calm time: all nodes are at rest, they and Redis have the same, and all nodes
 * show what users have done.
 *
 * @throws Violation with what is wrong first
 */
export function checkEnd(cluster: SimulatedCluster, truth: Truth): void {
  new EndChecks(cluster, truth).check()
}

class EndChecks {
  readonly #cluster: SimulatedCluster
  readonly #truth: Truth

  constructor(cluster: SimulatedCluster, truth: Truth) {
    this.#cluster = cluster
    this.#truth = truth
  }

  check(): void {
    const { nodes, redis } = this.#cluster
    const places = this.#cluster.places()
    if (places.size > 1) this.#violated(`places ${[...places].join(' ')}`)
    for (const node of nodes) {
      this.#checkRest(node)
      const others = node.log.nodes.map(({ id }) => id)
      this.#checkNodes(others, `facts on ${node.id}`)
      for (const userId of USERS) this.#checkSessions(node, userId)
      this.#checkRegisters(node)
    }
    this.#checkNodes(redis.model.facts.keys(), 'facts in Redis')
    this.#checkNodes(redis.model.nodes.keys(), 'members in Redis')
    const eldest = nodes.filter(({ member }) => member.isEldest)
    if (eldest.length !== 1) this.#violated(`${eldest.length} nodes are the eldest`)
    for (const userId of USERS) this.#checkUser(userId)
    this.#truth.kicks.checkEnd()
  }

  // What nodes and Redis have

  #checkRest({ id, member }: SimulatedNode): void {
    const { isReady, isAway, isQuiet, place } = member
    const canResume = place !== undefined && member.canResumeFrom(place)
    if (isReady && !isAway && isQuiet && canResume) return
    this.#violated(`${id} is not at rest: ${JSON.stringify({ isReady, isAway, isQuiet, canResume })}`)
  }

  /** Nothing is left of nodes that have ended. */
  #checkNodes(ids: Iterable<string>, what: string): void {
    const alive = this.#cluster.nodes.map(({ id }) => id)
    for (const id of ids) if (!alive.includes(id)) this.#violated(`${id} is gone, but is in ${what}`)
  }

  /** What the sessions are, what the node has, and what Redis has, is the same. */
  #checkSessions(node: SimulatedNode, userId: UserId): void {
    const { sessions, redis } = this.#cluster
    const own = [...sessions].filter(one => one.node === node && one.userId === userId && !one.isOver)
    const idsOf = (all: Iterable<string>) => [...all].sort().join(' ')
    const truth = idsOf(own.map(({ id }) => id))
    const here = idsOf(Object.keys(node.presence.present(userId).sessions))
    const inRedis = idsOf(Object.keys(redis.model.facts.get(node.id)?.get(userId)?.s ?? {}))
    if (truth === here && truth === inRedis) return
    this.#violated(`${userId} on ${node.id}: has ${truth}, on the node ${here}, in Redis ${inRedis}`)
  }

  #checkRegisters({ id, log }: SimulatedNode): void {
    const { registers } = this.#cluster.redis.model
    for (const key of USERS.flatMap(userId => KINDS.map(kind => `${kind}:${userId}` as const))) {
      // The log still has the values that have removed registers, to write them back. Redis has none of them.
      const [value, inRedis] = [log.register(key), registers.get(key)]
      const here = value !== undefined && isRemoval(value) ? undefined : value
      if (here === inRedis || (!this.#counts(key, here) && !this.#counts(key, inRedis))) continue
      this.#violated(`register ${key} on ${id}: ${here}, in Redis ${inRedis}`)
    }
  }

  /**
   * Whether a register makes a difference. After Redis has gone back, a node has passed the places of entries that it
   * has not read. If the node that wrote them has ended, nobody says again that the choice of a user has ended who has
   * no session any more.
   */
  #counts(key: RegisterKey, value: string | undefined): boolean {
    const { redis, nodes } = this.#cluster
    const userId = key.slice(2)
    const isChoice = key.startsWith('c:') || key.startsWith('v:')
    if (!isChoice || redis.losses.length === 0 || nodes.some(({ presence }) => presence.hasSession(userId)))
      return true
    if (key.startsWith('v:')) return false
    const { status, expiresAt } = JSON.parse(splitValue(value)?.json ?? '{}') as Partial<Choice>
    return expiresAt === undefined ? status === 'offline' : expiresAt > redis.rightClock
  }

  // What nodes show

  /** All nodes show a user as the sessions and choices are. */
  #checkUser(userId: UserId): void {
    const { nodes } = this.#cluster
    const due = this.#dueOf(userId)
    const views = nodes.map(node => viewOf(node, userId))
    if (new Set(views).size > 1) this.#violated(`the nodes show ${[...new Set(views)].join(' and ')}`)
    for (const node of nodes) {
      const { status, text, expiresAt } = node.see(userId)
      const isSame = status === due.status && text === due.text && expiresAt === due.expiresAt
      if (!isSame && !this.#isPaced(userId))
        this.#violated(`${node.id} shows ${views[0]} instead of ${JSON.stringify(due)}`)
      this.#checkLastSeen(node, userId)
      this.#checkName(node, userId)
    }
  }

  /** Whether the change to offline waits for the rate limit, which a pause of the node makes longer. */
  #isPaced(userId: UserId): boolean {
    const isLeaving = ({ presence }: SimulatedNode) =>
      presence.present(userId).isHere && !presence.hasSession(userId)
    return this.#cluster.options.changePace.everyMs > 0 && this.#cluster.nodes.some(isLeaving)
  }

  /** What nodes must show of a user. The nodes where the user is must agree about the choice. */
  #dueOf(userId: UserId): ShownPresence {
    const { nodes, redis } = this.#cluster
    const homes = nodes.filter(({ presence }) => presence.hasSession(userId))
    const ids = homes.flatMap(({ presence }) => Object.keys(presence.present(userId).sessions))
    if (new Set(ids).size < ids.length) this.#violated(`a session of ${userId} is on two nodes`)
    const choices = new Set(homes.map(({ presence }) => JSON.stringify(presence.choice(userId))))
    const choice = homes[0]?.presence.choice(userId)
    const certain = choice && this.#truth.choices.atRest(userId, redis.rightClock)
    if (certain) choices.add(JSON.stringify({ ...choice, ...certain }))
    if (choices.size > 1) this.#violated(`the choices of ${userId} are ${[...choices].join(' and ')}`)
    const isIdle = homes.every(({ presence }) => presence.record(userId)?.idle === true)
    const sessions = homes.length === 0 ? 'none' : isIdle ? 'idle' : 'active'
    return presenceOf({ sessions, choice: choice ?? { status: 'online' } })
  }

  /** A user who is offline was not last seen before the last sign of life that was told. */
  #checkLastSeen(node: SimulatedNode, userId: UserId): void {
    const { status, lastSeen } = node.see(userId)
    // Nodes count on signs of life by the time of Redis, which was wrong then.
    if (!OPEN_USERS.includes(userId) || status !== 'offline' || this.#cluster.redis.wasWrong) return
    const told = this.#truth.signs.of(userId)
    if ((lastSeen ?? 0) >= told) return
    this.#violated(`${userId} was last seen at ${lastSeen}, but a sign of life at ${told} was told`)
  }

  #checkName(node: SimulatedNode, userId: UserId): void {
    // A name may wait on its node, while the user is hidden or has changed too often.
    const isSaidAtOnce = OPEN_USERS.includes(userId) && this.#cluster.options.changePace.everyMs === 0
    const allowed = this.#truth.names.allowed(userId, isSaidAtOnce)
    const { username } = node.see(userId)
    if (username === undefined || !allowed || allowed.includes(username)) return
    this.#violated(`${userId} is named ${username} instead of ${allowed.join(' or ')}`)
  }

  #violated(what: string): never {
    return this.#cluster.violated(what)
  }
}
