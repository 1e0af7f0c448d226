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
    follows: 100,
    movers: 2_000,
    perSecond: 1_000,
    seconds: 4,
    warmUp: 1,
    memory: { clients: 1_000, users: 10_000, follows: [0, 100, 500, 1_000] },
  },
  quick: {
    clients: 200,
    follows: 20,
    movers: 40,
    perSecond: 200,
    seconds: 0.5,
    warmUp: 0.1,
    memory: { clients: 50, users: 500, follows: [0, 50, 100, 200] },
  },
}

type Sizes = (typeof sizes)[Size]

const STATUSES = ['online', 'away', 'busy', 'offline']

/** Clients that are let in, or wait for their state, at the same time. */
export const AT_ONCE = 250

/** From this share of its core on a server could not have carried much more. */
const FULL_CORE = 0.9

/** The same server and as many clients, of v1: each is told each change, which leaves alone. */
const alone: Contender = { ...ours, name: 'firehose' }

/** Every client subscribes to some of many users. Each client gets other changes, in a write of its own. */
export function watch(size: Size, compared: readonly Contender[] = [ours]): Scenario {
  const all = sizes[size]
  const { clients, follows, perSecond, memory } = all
  // Until it is known: as many as if each delivery were a write.
  let writesPerSecond = perSecond * follows
  const count = (value: number) => value.toLocaleString('en-US')
  return {
    name: 'watch',
    title:
      'Subscriptions: each client subscribes to some users; beside it, v1 clients that get as many writes',
    // Beside another build of this product the v1 clients have nothing to show.
    contenders: [
      ...compared.map(build => ({ ...build, dialect: 'v2' as const })),
      ...(compared.length === 1 ? [alone] : []),
    ],
    forms: [
      {
        name: 'rate',
        title: `${count(clients)} clients subscribe to ${follows} of ${count(clients)} users each, ${count(perSecond)} changes/s`,
        unit: 'CPU s per million writes',
        counted: 'deliveries',
      },
      {
        name: 'memory',
        title: `${count(memory.clients)} clients subscribe to ${memory.follows.slice(1).map(count).join(' / ')} of ${count(memory.users)} users each: resident memory`,
        unit: 'bytes per subscription',
        costOnly: true,
        counted: 'states',
        players: builds,
      },
    ],
    play: async contender => {
      if (contender === alone) return { rate: await tellAlone(all, writesPerSecond) }
      const rate = await follow(contender, all)
      const { frames, seconds = 1 } = rate.delivered ?? {}
      if (frames) writesPerSecond = frames / seconds
      return { rate, memory: await remember(contender, all) }
    },
    goals: [{ form: 'rate', figure: 'cost', atMost: { times: 1.5, than: 'firehose' } }],
  }
}

function follow(
  build: Contender,
  { clients, follows, movers, perSecond, seconds, warmUp }: Sizes,
): Promise<Run> {
  return Stage.with(build, { sockets: clients }, async stage => {
    const stir = { do: 'stir' as const, perSecond, movers, statuses: STATUSES }
    const before = [
      await stage.measure({ do: 'connect', listeners: clients, drivers: 0, atOnce: AT_ONCE, told: false }),
      await stage.measure({ do: 'follow', whom: { of: clients, from: 0, to: follows }, atOnce: AT_ONCE }),
      // Nobody is measured while the program is still being compiled.
      await stage.measure({ ...stir, seconds: warmUp }),
    ]
    const measured = await stage.measure({ ...stir, seconds })
    return withRemarks(spoiledBy(before, perMillionFrames(measured)), perSecond)
  })
}

/** As many writes a second as those who follow were told by in the same round. */
function tellAlone({ clients, seconds, warmUp }: Sizes, writesPerSecond: number): Promise<Run> {
  return Stage.with(alone, { sockets: clients + 1 }, async stage => {
    const order = { do: 'bursts', size: 1, perSecond: writesPerSecond / clients } as const
    const connect = { do: 'connect', atOnce: AT_ONCE, told: false } as const
    const before = [
      await stage.measure({ ...connect, listeners: 0, drivers: 1 }),
      // Tabs of one user: in v1 everybody is told of everybody else's arrival, which is the storm's business.
      await stage.measure({ ...connect, listeners: clients, drivers: 0, asTabs: true }),
      await stage.measure({ ...order, seconds: warmUp }),
    ]
    return spoiledBy(before, perMillionFrames(await stage.measure({ ...order, seconds })))
  })
}

function remember(build: Contender, { memory: { clients, users, follows } }: Sizes): Promise<Run> {
  const needs = { sockets: clients, nodeArgs: [SMALL_YOUNG_GENERATION] }
  return Stage.with(build, needs, async stage => {
    const connect = { do: 'connect', listeners: clients, drivers: 0, told: false } as const
    const steps: Measured[] = [await stage.measure({ ...connect, atOnce: FEW_AT_ONCE })]
    const points: Point[] = [{ count: 0, bytes: await stage.residentBytes() }]
    for (const [index, to] of follows.entries()) {
      const from = follows[index - 1]
      if (from === undefined) continue
      steps.push(await stage.measure({ do: 'follow', whom: { of: users, from, to }, atOnce: FEW_AT_ONCE }))
      points.push({ count: clients * to, bytes: await stage.residentBytes() })
    }
    const [none, some] = points
    // A client without subscriptions has no list yet, so the step to the first size differs from those after it.
    const last = run(slope(points.slice(1)), steps.at(-1) as Measured)
    const first = none?.bytes !== undefined && some?.bytes !== undefined ? some.bytes - none.bytes : undefined
    const remarks =
      first === undefined
        ? []
        : [
            `a client with ${follows[1]} subscriptions costs ${number(first / clients)} bytes more than one without`,
          ]
    return { ...spoiledBy(steps.slice(0, -1), last), remarks }
  })
}

/** Says what a server carried that had no core left. */
function withRemarks(run: Run, perSecond: number): Run {
  const { busy, delivered, carried = 1 } = run
  if (!delivered || (busy?.server ?? 0) < FULL_CORE) return run
  const changes = `${number(carried * perSecond)} of ${number(perSecond)} changes/s`
  const deliveries = `${number(delivered.counted / delivered.seconds)} deliveries/s`
  return { ...run, remarks: [`the server's core was full: it carried ${changes}, ${deliveries}`] }
}
