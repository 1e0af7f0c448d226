import type { Contender } from '../contenders/contenders.ts'
import type { Form, Run } from '../figures.ts'
import type { Goal } from '../goals.ts'
import type { Measured } from '../stage.ts'

/** A measurement that is the same for all contenders. */
export interface Scenario {
  name: string
  title: string
  forms: Form[]
  /** The contenders, if they are not the chosen ones. */
  contenders?: Contender[]
  /** Measures every form once with one contender. Returns the runs by form. */
  measure(contender: Contender): Promise<Record<string, Run>>
  goals: Goal[]
}

/** `full`, or `quick` to check that everything works. */
export type Size = 'full' | 'quick'

/** A run whose cost is the CPU seconds of the server per million counted items. */
export function perMillion(measured: Measured): Run {
  const { counted, items = counted } = measured.count
  return withBytes(run(millionth(measured, items), measured), measured)
}

/** A run whose cost is the CPU seconds of the server per million frames, each sent in its own write. */
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

/** A run whose cost is the CPU seconds of the server. */
export function cpuInAll(measured: Measured): Run {
  return run(measured.cpuSeconds, measured)
}

/** A run with this cost. */
export function run(cost: number | undefined, measured: Measured): Run {
  const { counted, items, expected, seconds, latencyMs, carried, busy, invalid } = measured.count
  const share = (cpu: number | undefined) => (cpu === undefined ? undefined : cpu / measured.wallSeconds)
  const miscounted = counted === expected ? [] : [`${counted} messages reached clients, expected ${expected}`]
  return {
    cost,
    // The number of users in diffs is not predictable. Instead, the views of clients are checked.
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

/** Adds the errors of earlier orders to a run. */
export function spoiledBy(before: readonly Measured[], run: Run): Run {
  const earlier = before.flatMap(({ count: { counted, expected, invalid } }) =>
    counted === expected ? invalid : [...invalid, `before it, ${counted} came instead of ${expected}`],
  )
  return { ...run, invalid: [...earlier, ...run.invalid] }
}
