import type { UserId } from '@who-is-online/protocol/words'
import { untoldMs } from '../../presence/lease.ts'
import { UNPACED } from '../../presence/pace.ts'
import type { Truth } from './oracle/truth.ts'
import { BOTS, type SimulatedCluster } from './simulated-cluster.ts'
import type { SimulatedNode } from './simulated-node.ts'
import { Random } from './virtual-time.ts'

/** The leases of the others end now and then. */
const [STEADY, ...OTHERS] = BOTS
const FIRST_MS = 8_500
const CHECK_MS = 250
/** A renewal on a calm node is read everywhere within this time. */
const PLACED_MS = 1_000
/** How long a node may show a user offline before a check, in ms: what it has read late. */
const OFFLINE_MS = 1_000
const MAX_TTL_MS = 30_000
/** A slow node reads the clock of Redis so wrongly. Renewals on two nodes that are closer together count as one. */
const SAME_MS = 600
const MAX_PAUSE_MS = 25_000
/** After the last fault and the last end of a node, what is left of that node is gone within this time. */
const SETTLED_MS = 25_000
/** A lease ends with the next tick of its node, and that is read everywhere. */
const ENDED_MS = 600

interface Lease {
  readonly userId: UserId
  readonly id: string
  readonly ttlMs: number
  readonly renewedAt: number
  readonly endsAt: number
  readonly node: SimulatedNode
  /** The lease that it has renewed. If its node ends before it has told that, the other one counts. */
  readonly before: Lease | undefined
  /** Whether all nodes know it, so that none may show the user as offline before its end. */
  isSure: boolean
  /** When Redis has lost what its node had told. Nodes that load before it is told again do not know it. */
  lostAt?: number | undefined
}

/** What was noted of a node. */
interface Noted {
  /** When it could last tell the others what it knew. */
  calmAt: number
  /** Whether it perhaps could not tell the others of a renewal, and until when it was paused then. */
  isUntold: boolean
  untoldUntil: number
  /** How often it has loaded, and when it has done so last. */
  loads: number
  loadedAt: number
}

/**
 * A backend that leases sessions, and renews them on any node. While a lease has not ended, nobody may see its user as
 * offline, whatever happens to its node, and after its end all nodes must.
 */
export class SimulatedLeases {
  readonly #cluster: SimulatedCluster
  readonly #truth: Truth
  /** Not the one of the cluster: with leases and without, a seed does the same. */
  readonly #random: Random
  readonly #leases = new Map<string, Lease>()
  /** Since when a node shows a user offline who has a lease. */
  readonly #offlineSince = new WeakMap<SimulatedNode, Map<UserId, number>>()
  readonly #noted = new WeakMap<SimulatedNode, Noted>()
  /** How often a renewal has gone to another node. */
  moved = 0

  constructor(cluster: SimulatedCluster, truth: Truth, seed: number) {
    this.#cluster = cluster
    this.#truth = truth
    this.#random = new Random(seed + 1_000_000)
  }

