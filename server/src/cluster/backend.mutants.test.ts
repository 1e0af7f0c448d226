import { join } from 'node:path'
import { useMutatedCopies } from '@who-is-online/testing/mutated-copies'
import { expect, test } from 'vitest'
import { BACKEND_MUTANTS, type BackendMutant } from './testing/backend-mutants.ts'
import type { Parts } from './testing/simulated-cluster.ts'
import { simulate } from './testing/simulation.ts'

/** How many seeds are tried at most, from the first one of the test of the simulation. */
const [FROM, SEEDS] = [101, 1_000]
/** How many seeds an unchanged copy is tried with. The simulation itself is tested with more. */
const UNCHANGED_SEEDS = 20
const TIMEOUT_MS = 180_000

const copies = useMutatedCopies(join(import.meta.dirname, '..'), ['cluster', 'presence'])

async function load(name: string, mutant?: BackendMutant): Promise<Parts> {
  const importCopy = await copies.make(name, mutant)
  const { Member } = await importCopy<Pick<Parts, 'Member'>>('cluster/member.ts')
  const { RedisModel } = await importCopy<Pick<Parts, 'RedisModel'>>('cluster/redis.model.ts')
  const { ClusterLog } = await importCopy<Pick<Parts, 'ClusterLog'>>('cluster/cluster-log.ts')
  const { Presence } = await importCopy<Pick<Parts, 'Presence'>>('presence/presence.ts')
  return { Member, RedisModel, ClusterLog, Presence }
}

async function firstViolation(parts: Parts, from: number, to: number): Promise<string | undefined> {
  for (let seed = from; seed < to; seed++) {
    const { violation } = await simulate(seed, parts, true)
    if (violation !== undefined) return `seed ${seed}: ${violation}`
  }
  return undefined
}

test(
  'the simulator with a backend finds nothing in an unchanged copy',
  async () => {
    const parts = await load('unchanged')
    expect(await firstViolation(parts, FROM, FROM + UNCHANGED_SEEDS)).toBeUndefined()
    // The same seeds must find nothing without a mutant.
    for (const { seed } of BACKEND_MUTANTS)
      expect(await firstViolation(parts, seed, seed + 1)).toBeUndefined()
  },
  TIMEOUT_MS,
)

test.each(BACKEND_MUTANTS.map((mutant, index) => ({ ...mutant, index })))(
  'the simulator with a backend finds: $name',
  async mutant => {
    expect(copies.occurrences(mutant)).toBe(1)
    const parts = await load(`${mutant.index}`, mutant)
    if (await firstViolation(parts, mutant.seed, mutant.seed + 1)) return
    const found = await firstViolation(parts, FROM, FROM + SEEDS)
    process.stdout.write(`${mutant.name}: ${found}\n`)
    expect(found).toBeDefined()
  },
  TIMEOUT_MS,
)
