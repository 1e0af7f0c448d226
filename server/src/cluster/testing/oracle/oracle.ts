import type { NumberedChange } from '../../../changes/feed.ts'
import type { StreamCommand } from '../../../changes/stream-keeper.ts'
import type { MemberEvent } from '../../command.ts'
import type { Entry, NodeFact, NodeId, Place } from '../../entry.ts'
import { isBefore } from '../../place.ts'
import type { MovingClients } from '../moving-clients.ts'
import type { ClusterListener, SimulatedCluster } from '../simulated-cluster.ts'
import type { Session, SimulatedNode } from '../simulated-node.ts'
import { ChangeCheck } from './change-check.ts'
import { checkGhosts } from './ghost-check.ts'
import { OfflineCheck } from './offline-check.ts'
import { StreamCheck } from './stream-check.ts'
import type { Truth } from './truth.ts'
import { ViewCheck } from './view-check.ts'

/** How often it looks at what must hold at any time. */
const CHECK_MS = 250

/** What must hold during the run. Tells the truth and the checks what happens, and each throws what is wrong. */
export class Oracle implements ClusterListener {
  readonly #cluster: SimulatedCluster
  readonly #truth: Truth
  readonly #clients: MovingClients
  readonly #views: ViewCheck
  readonly #offline: OfflineCheck
  readonly #changes: ChangeCheck
  readonly stream: StreamCheck
  /** The last entry that each node has read. */
  readonly #entries = new WeakMap<SimulatedNode, Entry>()
  /** How many entries were applied, on all nodes. */
  applied = 0

  constructor(cluster: SimulatedCluster, truth: Truth, clients: MovingClients) {
    this.#cluster = cluster
    this.#truth = truth
    this.#clients = clients
    this.#views = new ViewCheck(cluster, truth.choices)
    this.#offline = new OfflineCheck(cluster, truth.epochs)
    this.#changes = new ChangeCheck(cluster)
    this.stream = new StreamCheck(cluster)
  }

  /** Looks now, and from then on again and again. */
  start(): void {
    this.#check()
    this.#cluster.time.after(CHECK_MS, () => this.start())
  }

  happened(node: SimulatedNode, event: MemberEvent): void {
    const { what } = event
    if (what !== 'entry' && what !== 'placed' && what !== 'beat' && what !== 'reached') {
      this.#cluster.note(`${node.id} ${JSON.stringify(what === 'loaded' ? { what } : event)}`)
    }
    switch (what) {
      case 'entry':
        this.#applied(node, event.entry)
        break
      case 'reached':
        this.#reached(node, event.place)
        break
      case 'loaded':
        this.#loaded(node, event.loaded.facts)
        break
      case 'epoch':
        this.#truth.began(event.epoch)
        break
      case 'nodeLost':
        this.#truth.choices.lost(event.node)
        this.#offline.lost(node, event.node)
        break
      case 'ready':
        this.#offline.checkReady(node)
    }
  }

  changed(node: SimulatedNode, changes: readonly NumberedChange[]): void {
    for (const change of changes) {
      const { userId, status, previousStatus, seq } = change
      this.#changes.numbered(node, seq)
      this.#changes.same(node, change)
      if (status === 'offline' && previousStatus !== 'offline') this.#offline.becameOffline(node, userId)
    }
    const entry = this.#entries.get(node)
    if (entry) this.#changes.count(entry, changes)
    this.#clients.told(node)
  }

  stored(node: SimulatedNode, command: StreamCommand): void {
    this.stream.stored(node, command)
  }

  ended(session: Session): void {
    const { id, userId, node, hasLeft } = session
    const { nodes, newest, hiddenUntil } = this.#cluster
    this.#cluster.note(`${id} of ${userId} ends on ${node.id}`)
    if (hasLeft) this.#truth.choices.left(userId)
    // A session that has moved may have been left there.
    const isLost = !hasLeft && newest.get(id) === session
    this.#truth.choices.ended(userId, nodes, isLost ? hiddenUntil : undefined)
    this.#truth.endsUnknown(userId, node)
  }

  #applied(node: SimulatedNode, entry: Entry): void {
    this.#entries.set(node, entry)
    this.applied++
    for (const [, fact] of entry.body.facts) if (fact) this.#offline.read(node, entry.node, fact)
    if (entry.kind === 'end') this.#offline.asserted(node, entry.node)
  }

  #reached(node: SimulatedNode, place: Place): void {
    const entry = this.#entries.get(node)
    if (!entry) return
    const { registers } = entry.body
    if (registers.length > 0) this.#truth.choices.read(node)
    for (const [key] of registers) if (key.startsWith('n:')) this.#truth.names.read(key.slice(2))
    this.#views.checkHidden(node)
    this.#views.compare(node, entry, place)
    this.stream.reached(node, entry, place)
  }

  #loaded(node: SimulatedNode, facts: ReadonlyMap<NodeId, ReadonlyMap<string, NodeFact>>): void {
    // It drops the facts that Redis has lost together with their node.
    this.#truth.signs.clear()
    this.#views.loaded(node)
    this.stream.loaded(node)
    for (const [from, said] of facts) for (const fact of said.values()) this.#offline.read(node, from, fact)
    this.#truth.choices.read(node)
  }

  #check(): void {
    const { nodes, redis, time } = this.#cluster
    const { end } = redis.model
    for (const node of nodes) {
      if (end && node.member.place && !isBefore(node.member.place, end)) node.caughtUpAt = time.now
    }
    checkGhosts(this.#cluster, this.#truth)
    this.#truth.signs.look()
    this.#offline.check()
  }
}
