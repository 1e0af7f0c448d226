import type { Engine } from '@who-is-online/testing/start-redis'
import { type ClusterCost, type ClusterSize, ClusterStage, scaled } from '../cluster-stage.ts'
import { type Contender, ours } from '../contenders/contenders.ts'
import type { Run } from '../figures.ts'
import type { Goal } from '../goals.ts'
import type { Count } from '../load/orders.ts'
import type { Scenario, Size } from './scenario.ts'

/** Each node has as many clients, so that a node can be compared with a single one. */
const sizesOf = {
  full: {
    clients: 160,
    // So many that enough of them are free at any time: each waits until its change has come back.
    drivers: 140,
    rates: { 10: 8, 100: 5, 1000: 5 },
    restSeconds: 4,
    warmUp: { perSecond: 500, seconds: 1 },
    clusters: [1, 3, 6],
  },
  quick: {
    clients: 30,
    drivers: 20,
    rates: { 10: 1, 100: 0.5 },
    restSeconds: 1,
    warmUp: { perSecond: 50, seconds: 0.2 },
    clusters: [3],
  },
} satisfies Record<Size, Sizes>

interface Sizes {
  clients: number
  drivers: number
  /** The seconds of each rate of changes a second. */
  rates: Readonly<Record<number, number>>
  restSeconds: number
  warmUp: { perSecond: number; seconds: number }
  clusters: number[]
}

/** A node appends at most so many entries a second, besides beats. */
const WINDOWS_PER_SECOND = 20

/** Above this share of the core that all nodes and Redis share, their latency says little about the software. */
const FULL_CORE = 0.9

/** A contender of this scenario. */
interface Sized extends Contender {
  readonly size: ClusterSize
}

/** The name of a contender. */
export function nameOf(size: ClusterSize): string {
  if (size === 'single') return 'single'
  return size === 1 ? '1 node' : `${size} nodes`
}

/** The same changes with a single server and with clusters: one node takes them, and clients of all nodes get them. */
export function clusterLoad(size: Size, engine: Engine, builds?: readonly Contender[]): Scenario {
  const sizes: Sizes = sizesOf[size]
  const { clients, rates, clusters } = sizes
  const [most = 0] = clusters.slice(-1)
  const unit = 'CPU ms of the node per change'
  const contenders: Sized[] = builds
    ? builds.map(build => ({ ...build, size: most }))
    : (['single', ...clusters] as const).map(nodes => ({ ...ours, name: nameOf(nodes), size: nodes }))
  return {
    name: 'cluster',
    title: 'Cluster: one node takes all changes, and each change reaches each client of each node',
    contenders,
    forms: [
      ...Object.keys(rates).map(rate => ({
        name: rate,
        title: `${Number(rate).toLocaleString('en-US')} changes/s, ${clients} clients on each node`,
        unit,
        counted: 'deliveries',
      })),
      {
        name: 'rest',
        title: `no changes, ${clients} clients on each node`,
        unit: 'CPU ms of the node per second',
      },
    ],
    measure: contender => measure(contender, (contender as Sized).size, sizes, engine),
    goals: builds ? [] : goalsOf(sizes),
  }
}

function goalsOf({ rates, clusters }: Sizes): Goal[] {
  const several = clusters.filter(nodes => nodes > 1)
  return [
    ...Object.keys(rates).map(
      (form): Goal => ({
        form,
        of: nameOf(3),
        figure: 'cost',
        atMost: { times: 1.5, than: nameOf('single') },
      }),
    ),
    // All windows of the node and the beats of all, each of them read by all; and reads that end without an entry.
    ...Object.keys(rates).flatMap(form =>
      several.map((nodes): Goal => {
        const value = (WINDOWS_PER_SECOND + nodes) * (1 + nodes) + 2 * nodes
        return { form, of: nameOf(nodes), figure: 'commands', atMost: { value, unit: 'a second' } }
      }),
    ),
  ]
}

async function measure(
  contender: Contender,
  size: ClusterSize,
  { clients, drivers, rates, restSeconds, warmUp }: Sizes,
  engine: Engine,
): Promise<Record<string, Run>> {
  const nodes = size === 'single' ? 1 : size
  const sockets = clients * nodes
  const waitFor = 'own change'
  return ClusterStage.with(contender, { size, engine, sockets }, async stage => {
    const before: Count[] = []
    for (const [index, port] of stage.ports.entries()) {
      const driving = index === 0 ? drivers : 0
      const connect = { do: 'connect', listeners: clients - driving, drivers: driving, port } as const
      const { count } = await stage.measure({ ...connect, atOnce: clients, broadcastsArrivals: 'in groups' })
      before.push(count)
    }
    before.push((await stage.measure({ do: 'changes', ...warmUp, waitFor })).count)
    const earlier = before.flatMap(problemsOf).map(problem => `before it, ${problem}`)
    const rest = await stage.rest(restSeconds)
    const runs: Record<string, Run> = {
      rest: { ...figuresOf(rest, 1_000 / rest.wallSeconds), invalid: earlier },
    }
    for (const [rate, seconds] of Object.entries(rates)) {
      const perSecond = Number(rate)
      const { count, cost } = await stage.measure({ do: 'changes', perSecond, seconds, waitFor })
      runs[rate] = changesRun(count, cost, sockets, earlier)
    }
    return runs
  })
}

function changesRun(count: Count, cost: ClusterCost, clients: number, earlier: readonly string[]): Run {
  const { counted, expected, seconds, bytes, latencyMs, elsewhereMs, carried, busy } = count
  const run = figuresOf(cost, (1_000 * clients) / expected)
  const server = scaled(cost.all, 1 / cost.wallSeconds)
  const isFull = server !== undefined && server > FULL_CORE
  return {
    ...run,
    delivered: { counted, expected, seconds, bytes },
    ...(latencyMs && { latencyMs }),
    ...(elsewhereMs && { cluster: { ...run.cluster, elsewhereMs } }),
    ...(carried !== undefined && { carried }),
    busy: { server, load: busy, displaced: undefined },
    invalid: [...earlier, ...problemsOf(count)],
    ...(isFull && {
      remarks: ['the nodes and Redis filled the core that they share: do not trust the latency'],
    }),
  }
}

/** The costs times a factor, and what Redis has done. */
function figuresOf({ wallSeconds, first, other, redis, all, work }: ClusterCost, factor: number): Run {
  const defined = (name: string, value: number | undefined) => (value === undefined ? {} : { [name]: value })
  return {
    cost: scaled(first, factor),
    ...(work && {
      cluster: {
        ...defined('other', scaled(other, factor)),
        ...defined('redis', scaled(redis, factor)),
        ...defined('all', scaled(all, factor)),
        commandsPerSecond: work.sent / wallSeconds,
        executedPerSecond: work.executed / wallSeconds,
        entriesPerSecond: work.entries / wallSeconds,
      },
    }),
    invalid: [],
  }
}

function problemsOf({ counted, expected, invalid }: Count): string[] {
  return counted === expected
    ? invalid
    : [...invalid, `${counted} messages reached clients, expected ${expected}`]
}
