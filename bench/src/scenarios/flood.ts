import { type Contender, ours } from '../contenders/contenders.ts'
import type { Run } from '../figures.ts'
import type { Goal } from '../goals.ts'
import type { ApiFlood, FloodKind } from '../load/orders.ts'
import { Stage } from '../stage.ts'
import { type Scenario, type Size, spoiledBy } from './scenario.ts'

const sizes = {
  full: { seconds: 4, residents: 10, asksPerSecond: 100, newPerSecond: 2 },
  quick: { seconds: 0.5, residents: 5, asksPerSecond: 50, newPerSecond: 4 },
}

type Sizes = (typeof sizes)[Size]

/** The longest wait for a welcome, in ms. */
const WELCOME_MS = 1_000

/** A flood of calls of the HTTP API is measured with that API. */
type Kind = Exclude<FloodKind, ApiFlood>

const kinds: Readonly<Record<Kind, string>> = {
  tiny: 'messages `{}` without a pause',
  pongs: 'pong frames without a pause',
  metrics: 'pipelined `GET /metrics` without a pause',
  keys: 'messages of 58 KB with 7,500 keys without a pause',
}

const p99Ms: ReadonlyMap<number, number> = new Map([
  [1, 100],
  [10, 250],
])

const floods = Object.keys(kinds).flatMap(kind =>
  [...p99Ms.keys()].map(connections => ({ kind: kind as Kind, connections })),
)

/**
 * Connections that send as fast as they can, and connect again whenever they are ended, beside clients that send
 * few requests and new clients. All limits are on. Each run takes some seconds and stops by itself.
 */
export function flood(size: Size, contenders: readonly Contender[] = [ours]): Scenario {
  return {
    name: 'flood',
    title: 'Flood: connections that never stop sending, beside honest clients; the latency is theirs',
    contenders: contenders.map(limited),
    forms: floods.map(({ kind, connections }) => ({
      name: formOf(kind, connections),
      title: `${connections} × ${kinds[kind]}`,
      unit: 'ms until the slowest new client is welcomed',
      counted: 'bytes in',
    })),
    measure: async contender => {
      const runs: Record<string, Run> = {}
      for (const { kind, connections } of floods)
        runs[formOf(kind, connections)] = await measure(contender, kind, connections, sizes[size])
      return runs
    },
    goals: floods.flatMap(({ kind, connections }): Goal[] => [
      {
        form: formOf(kind, connections),
        figure: 'p99',
        atMost: { value: p99Ms.get(connections) ?? 0, unit: 'ms' },
      },
      { form: formOf(kind, connections), figure: 'cost', atMost: { value: WELCOME_MS, unit: 'ms' } },
      // A response to a GET is longer than its request, whatever the server does.
      ...(kind === 'metrics' ? [] : [notAmplified(formOf(kind, connections))]),
    ]),
  }
}

function notAmplified(form: string): Goal {
  return { form, figure: 'bytes', atMost: { value: 1, unit: 'bytes out for each byte in' } }
}

function formOf(kind: Kind, connections: number): string {
  return `${kind} × ${connections}`
}

/** With all limits, which count loopback addresses too: TRUST_PROXY names a proxy that does not exist. */
function limited(build: Contender): Contender {
  return {
    ...build,
    wireFormat: 'v2',
    env: scratch => ({ ...build.env(scratch), LIMITS: 'on', TRUST_PROXY: '192.0.2.0/24' }),
  }
}

function measure(build: Contender, kind: Kind, connections: number, sizes: Sizes): Promise<Run> {
  const { seconds, residents, asksPerSecond, newPerSecond } = sizes
  const sockets = residents + connections + seconds * newPerSecond
  return Stage.with(build, { sockets, loads: 2 }, async stage => {
    const resident = {
      do: 'connect',
      listeners: 0,
      drivers: residents,
      atOnce: residents,
      broadcastsArrivals: false,
    } as const
    const before = [
      await stage.measure(resident, 'second'),
      await stage.measure({ do: 'begin requests', perSecond: asksPerSecond }, 'second'),
    ]
    const [flooded, arrived] = await Promise.all([
      stage.measure({ do: 'flood', kind, connections, seconds }),
      stage.measure({ do: 'newcomers', perSecond: newPerSecond, seconds }, 'second'),
    ])
    const { count } = await stage.measure({ do: 'end requests', arrivals: 0 }, 'second')
    const { latencyMs, carried } = count
    const { sentBytes = 0, bytes } = flooded.count
    return spoiledBy(before, {
      cost: arrived.count.slowestMs,
      ...(carried !== undefined && { carried }),
      ...(latencyMs && { latencyMs }),
      delivered: { counted: sentBytes, expected: sentBytes, bytes, seconds: flooded.count.seconds },
      busy: {
        server: flooded.cpuSeconds && flooded.cpuSeconds / flooded.wallSeconds,
        load: 0,
        displaced: flooded.displacedSeconds && flooded.displacedSeconds / flooded.wallSeconds,
      },
      invalid: [...arrived.count.invalid, ...count.invalid],
    })
  })
}
