import { builds, type Contender, withTokens } from '../contenders/contenders.ts'
import type { Run } from '../figures.ts'
import { KeyServer } from '../key-server.ts'
import type { TokenKey } from '../load/tokens.ts'
import { Stage } from '../stage.ts'
import { cpuInAll, type Scenario, type Size, spoiledBy } from './scenario.ts'

const sizes = {
  full: { clients: 2_000, newClients: 5_000, residents: 100, asksPerSecond: 200 },
  quick: { clients: 200, newClients: 300, residents: 20, asksPerSecond: 100 },
}

/** The name of our runs without tokens beside those with tokens. */
const OPEN = 'ours, open'

const SECRET = 'a-secret-of-the-bench-of-32-bytes-or-more'

type Sizes = (typeof sizes)[Size]

/**
 * All clients connect at once, as after a deployment. The n-th arrival is sent to the n − 1 connected
 * clients.
 */
export function storm(size: Size): Scenario {
  const { clients, newClients, residents } = sizes[size]
  const count = (value: number) => value.toLocaleString('en-US')
  return {
    name: 'storm',
    title: 'Storm: all clients connect at once, and each gets all later arrivals',
    forms: [
      {
        name: 'arrivals',
        title: `${count(clients)} clients arrive at once`,
        unit: 'CPU s until all clients have all arrivals',
      },
      {
        name: 'HS256',
        title: `the same with HS256 tokens (AUTH_SECRET), ${count(clients)} clients`,
        unit: 'CPU s until all clients have all arrivals',
        players: builds,
        beside: { form: 'arrivals', as: OPEN },
      },
      {
        name: 'ES256',
        title: `the same with ES256 tokens (AUTH_JWKS_URL), ${count(clients)} clients`,
        unit: 'CPU s until all clients have all arrivals',
        players: builds,
        beside: { form: 'arrivals', as: OPEN },
      },
      {
        name: 'crowd',
        title: `${count(newClients)} clients arrive at once while ${count(residents)} connected clients send requests; the latency is theirs`,
        unit: 'CPU s until all clients have all arrivals',
        players: builds,
      },
    ],
    measure: async contender => {
      const arrivals = await measureArrivals(contender, clients)
      if (!contender.isProduct) return { arrivals }
      const hs256 = withTokens(contender, { AUTH_SECRET: SECRET })
      return {
        arrivals,
        HS256: await measureArrivals(hs256, clients, { alg: 'HS256', secret: SECRET }).catch(failed),
        ES256: await KeyServer.with(({ url, key }) => {
          const env = { AUTH_JWKS_URL: url, AUTH_AUDIENCE: key.audience }
          return measureArrivals(withTokens(contender, env), clients, key).catch(failed)
        }),
        crowd: await measureBusyStorm(contender, sizes[size]),
      }
    },
    goals: [
      { form: 'arrivals', figure: 'cost', atMost: { times: 1 / 30, than: 'ws' } },
      { form: 'arrivals', figure: 'cost', atMost: { times: 1 / 35, than: 'socket.io' } },
      { form: 'HS256', figure: 'cost', atMost: { times: 1.3, than: OPEN } },
      { form: 'crowd', figure: 'seconds', atMost: { value: 15, unit: 's' } },
      { form: 'crowd', figure: 'p99', atMost: { value: 50, unit: 'ms' } },
    ],
  }
}

/** All clients connect at once, each with its own token if there is a key. */
function measureArrivals(contender: Contender, clients: number, key?: TokenKey): Promise<Run> {
  return Stage.with(contender, { sockets: clients }, async stage => {
    const { broadcastsArrivals } = stage
    if (key) await stage.measure({ do: 'make tokens', listeners: clients, key })
    const order = {
      do: 'connect',
      listeners: clients,
      drivers: 0,
      atOnce: clients,
      broadcastsArrivals,
    } as const
    return cpuInAll(await stage.measure(order))
  })
}

/** A failed run, such as that of an older build that checks no tokens. Its other forms are still compared. */
function failed({ message }: Error): Run {
  return { cost: undefined, invalid: [message] }
}

/** Only for builds of this product: naive servers need minutes. */
function measureBusyStorm(build: Contender, { newClients, residents, asksPerSecond }: Sizes): Promise<Run> {
  return Stage.with(build, { sockets: newClients + residents, loads: 2 }, async stage => {
    const { broadcastsArrivals } = stage
    const resident = {
      do: 'connect',
      listeners: 0,
      drivers: residents,
      atOnce: residents,
      broadcastsArrivals,
    } as const
    const before = [
      await stage.measure(resident, 'second'),
      await stage.measure({ do: 'begin requests', perSecond: asksPerSecond }, 'second'),
    ]
    const arrivals = await stage.measure({
      do: 'connect',
      listeners: newClients,
      drivers: 0,
      atOnce: newClients,
      broadcastsArrivals,
    })
    const { count } = await stage.measure({ do: 'end requests', arrivals: newClients }, 'second')
    const { latencyMs, carried, counted, expected } = count
    const unanswered = counted === expected ? [] : [`${expected - counted} requests got no reply`]
    return spoiledBy(before, {
      ...cpuInAll(arrivals),
      ...(carried !== undefined && { carried }),
      ...(latencyMs && { latencyMs }),
      invalid: [...arrivals.count.invalid, ...count.invalid, ...unanswered],
    })
  })
}
