import { startCluster } from '@who-is-online/testing/start-cluster'
import type { Engine } from '@who-is-online/testing/start-redis'
import type { StartStage } from './run.ts'
import { settingsOf } from './single-stage.ts'

const NODES = 3

/** Three nodes that share a Redis. One of them is killed or stopped, and starts again, while the others go on. */
export const startThree =
  (engine: Engine): StartStage =>
  async webhookUrl => {
    const cluster = await startCluster(engine, NODES, { settings: settingsOf(webhookUrl) })
    const gone = new Set<number>()
    return {
      servers: () => cluster.nodes.filter((_, index) => !gone.has(index)),
      async restart(random) {
        const index = Math.floor(random() * NODES)
        const signal = random() < 0.6 ? 'SIGKILL' : 'SIGTERM'
        gone.add(index)
        await cluster.nodes[index]?.end(signal)
        await cluster.start(index)
        gone.delete(index)
        return `${signal} of node ${index + 1}`
      },
      stop: () => cluster.stop(),
    }
  }
