import { type Measured, Stage } from '../stage.ts'
import { run, type Scenario, type Size } from './scenario.ts'
import { type Point, slope } from './slope.ts'

const sizesOf = { full: [1_000, 3_000, 5_000], quick: [100, 500] }

/**
 * A young generation that does not grow, in MiB: it grows with the messages sent, up to 8 KB for each connection
 * here, and would be taken for memory of connections.
 */
export const SMALL_YOUNG_GENERATION = '--max-semi-space-size=1'

/** Few on their way at a time, so that buffers of a crowd at the door are not taken for memory of connections. */
export const AT_ONCE = 100

/** Memory a connection costs that just stays: the slope of resident bytes, without garbage, over three sizes. */
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
    play: contender =>
      Stage.with(
        contender,
        { sockets: most, silent: true, nodeArgs: [SMALL_YOUNG_GENERATION] },
        async stage => {
          const points: Point[] = []
          let last: Measured | undefined
          for (const connections of sizes) {
            const listeners = connections - (points.at(-1)?.count ?? 0)
            const { told } = stage
            last = await stage.measure({ do: 'connect', listeners, drivers: 0, atOnce: AT_ONCE, told })
            points.push({ count: connections, bytes: await stage.residentBytes() })
          }
          return last ? { memory: run(slope(points), last) } : {}
        },
      ),
    goals: [{ form: 'memory', figure: 'cost', atMost: { value: 8 * 1024, unit: 'bytes' } }],
  }
}
