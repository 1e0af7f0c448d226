import { builds, type Contender, ours } from '../contenders/contenders.ts'
import type { Run } from '../figures.ts'
import { number } from '../goals.ts'
import { type Measured, Stage } from '../stage.ts'
import { AT_ONCE as FEW_AT_ONCE, SMALL_YOUNG_GENERATION } from './idle.ts'
import { perMillionFrames, run, type Scenario, type Size, spoiledBy } from './scenario.ts'
import { type Point, slope } from './slope.ts'

const sizes = {
  full: {
    clients: 10_000,
    subscriptions: 100,
    movers: 2_000,
    perSecond: 1_000,
    seconds: 4,
    warmUp: 1,
    memory: { clients: 1_000, users: 10_000, subscriptions: [0, 100, 500, 1_000] },
  },
  quick: {
    clients: 200,
    subscriptions: 20,
    movers: 40,
    perSecond: 200,
    seconds: 0.5,
    warmUp: 0.1,
    memory: { clients: 50, users: 500, subscriptions: [0, 50, 100, 200] },
  },
}

type Sizes = (typeof sizes)[Size]

const STATUSES = ['online', 'away', 'busy', 'offline']

/** The number of clients that connect, or wait for their state, at the same time. */
export const AT_ONCE = 250

/** A server that uses at least this share of its core could not have handled much more. */
const FULL_CORE = 0.9

/** The same server with as many v1 clients: each receives every change, each in its own write. */
const alone: Contender = { ...ours, name: 'firehose' }

/**
 * Every client is subscribed to some of many users. Messages differ for all clients, and each needs its own
 * write.
 */
export function watch(size: Size, compared: readonly Contender[] = [ours]): Scenario {
  const all = sizes[size]
  const { clients, subscriptions, perSecond, memory } = all
  // The initial value assumes that each delivery is a write.
  let writesPerSecond = perSecond * subscriptions
  const count = (value: number) => value.toLocaleString('en-US')
  return {
    name: 'watch',
    title:
      'Subscriptions: each client subscribes to some users; beside it, v1 clients that get as many writes',
    // In a comparison of two builds, the v1 clients are not needed.
    contenders: [
      ...compared.map(build => ({ ...build, wireFormat: 'v2' as const })),
      ...(compared.length === 1 ? [alone] : []),
    ],
    forms: [
      {
        name: 'rate',
        title: `${count(clients)} clients subscribe to ${subscriptions} of ${count(clients)} users each, ${count(perSecond)} changes/s`,
        unit: 'CPU s per million writes',
        counted: 'deliveries',
      },
      {
        name: 'memory',
        title: `${count(memory.clients)} clients subscribe to ${memory.subscriptions.slice(1).map(count).join(' / ')} of ${count(memory.users)} users each: resident memory`,
        unit: 'bytes per subscription',
        costOnly: true,
        counted: 'states',
        players: builds,
      },
    ],
    measure: async contender => {
      if (contender === alone) return { rate: await tellAlone(all, writesPerSecond) }
      const rate = await measureSubscriptions(contender, all)
      const { frames, seconds = 1 } = rate.delivered ?? {}
      if (frames) writesPerSecond = frames / seconds
      return { rate, memory: await remember(contender, all) }
    },
    goals: [{ form: 'rate', figure: 'cost', atMost: { times: 1.5, than: 'firehose' } }],
  }
}

function measureSubscriptions(
  build: Contender,
  { clients, subscriptions, movers, perSecond, seconds, warmUp }: Sizes,
): Promise<Run> {
  return Stage.with(build, { sockets: clients }, async stage => {
    const stir = { do: 'subscriber changes' as const, perSecond, movers, statuses: STATUSES }
    const before = [
      await stage.measure({
        do: 'connect',
        listeners: clients,
        drivers: 0,
        atOnce: AT_ONCE,
        broadcastsArrivals: false,
      }),
      await stage.measure({
        do: 'subscribe',
        selection: { of: clients, from: 0, to: subscriptions },
        atOnce: AT_ONCE,
      }),
      // Do not measure while the code is still being optimised.
      await stage.measure({ ...stir, seconds: warmUp }),
    ]
    const measured = await stage.measure({ ...stir, seconds })
    return withRemarks(spoiledBy(before, perMillionFrames(measured)), perSecond)
  })
}

/** Measures v1 with as many writes per second as the subscribers received in the same round. */
function tellAlone({ clients, seconds, warmUp }: Sizes, writesPerSecond: number): Promise<Run> {
  return Stage.with(alone, { sockets: clients + 1 }, async stage => {
    const order = { do: 'bursts', size: 1, perSecond: writesPerSecond / clients } as const
    const connect = { do: 'connect', atOnce: AT_ONCE, broadcastsArrivals: false } as const
    const before = [
      await stage.measure({ ...connect, listeners: 0, drivers: 1 }),
      // As tabs of one user: arrivals are measured in the storm.
      await stage.measure({ ...connect, listeners: clients, drivers: 0, asTabs: true }),
      await stage.measure({ ...order, seconds: warmUp }),
    ]
    return spoiledBy(before, perMillionFrames(await stage.measure({ ...order, seconds })))
  })
}

function remember(build: Contender, { memory: { clients, users, subscriptions } }: Sizes): Promise<Run> {
  const needs = { sockets: clients, nodeArgs: [SMALL_YOUNG_GENERATION] }
  return Stage.with(build, needs, async stage => {
    const connect = { do: 'connect', listeners: clients, drivers: 0, broadcastsArrivals: false } as const
    const steps: Measured[] = [await stage.measure({ ...connect, atOnce: FEW_AT_ONCE })]
    const points: Point[] = [{ count: 0, bytes: await stage.residentBytes() }]
    for (const [index, to] of subscriptions.entries()) {
      const from = subscriptions[index - 1]
      if (from === undefined) continue
      steps.push(
        await stage.measure({ do: 'subscribe', selection: { of: users, from, to }, atOnce: FEW_AT_ONCE }),
      )
      points.push({ count: clients * to, bytes: await stage.residentBytes() })
    }
    const [none, some] = points
    // Clients without subscriptions have no list yet, so the first step differs from the later ones.
    const last = run(slope(points.slice(1)), steps.at(-1) as Measured)
    const first = none?.bytes !== undefined && some?.bytes !== undefined ? some.bytes - none.bytes : undefined
    const remarks =
      first === undefined
        ? []
        : [
            `a client with ${subscriptions[1]} subscriptions costs ${number(first / clients)} bytes more than one without`,
          ]
    return { ...spoiledBy(steps.slice(0, -1), last), remarks }
  })
}

/** Adds a remark if the core of the server was fully used. */
function withRemarks(run: Run, perSecond: number): Run {
  const { busy, delivered, carried = 1 } = run
  if (!delivered || (busy?.server ?? 0) < FULL_CORE) return run
  const changes = `${number(carried * perSecond)} of ${number(perSecond)} changes/s`
  const deliveries = `${number(delivered.counted / delivered.seconds)} deliveries/s`
  return { ...run, remarks: [`the core of the server was fully used: it handled ${changes}, ${deliveries}`] }
}
