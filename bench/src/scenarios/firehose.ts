import { builds, type Contender, deflating, floor } from '../contenders/contenders.ts'
import type { Run } from '../figures.ts'
import type { Order } from '../load/orders.ts'
import { Stage } from '../stage.ts'
import { perMillion, type Scenario, type Size, spoiledBy } from './scenario.ts'
import { AT_ONCE } from './watch.ts'

const sizes = {
  full: {
    clients: 1_000,
    drivers: 100,
    perSecond: 500,
    burst: 100,
    restPerSecond: 10,
    seconds: 3.5,
    warmUp: 0.5,
    many: { clients: 10_000, drivers: 200, burst: 200, seconds: 5 },
  },
  quick: {
    clients: 100,
    drivers: 20,
    // Enough that compressing a window pays off.
    perSecond: 500,
    burst: 20,
    restPerSecond: 10,
    seconds: 0.3,
    warmUp: 0.1,
    many: { clients: 300, drivers: 20, burst: 20, seconds: 0.3 },
  },
}

type Sizes = (typeof sizes)[Size]

const UNIT = 'CPU s per million deliveries'

/** Every change of every user reaches every client, as v1 promises. Measures the cost of fan-out. */
export function firehose(size: Size): Scenario {
  const { clients, perSecond, burst, restPerSecond, seconds, many } = sizes[size]
  const clientCount = `${clients.toLocaleString('en-US')} clients`
  return {
    name: 'firehose',
    title: 'Firehose: each change reaches each client',
    forms: [
      { name: 'rate', title: `${clientCount}, ${perSecond} changes/s`, unit: UNIT },
      {
        name: 'v2',
        title: `with v2: all ${clientCount} subscribe to everybody, ${perSecond} changes/s`,
        unit: UNIT,
        counted: 'deliveries',
        players: builds,
        beside: { form: 'rate', as: 'ours, v1' },
      },
      {
        name: 'deflated',
        title: `v1 with COMPRESSION=on, ${clientCount} that accept compression, ${perSecond} changes/s`,
        unit: UNIT,
        players: builds,
        beside: { form: 'rate', as: 'ours, off' },
      },
      { name: 'backlog', title: `${clientCount}, ${burst} changes waiting`, unit: UNIT },
      {
        name: 'many',
        title: `${many.clients.toLocaleString('en-US')} clients, ${many.burst} changes waiting`,
        unit: UNIT,
        players: FEW,
      },
      { name: 'rest', title: `${clientCount}, one change every ${1000 / restPerSecond} ms`, unit: UNIT },
    ],
    measure: async contender => {
      const runs = await measureV1(contender, sizes[size], {
        backlog: { do: 'bursts', size: burst, seconds },
        rest: { do: 'changes', perSecond: restPerSecond, seconds },
      })
      // Naive servers need minutes for one burst.
      const many = FEW.includes(contender.name) && { many: await measureMany(contender, sizes[size]) }
      if (!contender.isProduct) return { ...runs, ...many }
      const { rate: deflated } = await measureV1(deflating(contender, 'v1 deflated'), sizes[size])
      return { ...runs, ...many, v2: await measureV2(contender, sizes[size]), ...(deflated && { deflated }) }
    },
    goals: [
      { form: 'rate', figure: 'cost', atMost: { times: 1 / 10, than: 'ws' } },
      { form: 'rate', figure: 'p99', atMost: { value: 60, unit: 'ms' } },
      { form: 'v2', figure: 'cost', atMost: { times: 1, than: 'ours, v1' } },
      { form: 'v2', figure: 'bytes', atMost: { times: 0.6, than: 'ours, v1' } },
      { form: 'backlog', figure: 'cost', atMost: { times: 1 / 30, than: 'ws' } },
      { form: 'backlog', figure: 'cost', atMost: { times: 1 / 40, than: 'socket.io' } },
      // performance.md says 2 × a server in C++, which is not built here; the floor is the limit in Node.
      { form: 'backlog', figure: 'cost', atMost: { times: 2, than: 'floor' } },
      { form: 'many', figure: 'cost', atMost: { times: 1.2, than: 'floor' } },
      { form: 'rest', figure: 'cost', atMost: { times: 0.9, than: 'ws' } },
      { form: 'rest', figure: 'p99', atMost: { times: 1.5, than: 'ws' } },
    ],
  }
}

/** v1 clients receive changes at a steady rate, and then the orders of `more`. */
function measureV1(
  contender: Contender,
  { clients, drivers, perSecond, seconds, warmUp }: Sizes,
  more: Readonly<Record<string, Order>> = {},
): Promise<Record<string, Run>> {
  // Silent: arrivals are measured in the storm, and naive servers need ten seconds for them.
  return Stage.with(contender, { sockets: clients + drivers, silent: true }, async stage => {
    const atOnce = clients + drivers
    const { broadcastsArrivals } = stage
    const before = [
      await stage.measure({ do: 'connect', listeners: clients, drivers, atOnce, broadcastsArrivals }),
      // Do not measure while the code is still being optimised.
      await stage.measure({ do: 'changes', perSecond, seconds: warmUp }),
    ]
    const runs: Record<string, Run> = {}
    for (const [form, order] of Object.entries({
      rate: { do: 'changes', perSecond, seconds },
      ...more,
    } as const)) {
      runs[form] = spoiledBy(before, perMillion(await stage.measure(order)))
    }
    return runs
  })
}

/** The contenders for ten thousand clients. */
const FEW = [...builds, floor.name]

function measureMany(contender: Contender, { many }: Sizes): Promise<Run> {
  const { clients, drivers, burst, seconds } = many
  return Stage.with(contender, { sockets: clients + drivers, silent: true }, async stage => {
    // As tabs of one user: arrivals are measured in the storm.
    const connect = { do: 'connect', atOnce: AT_ONCE } as const
    const { broadcastsArrivals } = stage
    const before = [
      await stage.measure({ ...connect, listeners: 0, drivers, broadcastsArrivals }),
      await stage.measure({
        ...connect,
        listeners: clients,
        drivers: 0,
        broadcastsArrivals: false,
        asTabs: true,
      }),
      await stage.measure({ do: 'bursts', size: burst, seconds: 0.1 }),
    ]
    return spoiledBy(before, perMillion(await stage.measure({ do: 'bursts', size: burst, seconds })))
  })
}

/** The same numbers of clients, changes and receivers as in v1, with v2 subscriptions. */
function measureV2(build: Contender, { clients, drivers, perSecond, seconds, warmUp }: Sizes): Promise<Run> {
  const sockets = clients + drivers
  return Stage.with({ ...build, wireFormat: 'v2' }, { sockets }, async stage => {
    const stir = {
      do: 'subscriber changes' as const,
      perSecond,
      movers: drivers,
      statuses: ['online', 'offline'],
    }
    const before = [
      await stage.measure({
        do: 'connect',
        listeners: sockets,
        drivers: 0,
        atOnce: sockets,
        broadcastsArrivals: false,
      }),
      await stage.measure({ do: 'subscribe', selection: 'all', atOnce: sockets }),
      await stage.measure({ ...stir, seconds: warmUp }),
    ]
    return spoiledBy(before, perMillion(await stage.measure({ ...stir, seconds })))
  })
}
