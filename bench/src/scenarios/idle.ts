import { type Measured, Stage } from '../stage.ts'
import { run, type Scenario, type Size } from './scenario.ts'
import { type Point, slope } from './slope.ts'

const sizesOf = { full: [1_000, 3_000, 5_000], quick: [100, 500] }

/**
 * Keeps the young generation of V8 at 1 MiB. Otherwise it would grow with the messages, by up to 8 kB per
 * connection, and would be counted as memory of connections.
 */
export const SMALL_YOUNG_GENERATION = '--max-semi-space-size=1'

/**
 * Few connect at the same time, so that buffers of a connection storm are not counted as memory of
 * connections.
 */
export const AT_ONCE = 100

/**
 * The memory of an idle connection: the slope of resident memory, after garbage collection, over three sizes.
 */
export function idle(size: Size): Scenario {
  const sizes = sizesOf[size]
  const most = sizes.at(-1) ?? 0
  return {
    name: 'idle',
    title: 'Idle connections: resident memory; garbage collected, young generation kept at 1 MiB',
    forms: [
      {
        name: 'memory',
        title: `${sizes.map(count => count.toLocaleString('en-US')).join(' / ')} connections`,
        unit: 'bytes per connection',
        costOnly: true,
      },
    ],
    measure: contender =>
      Stage.with(
        contender,
        { sockets: most, silent: true, nodeArgs: [SMALL_YOUNG_GENERATION] },
        async stage => {
          const points: Point[] = []
          let last: Measured | undefined
          for (const connections of sizes) {
            const listeners = connections - (points.at(-1)?.count ?? 0)
            const { broadcastsArrivals } = stage
            last = await stage.measure({
              do: 'connect',
              listeners,
              drivers: 0,
              atOnce: AT_ONCE,
              broadcastsArrivals,
            })
            points.push({ count: connections, bytes: await stage.residentBytes() })
          }
          return last ? { memory: run(slope(points), last) } : {}
        },
      ),
    goals: [{ form: 'memory', figure: 'cost', atMost: { value: 8 * 1024, unit: 'bytes' } }],
  }
}
