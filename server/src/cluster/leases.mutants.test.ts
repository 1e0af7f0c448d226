import { expect, test } from 'vitest'
import { LEASE_MUTANTS } from './testing/lease-mutants.ts'
import { useMutatedParts } from './testing/mutated-parts.ts'
import type { Parts } from './testing/simulated-cluster.ts'
import { simulate } from './testing/simulation.ts'

/** How many seeds are tried at most. They are always the same. */
const SEEDS = 500

const copies = useMutatedParts()

async function violationOf(parts: Parts, seed: number): Promise<string | undefined> {
  return (await simulate(seed, parts, false, true)).violation
}

const TIMEOUT_MS = 180_000

test(
  'the simulator finds nothing in an unchanged copy, with the seeds that find mutants',
  async () => {
    const parts = await copies.load('unchanged')
    for (const { seed } of LEASE_MUTANTS) expect(await violationOf(parts, seed), `${seed}`).toBeUndefined()
  },
  TIMEOUT_MS,
)

test.each(LEASE_MUTANTS.map((mutant, index) => ({ ...mutant, index })))(
  'the simulator finds: $name',
  async mutant => {
    expect(copies.occurrences(mutant)).toBe(1)
    const parts = await copies.load(`${mutant.index}`, mutant)
    if ((await violationOf(parts, mutant.seed)) !== undefined) return
    const unchanged = await copies.load(`${mutant.index}-unchanged`)
    for (let seed = 1; seed <= SEEDS; seed++) {
      const violation = await violationOf(parts, seed)
      // A seed that finds something in an unchanged copy too does not find the mutant.
      if (violation === undefined || (await violationOf(unchanged, seed)) !== undefined) continue
      process.stdout.write(`${mutant.name}: ${seed}: ${violation}\n`)
      return
    }
    expect.fail('no seed finds it')
  },
  TIMEOUT_MS,
)
