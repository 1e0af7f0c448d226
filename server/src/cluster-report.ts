import { type NodeObserver, type NodeState, nameOf, type ReportedNode } from './cluster/node-state.ts'
import type { ClusterHealth } from './http/health.ts'
import type { Log } from './log.ts'

/** Tells the operator how a node stands in its cluster. */
export function clusterReport(
  node: Pick<ReportedNode, 'id' | 'state'>,
  log: Pick<Log, 'info' | 'error'>,
  unusable: (reason: string) => void,
): NodeObserver {
  return {
    unusable,
    failed: ({ text }) => log.error('Redis cannot be used', { error: text }),
    happened(event) {
      switch (event.what) {
        case 'away':
          log.error(
            node.state.isReady
              ? 'Redis does not answer: clients stay connected, and changes wait until it is back'
              : 'Redis does not answer: this node accepts clients when it has read all users from it',
            { error: node.state.lastFailure?.text },
          )
          break
        case 'back':
          log.info('Redis answers again')
          break
        case 'ready':
          log.info('this node knows all users of the cluster')
          break
        case 'loading':
          log.error(
            'the log does not continue where this node has read it, so it reads all users from Redis again',
          )
          break
        case 'epoch':
          log.info('an epoch has begun: all nodes tell what they know', { epoch: event.epoch })
          break
        case 'nodeLost': {
          const { node: id, about } = event
          const which = { node: nameOf({ id, about }), id }
          // That this node itself was lost is told by `lostMyself`.
          if (id === node.id) break
          if (about?.left !== undefined) log.info('a node has left the cluster', which)
          else log.error('a node is lost: its users go offline, unless they are on another node', which)
          break
        }
        case 'lostMyself':
          log.error('other nodes took this node for lost: it tells again what it knows')
          break
        default:
      }
    },
  }
}

/** How a node stands in its cluster, for `/readyz`. */
export function clusterHealth({ isReady, awayMs }: Pick<NodeState, 'isReady' | 'awayMs'>): ClusterHealth {
  if (!isReady) return { state: 'loading' }
  return awayMs === undefined ? { state: 'ok' } : { state: 'away', ms: awayMs }
}
