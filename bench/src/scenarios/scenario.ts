import type { Contender } from '../contenders/contenders.ts'
import type { Form, Run } from '../figures.ts'
import type { Goal } from '../goals.ts'
import type { Measured } from '../stage.ts'

/** One thing measured, for every contender alike. */
export interface Scenario {
  name: string
  title: string
  forms: Form[]
  /** Plays every form once with one contender; runs by name of form. */
  play(contender: Contender): Promise<Record<string, Run>>
  goals: Goal[]
}

/** Full size, or `quick` to see that everything works. */
export type Size = 'full' | 'quick'

/** A run whose cost is the server's CPU seconds per million of what was counted. */
export function perMillion(measured: Measured): Run {
  const { count, cpuSeconds } = measured
  const cost =
    cpuSeconds === undefined || count.counted === 0 ? undefined : (cpuSeconds / count.counted) * 1e6
  return run(cost, measured)
}

/** A run whose cost is the server's CPU seconds. */
export function cpuInAll(measured: Measured): Run {
  return run(measured.cpuSeconds, measured)
}

/** What every run tells, with `cost` as its figure. */
export function run(cost: number | undefined, measured: Measured): Run {
  const { counted, expected, seconds, latencyMs, carried, busy, invalid } = measured.count
  const share = (cpu: number | undefined) => (cpu === undefined ? undefined : cpu / measured.wallSeconds)
  const miscounted =
    counted === expected ? [] : [`${counted} messages reached clients instead of ${expected}`]
  return {
    cost,
    delivered: { counted, expected, seconds },
    ...(latencyMs && { latencyMs }),
    ...(carried !== undefined && { carried }),
    busy: { server: share(measured.cpuSeconds), load: busy, displaced: share(measured.displacedSeconds) },
    invalid: [...invalid, ...miscounted],
  }
}
