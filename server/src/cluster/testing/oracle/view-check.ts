import type { UserId } from '@who-is-online/protocol/words'
import type { Entry, Place } from '../../entry.ts'
import { toldOf } from '../simulated-client.ts'
import { SHOWN_USERS, type SimulatedCluster } from '../simulated-cluster.ts'
import type { SimulatedNode } from '../simulated-node.ts'
import type { ChoiceTruth } from './choice-truth.ts'

/** All that others see of a user on a node. The time of a visible user is only a lower bound. */
export function viewOf(node: SimulatedNode, userId: UserId): string {
  const seen = node.see(userId)
  const { status, username, lastSeen } = seen
  if (status !== 'offline') return `${userId} ${toldOf(seen)}`
  return `${userId} ${toldOf(seen)} ${username} seen ${lastSeen}`
}

/** The end of the view of a user who is offline. */
const LAST_SEEN = / seen \w+$/

/** One truth: all nodes show the same at the same place of the log, and none shows a user who hides. */
export class ViewCheck {
  readonly #cluster: SimulatedCluster
  readonly #choices: ChoiceTruth
  /** What settled nodes show after an entry. */
  readonly #shownAt = new WeakMap<Entry, { readonly node: string; readonly views: readonly string[] }>()
  /** What each node shows, as long as no entry changes that. */
  readonly #views = new WeakMap<SimulatedNode, readonly string[]>()

  constructor(cluster: SimulatedCluster, choices: ChoiceTruth) {
    this.#cluster = cluster
    this.#choices = choices
  }

  /** A node has loaded what Redis has, and may show something else now. */
  loaded(node: SimulatedNode): void {
    this.#views.delete(node)
  }

  /** A node that has read that a user hides must not show the user. */
  checkHidden(node: SimulatedNode): void {
    const { rightClock, wasWrong } = this.#cluster.redis
    for (const { userId, knownBy } of this.#choices.hidden(rightClock, wasWrong)) {
      if (!knownBy.has(node) || !node.isPresent(userId)) continue
      this.#cluster.violated(`${node.id} shows ${userId}, who hides`)
    }
  }

  /** Compares what a node shows with what all others show at the same place, after the same entry. */
  compare(node: SimulatedNode, entry: Entry, place: Place): void {
    const { facts, registers } = entry.body
    if (facts.length > 0 || registers.length > 0 || entry.kind !== 'beat') this.#views.delete(node)
    if (!node.member.canResumeFrom(place)) return
    const views = this.#views.get(node) ?? SHOWN_USERS.map(userId => viewOf(node, userId))
    this.#views.set(node, views)
    const other = this.#shownAt.get(entry)
    if (!other) {
      this.#shownAt.set(entry, { node: node.id, views })
      return
    }
    const [one, two] = [this.#comparable(other.views), this.#comparable(views)]
    if (one === two) return
    this.#cluster.violated(
      `at ${JSON.stringify(place)} ${other.node} shows\n${one}\nbut ${node.id} shows\n${two}`,
    )
  }

  /** Once the clock of Redis was wrong, nodes may differ about the last sign of life of a user who is offline. */
  #comparable(views: readonly string[]): string {
    const { wasWrong } = this.#cluster.redis
    return views.map(view => (wasWrong ? view.replace(LAST_SEEN, '') : view)).join('\n')
  }
}
