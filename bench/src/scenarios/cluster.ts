import { type Engine, findEngines } from '@who-is-online/testing/start-redis'
import { type Conditions, compare } from '../compare.ts'
import type { Contender } from '../contenders/contenders.ts'
import { type Result, ratio, type Verdict } from '../figures.ts'
import { times, verdict } from '../goals.ts'
import { machine } from '../system.ts'
import { clusterKnown } from './cluster-known.ts'
import { clusterLoad } from './cluster-load.ts'
import type { Size } from './scenario.ts'

/**
 * How much the commands per second may grow with ten and with a hundred times the changes. With few changes each has an
 * entry of its own, so there are fewer entries than windows.
 */
const FLAT: readonly [than: string, form: string, times: number][] = [
  ['100', '1000', 1.25],
  ['10', '1000', 2],
]

/**
 * What several nodes cost beside a single one. With `builds`, each of them as a cluster.
 *
 * @returns a result with a problem and without figures if this machine has no Redis
 */
export async function cluster(
  size: Size,
  conditions: Conditions,
  builds?: readonly Contender[],
  [engine]: readonly Engine[] = findEngines(),
): Promise<Result> {
  if (!engine) return withoutRedis()
  const load = await compare(clusterLoad(size, engine, builds), conditions)
  const forms = load.forms.map(form => ({ ...form, goals: [...form.goals, ...flatness(load, form.name)] }))
  if (builds) return { ...load, forms }
  const known = await compare(clusterKnown(size, engine), conditions)
  return {
    ...load,
    forms: [...forms, ...known.forms],
    problems: [...load.problems, ...known.problems],
    notes: [`the Redis is ${engine.name}`, ...load.notes, ...known.notes],
  }
}

/** Whether Redis gets as many commands with few changes as with many. */
export function flatness({ forms }: Result, name: string): Verdict[] {
  const entriesOf = (form: string) => forms.find(candidate => candidate.name === form)?.entries ?? []
  return FLAT.filter(([, form]) => form === name).flatMap(([than, form, limit]) =>
    entriesOf(form).flatMap(entry => {
      const lower = entriesOf(than).find(({ contender }) => contender === entry.contender)
      const grown = ratio(entry, lower, 'commands')?.median
      if (grown === undefined) return []
      const show = (multiple: number) => `${times(multiple)} at ${than} changes/s`
      return [verdict(`${entry.contender}: commands ≤ ${show(limit)}`, grown, limit, show)]
    }),
  )
}

function withoutRedis(): Result {
  return {
    scenario: 'cluster',
    title: 'Cluster: several nodes that share a Redis',
    date: new Date().toISOString(),
    ...machine(),
    forms: [],
    problems: ["cluster can't be measured: install redis-server or valkey-server"],
    notes: [],
  }
}
