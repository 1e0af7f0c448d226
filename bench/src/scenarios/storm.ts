import { builds, type Contender } from '../contenders/contenders.ts'
import type { Run } from '../figures.ts'
import { Stage } from '../stage.ts'
import { cpuInAll, type Scenario, type Size, spoiledBy } from './scenario.ts'

const sizes = {
  full: { clients: 2_000, crowd: 5_000, residents: 100, asksPerSecond: 200 },
  quick: { clients: 200, crowd: 300, residents: 20, asksPerSecond: 100 },
}

type Sizes = (typeof sizes)[Size]

/** Everybody connects at once, as after a deploy; the n-th arrival is told to the n − 1 who are there. */
export function storm(size: Size): Scenario {
  const { clients, crowd, residents } = sizes[size]
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
        name: 'crowd',
        title: `${count(crowd)} clients arrive at once while ${count(residents)} connected clients send requests; the latency is theirs`,
        unit: 'CPU s until all clients have all arrivals',
        players: builds,
      },
    ],
    play: async contender => {
      const arrivals = await Stage.with(contender, { sockets: clients }, async stage => {
        const { told } = stage
        const order = { do: 'connect', listeners: clients, drivers: 0, atOnce: clients, told } as const
        return cpuInAll(await stage.measure(order))
      })
      return contender.isProduct ? { arrivals, crowd: await playCrowd(contender, sizes[size]) } : { arrivals }
    },
    goals: [
      { form: 'arrivals', figure: 'cost', atMost: { times: 1 / 30, than: 'ws' } },
      { form: 'arrivals', figure: 'cost', atMost: { times: 1 / 35, than: 'socket.io' } },
      { form: 'crowd', figure: 'seconds', atMost: { value: 15, unit: 's' } },
      { form: 'crowd', figure: 'p99', atMost: { value: 50, unit: 'ms' } },
    ],
  }
}

/** Only builds of this product: naive servers take minutes. */
function playCrowd(build: Contender, { crowd, residents, asksPerSecond }: Sizes): Promise<Run> {
  return Stage.with(build, { sockets: crowd + residents, second: true }, async stage => {
    const { told } = stage
    const resident = { do: 'connect', listeners: 0, drivers: residents, atOnce: residents, told } as const
    const before = [
      await stage.measure(resident, 'second'),
      await stage.measure({ do: 'ask', perSecond: asksPerSecond }, 'second'),
    ]
    const arrivals = await stage.measure({ do: 'connect', listeners: crowd, drivers: 0, atOnce: crowd, told })
    const { count } = await stage.measure({ do: 'asked', heard: crowd }, 'second')
    const { latencyMs, carried, counted, expected } = count
    const unanswered = counted === expected ? [] : [`${expected - counted} questions were not answered`]
    return spoiledBy(before, {
      ...cpuInAll(arrivals),
      ...(carried !== undefined && { carried }),
      ...(latencyMs && { latencyMs }),
      invalid: [...arrivals.count.invalid, ...count.invalid, ...unanswered],
    })
  })
}
