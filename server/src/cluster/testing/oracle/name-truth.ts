import type { UserId } from '@who-is-online/protocol/words'
import { splitValue } from '../../registers.ts'
import type { SimulatedCluster } from '../simulated-cluster.ts'

/**
 * Of two choices on two nodes, the later one may have the smaller stamp. Each node asks Redis for the time within 3 s,
 * and is wrong by half of that at most.
 */
const SAME_TIME_MS = 3_000

/** The names that a user may have. */
interface Names {
  /** All names that were ever set. */
  readonly all: Set<string>
  /** The last one that all nodes were told, and those that were set since then; `undefined` if nobody may know it. */
  newest: { readonly name: string; readonly at: number }[] | undefined
}

/** Which names users may have. */
export class NameTruth {
  readonly #cluster: SimulatedCluster
  readonly #names = new Map<UserId, Names>()

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
  }

  /** A node is told the name of a user. */
  set(userId: UserId, name: string): void {
    const names = this.#names.get(userId) ?? { all: new Set<string>(), newest: [] }
    this.#names.set(userId, names)
    names.all.add(name)
    names.newest?.push({ name, at: this.#cluster.time.now })
  }

  /** A name that a node shows was placed. */
  read(userId: UserId): void {
    const names = this.#names.get(userId)
    const { redis } = this.#cluster
    // With a clock that was set back, a name may win against a later one whose node did not know it.
    if (!names || redis.wasWrong) return
    const name = nameOf(redis.model.registers.get(`n:${userId}`))
    const all = names.newest ?? []
    const placed = all.findLast(one => one.name === name)
    if (placed)
      names.newest = [placed, ...all.filter(({ at }) => at > placed.at - SAME_TIME_MS && at !== placed.at)]
  }

  /** Finds names that nobody knows any more: Redis has lost its data, or a node is gone. */
  forgetGone(): void {
    const { redis, nodes } = this.#cluster
    for (const [userId, names] of this.#names) {
      const key = `n:${userId}` as const
      const values = [redis.model.registers.get(key), ...nodes.map(({ log }) => log.register(key))]
      const name = names.newest?.[0]?.name
      if (name !== undefined && !values.map(nameOf).includes(name)) names.newest = undefined
    }
  }

  /**
   * The names that a user may have now; `undefined` if none was ever set.
   *
   * @param isSaidAtOnce whether no name of the user waits on its node
   */
  allowed(userId: UserId, isSaidAtOnce: boolean): readonly string[] | undefined {
    const names = this.#names.get(userId)
    if (isSaidAtOnce && names?.newest) return names.newest.map(({ name }) => name)
    return names && [...names.all]
  }
}

/** The name in the value of a register. */
function nameOf(value: string | undefined): string | undefined {
  const json = splitValue(value)?.json
  return json === undefined ? undefined : (JSON.parse(json) ?? undefined)
}
