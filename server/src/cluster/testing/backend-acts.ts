import type { UserId } from '@who-is-online/protocol/words'
import type { Choice } from '../../presence/choice.ts'
import { presenceOf } from '../../presence/fact.ts'
import { UNPACED } from '../../presence/pace.ts'
import type { Truth } from './oracle/truth.ts'
import { OPEN_USERS, type SimulatedCluster, USERS } from './simulated-cluster.ts'
import type { SimulatedNode } from './simulated-node.ts'

/** When the backend begins. The nodes are ready then. */
const FIRST_MS = 8_000

/** How soon a backend may set another status after one, in ms: the first one may not be in the log yet. */
const [SOON_MIN_MS, SOON_MAX_MS] = [1, 12]

/** When it sets the last ones, in ms after all others have stopped. No faults are left then. */
const AT_REST_MS = 15_000

/** How often each thing has happened that the simulation has to have. */
export interface BackendCounts {
  /** A choice was acknowledged, by a node without a session, of a user on another one. */
  elsewhere: number
  /** The same, and the user hides. */
  hidden: number
  /** It was acknowledged before the user has come. */
  ahead: number
  /** The answer was compared with what others see. */
  shown: number
  /** The user has left meanwhile. */
  gone: number
}

interface OpenAct {
  readonly userId: UserId
  readonly choice: Choice
  readonly node: SimulatedNode
}

/** A backend that sets the status of users, on any node: with and without a session, there or elsewhere. */
export class BackendActs {
  readonly counts: BackendCounts = { elsewhere: 0, hidden: 0, ahead: 0, shown: 0, gone: 0 }
  readonly #cluster: SimulatedCluster
  readonly #truth: Truth
  /** The newest choice of each user on each node that was not answered. */
  readonly #open = new Map<string, OpenAct>()

  constructor(cluster: SimulatedCluster, truth: Truth) {
    this.#cluster = cluster
    this.#truth = truth
  }

  start(): void {
    this.#cluster.time.after(FIRST_MS, () => this.#act())
  }

  #act(): void {
    const { time, random, isBusy } = this.#cluster
    if (!isBusy) return time.after(AT_REST_MS, () => this.#actAtRest())
    const nodes = this.#cluster.open()
    if (nodes.length > 0) {
      const [userId, node] = [random.pick(USERS), random.pick(nodes)]
      this.#choose(userId, node)
      if (random.chance(0.5)) {
        const next = random.chance(0.7) ? node : random.pick(nodes)
        time.after(random.between(SOON_MIN_MS, SOON_MAX_MS), () => {
          if (!next.isDead && !next.isStopped) this.#choose(userId, next)
        })
      }
    }
    time.after(random.between(20, 1_500), () => this.#act())
  }

  /** Sets two statuses of each user shortly after one another, on nodes without the user. Nothing else happens then. */
  #actAtRest(): void {
    const { time, random } = this.#cluster
    for (const userId of USERS) {
      const nodes = this.#cluster.open().filter(node => !node.presence.hasSession(userId))
      if (nodes.length === 0) continue
      const [first, second] = [random.pick(nodes), random.pick(nodes)]
      this.#choose(userId, first)
      time.after(random.between(SOON_MIN_MS, SOON_MAX_MS), () => this.#choose(userId, second))
    }
  }

  #choose(userId: UserId, node: SimulatedNode): void {
    const { random, redis } = this.#cluster
    const mayHide = !OPEN_USERS.includes(userId)
    const hidden = mayHide ? (['offline', 'offline'] as const) : []
    const status = random.pick([...hidden, 'online', 'busy', 'away'] as const)
    const expiresAt = random.chance(0.5) ? redis.rightClock + random.between(500, 15_000) : undefined
    const choice = { status, expiresAt } as const
    this.#cluster.note(`a backend sets ${JSON.stringify(choice)} of ${userId} on ${node.id}`)
    const isHere = node.presence.hasSession(userId)
    // A user who comes meanwhile may be seen before the choice is.
    const wasElsewhere = node.log.elsewhere.sessionsOf(userId) !== undefined
    const acknowledged = this.#truth.choices.set(userId, choice, node, this.#cluster.nodes)
    const key = `${node.id} ${userId}`
    const open = { userId, choice, node }
    this.#open.set(key, open)
    node.chooseFor(userId, choice, isSet => {
      if (this.#open.get(key) === open) this.#open.delete(key)
      this.#cluster.note(`${node.id} tells the backend of ${userId}: ${isSet}`)
      if (!isSet) {
        this.counts.gone++
        return
      }
      const certainty = acknowledged(this.#cluster.nodes)
      if (certainty === 'ahead') this.counts.ahead++
      if (certainty !== 'certain' || isHere) return
      this.counts.elsewhere++
      if (status === 'offline') this.counts.hidden++
      if (wasElsewhere) this.#checkShown(userId, choice, node)
    })
  }

  /** At rest, what becomes of each choice is known, unless it has ended while its node was cut off. */
  checkEnd(): void {
    for (const { userId, choice, node } of this.#open.values()) {
      if (choice.expiresAt === undefined && !node.isDead && !node.isStopped)
        this.#cluster.violated(`${node.id} has not told the backend what became of its choice for ${userId}`)
    }
  }

  /** The answer has what others see, unless the rate limit delays that, or a node reads late or Redis has lost it. */
  #checkShown(userId: UserId, choice: Choice, node: SimulatedNode): void {
    const { redis, nodes, options } = this.#cluster
    const isOver = choice.expiresAt !== undefined && choice.expiresAt <= redis.rightClock
    const isCalm = redis.isCalm && nodes.every(one => one.isCalm)
    if (isOver || !isCalm || options.changePace !== UNPACED) return
    this.counts.shown++
    const { status } = node.see(userId)
    const [active, idle] = (['active', 'idle'] as const).map(
      sessions => presenceOf({ sessions, choice }).status,
    )
    if (status !== active && status !== idle)
      this.#cluster.violated(`${node.id} answers ${status} for ${userId}, whose status is ${choice.status}`)
  }
}
