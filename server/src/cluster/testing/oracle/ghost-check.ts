import type { SimulatedCluster } from '../simulated-cluster.ts'
import { RECONNECT_MS } from '../simulated-redis.ts'
import type { Truth } from './truth.ts'

/**
 * The users of a node that has ended are gone so long after the last fault: 15 beats after `left`. They are counted
 * from the epoch that begins when the nodes have connected again.
 */
const GHOST_MS = RECONNECT_MS + 16_500

/**
 * No ghosts: the users of a node that has ended must go in time.
 *
 * @throws Violation if a node still shows them
 */
export function checkGhosts(cluster: SimulatedCluster, { endedAt, calmSince }: Truth): void {
  for (const { id, log, startedAt } of cluster.nodes) {
    for (const { id: node } of log.nodes) {
      const at = endedAt.get(node)
      if (at === undefined || [...log.usersOf(node)].length === 0) continue
      // A node that has started since counts its own beats, if those that had counted before have ended too.
      if (cluster.time.now <= Math.max(at, calmSince, startedAt) + GHOST_MS) continue
      cluster.violated(`${id} still shows users of ${node}, which has ended at ${at}`)
    }
  }
}