  start(): void {
    this.#cluster.time.after(FIRST_MS, () => {
      this.#act()
      this.#renewSteady()
      this.#check()
    })
  }

  /**
   * At rest, each lease is on one node, as in Redis, and all nodes show its user. Of a node that was paused for long,
   * one can be left: a suspension does not count.
   */
  checkEnd(): void {
    const { nodes, redis } = this.#cluster
    for (const userId of BOTS) {
      const here = nodes.flatMap(node => Object.keys(node.presence.present(userId).sessions))
      const inRedis = nodes.flatMap(({ id }) => Object.keys(redis.model.facts.get(id)?.get(userId)?.s ?? {}))
      if (new Set(here).size < here.length) this.#cluster.violated(`a lease of ${userId} is on two nodes`)
      if (userId === STEADY && here.length === 0) this.#cluster.violated(`the lease of ${userId} has ended`)
      if (here.join() !== inRedis.join())
        this.#cluster.violated(`${userId} has ${here.join()}, in Redis ${inRedis.join()}`)
      for (const node of nodes) {
        if (node.isPresent(userId) === here.length > 0 || this.#cluster.options.changePace !== UNPACED)
          continue
        this.#cluster.violated(`${node.id} shows ${userId} as ${node.see(userId).status} at the end`)
      }
    }
  }

  // What the backend does

  #act(): void {
    const { isBusy, time } = this.#cluster
    if (!isBusy) return
    const ttlMs = this.#random.pick([2_000, 4_000, 15_000, MAX_TTL_MS])
    this.#lease(this.#random.pick(OTHERS), this.#random.pick(['one', 'two']), ttlMs)
    time.after(this.#random.between(50, 1_500), () => this.#act())
  }

  #renewSteady(): void {
    this.#lease(STEADY, 'steady', 12_000)
    this.#cluster.time.after(this.#random.between(500, 4_000), () => this.#renewSteady())
  }

  #lease(userId: UserId, id: string, ttlMs: number): void {
    const { time } = this.#cluster
    const nodes = this.#cluster.open()
    if (nodes.length === 0) return
    const node = this.#random.pick(nodes)
    const activity = this.#random.chance(0.3) ? this.#random.pick(['active', 'idle'] as const) : undefined
    const isNew = node.lease(userId, id, { ttlMs, activity })
    if (isNew === 'stopping') return
    if (typeof isNew === 'string') this.#cluster.violated(`${node.id} refuses ${id} of ${userId}: ${isNew}`)
    this.#cluster.note(`${id} of ${userId} is leased on ${node.id} for ${ttlMs}`)
    const key = `${userId} ${id}`
    const before = this.#leases.get(key)
    if (before && before.node !== node && before.endsAt > time.now) this.moved++
    if (!this.#isCalm(node)) this.#notedOf(node).isUntold = true
    const isSure = before?.isSure === true && before.endsAt > time.now && this.#isCalm(node)
    const times = { ttlMs, renewedAt: time.now, endsAt: time.now + ttlMs }
    this.#leases.set(key, {
      userId,
      id,
      node,
      before: before && { ...before, before: undefined },
      ...times,
      isSure,
    })
  }

  // What must hold

  #isCalm(node: SimulatedNode): boolean {
    return this.#cluster.redis.isCalm && node.isCalm
  }

  #check(): void {
    for (const node of this.#cluster.nodes) this.#note(node)
    for (const lease of this.#leases.values()) {
      this.#look(lease)
      this.#checkOwned(lease)
    }
    for (const userId of BOTS) for (const node of this.#cluster.nodes) this.#checkUser(node, userId)
    this.#cluster.time.after(CHECK_MS, () => this.#check())
  }

  #note(node: SimulatedNode): void {
    const { now } = this.#cluster.time
    const noted = this.#notedOf(node)
    if (noted.loads !== node.loads) Object.assign(noted, { loads: node.loads, loadedAt: now })
    if (this.#isCalm(node)) Object.assign(noted, { calmAt: now, isUntold: false })
    else if (node.link.pausedUntil > now && noted.isUntold) noted.untoldUntil = node.link.pausedUntil
  }

  #notedOf(node: SimulatedNode): Noted {
    const noted = this.#noted.get(node) ?? {
      calmAt: 0,
      isUntold: false,
      untoldUntil: 0,
      loads: 0,
      loadedAt: 0,
    }
    this.#noted.set(node, noted)
    return noted
  }

  /** Whether all nodes know a lease. */
  #look(lease: Lease): void {
    const { nodes, redis, time } = this.#cluster
    const owners = this.#ownersOf(lease)
    // Redis may lose what only a dead node knew. If its clock was set, ends are not certain.
    if (redis.wasWrong || (!redis.isCalm && owners.length === 0)) lease.isSure = false
    if (owners.length > 0) {
      const toldAt = Math.max(...owners.map(node => this.#notedOf(node).calmAt))
      lease.lostAt = redis.losses.find(at => at >= toldAt)
    }
    if (lease.isSure || redis.wasWrong || !redis.isCalm || time.now < lease.renewedAt + PLACED_MS) return
    // If its node has ended before, nobody else may know of the renewal.
    if (!nodes.includes(lease.node)) return
    lease.isSure = nodes.every(node => node.isCalm && node.member.isReady && node.isPresent(lease.userId))
  }

  #ownersOf({ userId, id }: Lease): SimulatedNode[] {
    return this.#cluster.nodes.filter(({ presence }) => Object.hasOwn(presence.present(userId).sessions, id))
  }

  /** While all nodes live that ever had a lease, and Redis loses nothing, one of them has it until its end. */
  #checkOwned(lease: Lease): void {
    const { userId, id, node, renewedAt, endsAt, before } = lease
    const { nodes, redis, time } = this.#cluster
    const isSince = (at: number) => at >= renewedAt
    const isExcused =
      redis.wasWrong || redis.losses.some(isSince) || [...this.#truth.endedAt.values()].some(isSince)
    // Two renewals at the same time count as one.
    const isTie = before && before.node !== node && renewedAt - before.renewedAt < SAME_MS
    if (isExcused || isTie || time.now >= endsAt - SAME_MS || !nodes.includes(node)) return
    if (this.#ownersOf(lease).length === 0)
      this.#cluster.violated(`no node has ${id} of ${userId}, leased on ${node.id} until ${endsAt}`)
  }

  #checkUser(node: SimulatedNode, userId: UserId): void {
    const { time } = this.#cluster
    const own = [...this.#leases.values()].filter(lease => lease.userId === userId)
    const offline = this.#offlineSince.get(node) ?? new Map<UserId, number>()
    this.#offlineSince.set(node, offline)
    const { loadedAt } = this.#notedOf(node)
    const isDue = own.some(
      ({ isSure, endsAt, lostAt = loadedAt }) => isSure && endsAt > time.now && loadedAt <= lostAt,
    )
    const isWrong = isDue && this.#isCalm(node) && node.member.isReady && !node.isPresent(userId)
    if (!isWrong) offline.delete(userId)
    const since = offline.get(userId) ?? time.now
    if (isWrong) offline.set(userId, since)
    if (time.now - since > OFFLINE_MS)
      this.#cluster.violated(`${node.id} shows ${userId} offline, who has a lease`)
    if (own.every(lease => this.#isOver(lease)) && this.#isCalm(node) && node.isPresent(userId)) {
      this.#cluster.violated(`${node.id} still shows ${userId}, whose leases have ended`)
    }
  }

  /** Whether all nodes must have noticed that a lease has ended. */
  #isOver({ userId, node, renewedAt, ttlMs, endsAt, before }: Lease): boolean {
    const { redis, time, options, nodes } = this.#cluster
    if (redis.wasWrong || options.changePace !== UNPACED) return false
    const diedAt = this.#truth.endedAt.get(node.id) ?? Number.POSITIVE_INFINITY
    if (before && diedAt < renewedAt + PLACED_MS && !this.#isOver(before)) return false
    const troubles = [...this.#truth.endedAt.values(), ...nodes.map(({ startedAt }) => startedAt)]
    const trouble = Math.max(this.#truth.calmSince, ...troubles)
    if (trouble < renewedAt - SETTLED_MS) return time.now > endsAt + ENDED_MS
    const settled = Math.max(endsAt + untoldMs(ttlMs), trouble) + SETTLED_MS
    const kept = nodes.some(node => this.#mayKeep(node, userId)) ? trouble + MAX_TTL_MS + ENDED_MS : 0
    return time.now > Math.max(settled, kept)
  }

  /**
   * Whether a node was paused, for which no time has passed, and has leases of a user that nobody else knows: it could
   * not tell of a renewal, or Redis has lost meanwhile what the others have said.
   */
  #mayKeep(node: SimulatedNode, userId: UserId): boolean {
    const { pausedUntil } = node.link
    if (node.presence.present(userId).leases.length === 0) return false
    if (pausedUntil > 0 && this.#notedOf(node).untoldUntil === pausedUntil) return true
    return this.#cluster.redis.losses.some(at => at < pausedUntil && at > pausedUntil - MAX_PAUSE_MS)
  }
}
