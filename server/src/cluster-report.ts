import type { NodeObserver, NodeState } from './cluster/node-state.ts'
import type { ClusterHealth } from './http/health.ts'
import type { Log } from './log.ts'

/** Tells the operator how a node stands in its cluster. */
export function clusterReport(
  node: { readonly state: NodeState },
  log: Pick<Log, 'info' | 'error'>,
  unusable: (reason: string) => void,
): NodeObserver {
  return {
    unusable,
    failed: ({ text }) => log.error('Redis can not be used', { error: text }),
    happened(event) {
      switch (event.what) {
        case 'away':
          log.error('Redis does not answer: clients stay connected, and changes wait until it is back', {
            error: node.state.lastFailure?.text,
          })
          break
        case 'back':
          log.info('Redis answers again')
          break
        case 'ready':
          log.info('this node knows all users of the cluster')
          break
        case 'loading':
          log.error('this node was away for too long: it reads all users from Redis again')
          break
        case 'epoch':
          log.info('an epoch has begun: all nodes tell what they know', { epoch: event.epoch })
          break
        case 'nodeLost':
          log.info('a node has left the cluster', { node: event.node })
          break
        case 'lostMyself':
          log.error('other nodes took this node for lost: it tells again what it knows')
          break
        default:
      }
    },
  }
}

/** How a node stands in its cluster, at this time of the steady clock. */
export function clusterHealth({ isReady, awaySince }: NodeState, now: number): ClusterHealth {
  if (!isReady) return { state: 'loading' }
  return awaySince === undefined ? { state: 'ok' } : { state: 'away', ms: now - awaySince }
}
