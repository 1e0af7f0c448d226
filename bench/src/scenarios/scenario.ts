import type { Contender } from '../contenders/contenders.ts'
import type { Form, Run } from '../figures.ts'
import type { Goal } from '../goals.ts'
import type { Measured } from '../stage.ts'

/** One thing measured, for every contender alike. */
export interface Scenario {
  name: string
  title: string
  forms: Form[]
  /** Who plays, where it is not those chosen. */
  contenders?: Contender[]
  /** Plays every form once with one contender; runs by name of form. */
  play(contender: Contender): Promise<Record<string, Run>>
  goals: Goal[]
}

/** Full size, or `quick` to see that everything works. */
export type Size = 'full' | 'quick'

/** A run whose cost is the server's CPU seconds per million of what was counted. */
export function perMillion(measured: Measured): Run {
  const { counted, items = counted } = measured.count
  return withBytes(run(millionth(measured, items), measured), measured)
}

/** A run whose cost is the server's CPU seconds per million frames, each of which left in a write of its own. */
export function perMillionFrames(measured: Measured): Run {
  const { counted, items = counted } = measured.count
  const { delivered, ...figures } = withBytes(run(millionth(measured, counted), measured), measured)
  const perDelivery = millionth(measured, items)
  return {
    ...figures,
    ...(delivered && { delivered: { ...delivered, frames: counted } }),
    ...(perDelivery !== undefined && { perDelivery }),
  }
}

function millionth({ cpuSeconds }: Measured, counted: number): number | undefined {
  return cpuSeconds === undefined || counted === 0 ? undefined : (cpuSeconds / counted) * 1e6
}

function withBytes(run: Run, { count: { bytes } }: Measured): Run {
  return run.delivered ? { ...run, delivered: { ...run.delivered, bytes } } : run
}

/** A run whose cost is the server's CPU seconds. */
export function cpuInAll(measured: Measured): Run {
  return run(measured.cpuSeconds, measured)
}

/** What every run tells, with `cost` as its figure. */
export function run(cost: number | undefined, measured: Measured): Run {
  const { counted, items, expected, seconds, latencyMs, carried, busy, invalid } = measured.count
  const share = (cpu: number | undefined) => (cpu === undefined ? undefined : cpu / measured.wallSeconds)
  const miscounted =
    counted === expected ? [] : [`${counted} messages reached clients instead of ${expected}`]
  return {
    cost,
    // How many users are in diffs can't be told before; that the views of clients are right is checked instead.
    delivered:
      items === undefined
        ? { counted, expected, seconds }
        : { counted: items, expected: items, frames: counted, seconds },
    ...(latencyMs && { latencyMs }),
    ...(carried !== undefined && { carried }),
    busy: { server: share(measured.cpuSeconds), load: busy, displaced: share(measured.displacedSeconds) },
    invalid: [...invalid, ...miscounted],
  }
}

/** What went wrong before a run may go wrong in it. */
export function spoiledBy(before: readonly Measured[], run: Run): Run {
  const earlier = before.flatMap(({ count: { counted, expected, invalid } }) =>
    counted === expected ? invalid : [...invalid, `before it, ${counted} came instead of ${expected}`],
  )
  return { ...run, invalid: [...earlier, ...run.invalid] }
}
