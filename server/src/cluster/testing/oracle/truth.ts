import type { UserId } from '@who-is-online/protocol/words'
import type { NodeId } from '../../entry.ts'
import type { SimulatedCluster } from '../simulated-cluster.ts'
import type { SimulatedNode } from '../simulated-node.ts'
import { ChoiceTruth } from './choice-truth.ts'
import { KickTruth } from './kick-truth.ts'
import { NameTruth } from './name-truth.ts'
import { SignTruth } from './sign-truth.ts'

/**
 * What is known for certain, beside the sessions of the cluster: what users have done, and what has happened to the
 * nodes. What is not certain, it leaves out, so that no check asks for it.
 */
export class Truth {
  readonly choices: ChoiceTruth
  readonly names: NameTruth
  readonly kicks: KickTruth
  readonly signs: SignTruth
  /** When each epoch began. */
  readonly epochs = new Map<number, number>()
  /** When nodes have ended. */
  readonly endedAt = new Map<NodeId, number>()
  /** Until when nodes that have ended had a fault. After it they may have begun an epoch, in which all count again. */
  #goneFaultUntil = Number.NEGATIVE_INFINITY
  readonly #cluster: SimulatedCluster

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
    this.choices = new ChoiceTruth(() => cluster.time.now)
    this.names = new NameTruth(cluster)
    this.kicks = new KickTruth(cluster, this.epochs)
    this.signs = new SignTruth(cluster)
  }

  /** Redis may have lost data, or what only one node knew is gone with it. */
  dataLost(): void {
    this.signs.clear()
    this.names.forgetGone()
  }

  /**
   * A session of a user begins or has ended on a node. A node that stands still while Redis loses its data is no member
   * until it runs again. Others that have not read its entries before don't know that the user is there.
   */
  endsUnknown(userId: UserId, node: SimulatedNode): void {
    if (node.presence.hasSession(userId) || node.log.elsewhere.isPresent(userId)) return
    this.choices.endedWithout(userId, home => this.#cluster.redis.model.nodes.has(home.id))
  }

  /** A node has ended. */
  ended(node: SimulatedNode): void {
    const { now } = this.#cluster.time
    this.endedAt.set(node.id, now)
    this.#goneFaultUntil = Math.max(this.#goneFaultUntil, Math.min(node.faults.until, now))
    this.dataLost()
  }

  /** Since when there is no fault that lets nodes count again: of Redis, of a node, or of a node that has ended. */
  get calmSince(): number {
    const faults = this.#cluster.nodes.map(node => node.faults.until)
    return Math.max(this.#cluster.redis.faultUntil, this.#goneFaultUntil, ...faults)
  }

  /** Notes that an epoch has begun. The first node that reads it tells when. */
  began(epoch: number): void {
    if (!this.epochs.has(epoch)) this.epochs.set(epoch, this.#cluster.time.now)
  }
}
