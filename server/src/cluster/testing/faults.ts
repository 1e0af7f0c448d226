import type { Acts } from './acts.ts'
import type { Truth } from './oracle/truth.ts'
import { NODES, type SimulatedCluster } from './simulated-cluster.ts'
import type { SimulatedNode } from './simulated-node.ts'

/** When faults begin. Sometimes there is time without faults, in which the rate limit is exact. */
const FIRST_MS = [9_000, 9_000, 20_000] as const
/** How long a node that stops still runs, so that its clients connect to other nodes. */
const STOP_MS = 3_000

export const FAULTS = [
  'kill',
  'stop',
  'pause 1-5 s',
  'pause 10-25 s',
  'cut 0.5-4 s',
  'cut 10-25 s',
  'slow',
  'Redis hung',
  'Redis away',
  'Redis restarted empty',
  'Redis loses writes',
  'Redis flushed',
  'loss of packets',
  'silent connections',
] as const
export type Fault = (typeof FAULTS)[number]

/** What goes wrong. Each node knows how long its faults have effects, and the truth is told what is gone. */
export class Faults {
  readonly #cluster: SimulatedCluster
  readonly #truth: Truth
  readonly #acts: Acts
  /** How often each fault has happened. */
  readonly counts = new Map<Fault, number>()

  constructor(cluster: SimulatedCluster, truth: Truth, acts: Acts) {
    this.#cluster = cluster
    this.#truth = truth
    this.#acts = acts
  }

  start(): void {
    const { time, random } = this.#cluster
    time.after(random.pick(FIRST_MS), () => this.#next())
  }

  #next(): void {
    const { time, random, isBusy } = this.#cluster
    if (!isBusy) return
    this.#fault(random.pick(FAULTS))
    time.after(random.between(300, 5_000), () => this.#next())
  }

  #fault(fault: Fault): void {
    const { random, redis, nodes } = this.#cluster
    const node = random.pick(nodes)
    const isOfRedis = fault.startsWith('Redis')
    if (isOfRedis ? redis.state !== 'up' : !this.#canDisturb(node)) return
    if ((fault === 'kill' || fault === 'stop') && this.#cluster.running().length < 2) return
    const ms = this.#happen(fault, node)
    if (ms > 0) node.disturb(ms)
    this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1)
    this.#cluster.note(`FAULT ${fault} ${isOfRedis ? `until ${redis.faultUntil}` : `${node.id} ${ms}`}`)
  }

  #canDisturb({ isStopped, link }: SimulatedNode): boolean {
    const { now } = this.#cluster.time
    return !isStopped && link.pausedUntil <= now && link.cutUntil <= now
  }

  /** Returns how many ms this node is disturbed alone. */
  #happen(fault: Fault, node: SimulatedNode): number {
    const { random, redis } = this.#cluster
    const { now } = this.#cluster.time
    const { link } = node
    let ms = 0
    switch (fault) {
      case 'kill':
        this.#kill(node)
        break
      case 'stop':
        this.#stop(node)
        break
      case 'pause 1-5 s':
      case 'pause 10-25 s':
        ms = fault === 'pause 1-5 s' ? random.between(1_000, 5_000) : random.between(10_000, 25_000)
        link.pausedUntil = now + ms
        break
      case 'cut 0.5-4 s':
      case 'cut 10-25 s':
        ms = fault === 'cut 0.5-4 s' ? random.between(500, 4_000) : random.between(10_000, 25_000)
        link.cutUntil = now + ms
        break
      case 'slow':
        ms = random.between(1_000, 6_000)
        link.slowUntil = now + ms
        break
      case 'loss of packets':
        ms = random.between(1_000, 6_000)
        link.lossyUntil = now + ms
        break
      case 'silent connections':
        ms = 4_000
        link.silence()
        break
      case 'Redis hung':
        redis.hang(random.chance(0.7) ? random.between(500, 6_000) : random.between(6_000, 15_000))
        break
      case 'Redis away':
        this.#restart(0, random.chance(0.7) ? random.between(100, 3_000) : random.between(3_000, 15_000))
        break
      case 'Redis restarted empty':
        this.#restart('all', random.between(100, 3_000))
        break
      case 'Redis loses writes':
        this.#restart(random.between(1, 30), random.between(100, 3_000))
        if (random.chance(0.2)) this.#startAlone()
        break
      case 'Redis flushed':
        redis.flush()
        this.#truth.dataLost()
    }
    return ms
  }

  // Redis

  #restart(lost: number | 'all', ms: number): void {
    for (const node of this.#cluster.nodes) node.link.breakConnections()
    this.#cluster.redis.restart(ms, lost)
    this.#truth.dataLost()
  }

  /** A node starts before the others notice that Redis has restarted. */
  #startAlone(): void {
    const { time, random, redis, nodes } = this.#cluster
    if (nodes.length > NODES) return
    for (const node of nodes) {
      const ms = redis.faultUntil - time.now + random.pick([2_000, 16_000])
      node.link.cutUntil = Math.max(node.link.cutUntil, time.now + ms)
      node.disturb(ms)
    }
    this.#cluster.start()
  }

  // Nodes

  /** A node ends. Its clients notice, and another node starts. */
  #kill(node: SimulatedNode): void {
    const { time, random } = this.#cluster
    const users = new Set(Array.from(node.sessions.values(), ({ userId }) => userId))
    this.#cluster.kill(node)
    this.#truth.ended(node)
    for (const userId of users) {
      this.#truth.choices.ended(userId, this.#cluster.nodes, this.#cluster.hiddenUntil)
      this.#acts.comeBack(userId)
    }
    time.after(random.between(500, 4_000), () => this.#cluster.start())
  }

  /** The node tells that it stops. Its clients connect to other nodes, and then it ends. */
  #stop(node: SimulatedNode): void {
    node.stop()
    this.#cluster.note(`${node.id} stops`)
    this.#cluster.time.after(STOP_MS, () => {
      this.#cluster.note(`${node.id} ends`)
      this.#kill(node)
    })
  }
}
