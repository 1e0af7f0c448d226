import type { RunningNodes } from '@who-is-online/testing/start-cluster'
import type { RunningServer } from '@who-is-online/testing/start-server'
import { Crowd, CrowdUser, Observer } from './crowd.ts'

/** Limits that a crowd from one machine would meet. */
export const CROWD_SETTINGS = {
  HANDSHAKES_PER_SECOND: 3_000,
  // All nodes have just started, so a killed one would be missed only after this time.
  RESTART_GRACE_MS: 0,
  LOG_LEVEL: 'info',
} as const

/** A crowd on the nodes of a cluster, as a balancer spreads it: a client never goes to a node that is `down`. */
export function crowdOf(cluster: Pick<RunningNodes, 'nodes'>, size: number, name = 'user') {
  const down = new Set<RunningServer>()
  let turn = 0
  const pick = (): string => {
    const up = cluster.nodes.filter(node => !down.has(node))
    return up[turn++ % up.length]?.url ?? ''
  }
  const users = Array.from({ length: size }, (_, i) => new CrowdUser(`${name}-${i}`, pick))
  const observers = cluster.nodes.map(({ url }) => new Observer(url))
  return { crowd: new Crowd(users, observers), down }
}

export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
