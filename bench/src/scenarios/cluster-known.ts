import { setTimeout as sleep } from 'node:timers/promises'
import type { Engine } from '@who-is-online/testing/start-redis'
import { redisKeys } from '../../../server/src/cluster/append.ts'
import { joinValue } from '../../../server/src/cluster/registers.ts'
import { ClusterStage } from '../cluster-stage.ts'
import { type Contender, ours } from '../contenders/contenders.ts'
import type { Run } from '../figures.ts'
import { idOf } from '../known-users.ts'
import type { RawRedis } from '../raw-redis.ts'
import { SMALL_YOUNG_GENERATION } from './idle.ts'
import { measureKnown } from './known.ts'
import type { Scenario, Size } from './scenario.ts'
import { type Point, slope } from './slope.ts'

const sizesOf = { full: [50_000, 200_000], quick: [1_000, 5_000] }

/**
 * How long a node is left alone before its memory is read, in ms. What it needed only while it loaded is given back to
 * the system after some seconds, and not in all runs at the same time.
 */
const settleMsOf = { full: 10_000, quick: 0 }

/** The contenders: a single server, a node of a cluster, and the Redis of that cluster. */
const SINGLE = 'single'
const NODE = 'a node'
const REDIS = 'Redis'

/** How many rows a command writes. */
const ROWS_AT_ONCE = 1_000

/** `REDIS_PREFIX`, if it is not set. */
const PREFIX = 'wio'

/** Known offline users: what a node keeps of each, and what Redis keeps; and how long a start with them takes. */
export function clusterKnown(size: Size, engine: Engine): Scenario {
  const sizes = sizesOf[size]
  const most = (sizes.at(-1) ?? 0).toLocaleString('en-US')
  return {
    name: 'cluster',
    title: 'Known users of a cluster',
    contenders: [SINGLE, NODE, REDIS].map(name => ({ ...ours, name })),
    forms: [
      {
        name: 'memory',
        title: `${sizes.map(count => count.toLocaleString('en-US')).join(' / ')} known users, all offline: memory`,
        unit: 'bytes per user',
      },
      {
        name: 'start',
        title: `${most} known users: from the start of a server until it is ready`,
        unit: 's',
        players: [SINGLE, NODE],
      },
    ],
    measure: contender => {
      if (contender.name === SINGLE) return measureKnown(contender, sizes)
      return contender.name === NODE
        ? measureNode(contender, size, engine)
        : measureRedis(contender, sizes, engine)
    },
    goals: [
      { form: 'memory', of: NODE, figure: 'cost', atMost: { value: 500, unit: 'bytes' } },
      { form: 'memory', of: REDIS, figure: 'cost', atMost: { value: 200, unit: 'bytes' } },
      { form: 'start', of: NODE, figure: 'cost', atMost: { value: 5, unit: 's' } },
    ],
  }
}

/** Starts a second node, as a node starts in a cluster that runs. */
async function measureNode(contender: Contender, size: Size, engine: Engine): Promise<Record<string, Run>> {
  const points: Point[] = []
  const invalid: string[] = []
  let readySeconds = 0
  for (const count of sizesOf[size]) {
    const prepare = (redis: RawRedis) => remember(redis, count)
    const nodeArgs = [SMALL_YOUNG_GENERATION]
    await ClusterStage.with(contender, { size: 2, engine, sockets: 0, nodeArgs, prepare }, async stage => {
      await sleep(settleMsOf[size])
      points.push({ count, bytes: await stage.residentBytes() })
      const known = await stage.metric('wio_users_known')
      if (known !== count) invalid.push(`the node knew ${known} users instead of ${count}`)
      readySeconds = stage.readySeconds
    })
  }
  return { memory: { cost: slope(points), invalid }, start: { cost: readySeconds, invalid } }
}

async function measureRedis(
  contender: Contender,
  sizes: readonly number[],
  engine: Engine,
): Promise<Record<string, Run>> {
  const [count = 0] = sizes.slice(-1)
  let bytes = 0
  const prepare = async (redis: RawRedis): Promise<void> => {
    const { usedMemory } = await redis.work()
    await remember(redis, count)
    bytes = (await redis.work()).usedMemory - usedMemory
  }
  await ClusterStage.with(contender, { size: 0, engine, sockets: 0, prepare }, async () => {})
  return { memory: { cost: bytes / count, invalid: [] } }
}

/** Writes what a cluster keeps of users who were online once: when each was last seen. */
async function remember(redis: RawRedis, count: number): Promise<void> {
  const now = Date.now()
  for (let from = 0; from < count; from += ROWS_AT_ONCE) {
    const rows: string[] = []
    for (let index = from; index < Math.min(count, from + ROWS_AT_ONCE); index++) {
      const value = joinValue({ stamp: now - index, node: '0123456789abcdef', json: String(now - index) })
      rows.push(`s:${idOf(index)}`, value)
    }
    await redis.send('HSET', redisKeys(PREFIX).users, ...rows)
  }
}
