import { type Engine, type RunningRedis, startRedis } from '@who-is-online/testing/start-redis'
import { pause } from './crowd-of.ts'
import { redisCommand } from './redis-command.ts'

/** A Redis that consists of several processes, of which one can take over from another. */
export interface ReplicatedRedis {
  /** For `REDIS_URL`. */
  readonly url: string
  /** The master that has the keys of the nodes. */
  readonly master: RunningRedis
  /** Resolves when a client can write the keys of the nodes to another process than the master. */
  readonly takenOver: () => Promise<void>
  readonly stop: () => Promise<void>
}

/** How long an election, and what depends on it, may take, in ms. The machine may be busy. */
const PATIENCE_MS = 60_000
const LOOK_MS = 20
/** After how long without an answer a master counts as failed, in ms. */
const DOWN_AFTER_MS = 2_000
/** A key in the slot of the keys of the nodes, which they do not use. */
const PROBE = 'probe{wio}'

/** A master and two replicas, and three sentinels, of which two must agree. */
export async function startSentinels(engine: Engine): Promise<ReplicatedRedis> {
  const all: RunningRedis[] = []
  try {
    const start = async (...args: string[]) => added(all, await startRedis(engine, args))
    const master = await start()
    const replicaOf = ['--replicaof', `127.0.0.1 ${master.port}`]
    const replicas = [await start(...replicaOf), await start(...replicaOf)]
    const sentinels = await Promise.all([1, 2, 3].map(() => start('--sentinel')))
    for (const { port } of sentinels) {
      await redisCommand(port, 'SENTINEL', 'MONITOR', 'main', '127.0.0.1', `${master.port}`, '2')
      const times = ['down-after-milliseconds', `${DOWN_AFTER_MS}`, 'failover-timeout', '6000']
      await redisCommand(port, 'SENTINEL', 'SET', 'main', ...times)
    }
    for (const { port } of sentinels) {
      await until('the sentinels know each other and the replicas', async () => {
        const text = await redisCommand(port, 'INFO', 'sentinel')
        return text.includes('slaves=2,sentinels=3')
      })
    }
    await until('the replicas have the content', async () => {
      return (await redisCommand(master.port, 'INFO', 'replication')).match(/state=online/g)?.length === 2
    })
    return {
      url: `redis-sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/main`,
      master,
      takenOver: () => writable(replicas),
      stop: () => stopAll(all),
    }
  } catch (error) {
    await stopAll(all)
    throw error
  }
}

/** Three masters, each with a third of the slots, and a replica of each. */
export async function startRedisCluster(engine: Engine): Promise<ReplicatedRedis> {
  const all: RunningRedis[] = []
  try {
    const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', `${DOWN_AFTER_MS}`]
    for (let i = 0; i < 6; i++) added(all, await startRedis(engine, args))
    const first = all[0] as RunningRedis
    const masters = all.slice(0, 3)
    const replicas = all.slice(3)
    for (const [i, { port }] of masters.entries()) {
      const [from, to] = slotsOf(i)
      await redisCommand(port, 'CLUSTER', 'ADDSLOTSRANGE', `${from}`, `${to}`)
    }
    // Epochs that differ from the beginning: otherwise the masters must settle that first.
    for (const [i, { port }] of all.entries()) {
      await redisCommand(port, 'CLUSTER', 'SET-CONFIG-EPOCH', `${i + 1}`)
    }
    for (const { port } of all.slice(1)) {
      await redisCommand(first.port, 'CLUSTER', 'MEET', '127.0.0.1', `${port}`)
    }
    for (const [i, { port }] of replicas.entries()) {
      const master = masters[i] as RunningRedis
      const id = bulk(await redisCommand(master.port, 'CLUSTER', 'MYID'))
      await until('a replica knows its master', async () =>
        (await redisCommand(port, 'CLUSTER', 'NODES')).includes(id),
      )
      await redisCommand(port, 'CLUSTER', 'REPLICATE', id)
    }
    for (const { port } of all) {
      await until('all know all', async () => {
        const nodes = await redisCommand(port, 'CLUSTER', 'NODES')
        const isOk = (await redisCommand(port, 'CLUSTER', 'INFO')).includes('cluster_state:ok')
        return isOk && (nodes.match(/slave [0-9a-f]{40} /g)?.length ?? 0) === 3
      })
    }
    for (const { port } of masters) {
      await until('each replica has the content', async () =>
        (await redisCommand(port, 'INFO', 'replication')).includes('state=online'),
      )
    }
    const slot = Number((await redisCommand(first.port, 'CLUSTER', 'KEYSLOT', PROBE)).slice(1))
    const index = [0, 1, 2].find(i => slotsOf(i)[1] >= slot) ?? 0
    return {
      url: `redis-cluster://${masters.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
      master: masters[index] as RunningRedis,
      takenOver: () => writable(replicas),
      stop: () => stopAll(all),
    }
  } catch (error) {
    await stopAll(all)
    throw error
  }
}

/** The first and the last slot of a master. */
function slotsOf(index: number): [number, number] {
  const third = 5_461
  return [index * third, index === 2 ? 16_383 : (index + 1) * third - 1]
}

async function writable(replicas: readonly RunningRedis[]): Promise<void> {
  await until('a replica has taken over', async () => {
    const tries = replicas.map(({ port }) => redisCommand(port, 'SET', PROBE, '1').catch(() => ''))
    return (await Promise.all(tries)).includes('+OK')
  })
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const begun = performance.now()
  while (!(await isSo())) {
    if (performance.now() - begun > PATIENCE_MS) throw new Error(`not after ${PATIENCE_MS} ms: ${what}`)
    await pause(LOOK_MS)
  }
}

function added(all: RunningRedis[], redis: RunningRedis): RunningRedis {
  all.push(redis)
  return redis
}

/** The text of a bulk string: after the line with its length. */
function bulk(answer: string): string {
  return answer.split('\r\n')[1] ?? ''
}

async function stopAll(all: readonly RunningRedis[]): Promise<void> {
  for (const redis of all) redis.resume()
  await Promise.all(all.map(redis => redis.stop()))
}
