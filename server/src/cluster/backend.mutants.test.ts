import { expect, test } from 'vitest'
import { BACKEND_MUTANTS } from './testing/backend-mutants.ts'
import { useMutatedParts } from './testing/mutated-parts.ts'
import type { Parts } from './testing/simulated-cluster.ts'
import { simulate } from './testing/simulation.ts'

/** How many seeds are tried at most, from the first one of the test of the simulation. */
const [FROM, SEEDS] = [101, 1_000]
/** How many seeds an unchanged copy is tried with. The simulation itself is tested with more. */
const UNCHANGED_SEEDS = 20
const TIMEOUT_MS = 180_000

const copies = useMutatedParts()

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
    const parts = await copies.load('unchanged')
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
    const parts = await copies.load(`${mutant.index}`, mutant)
    if (await firstViolation(parts, mutant.seed, mutant.seed + 1)) return
    const found = await firstViolation(parts, FROM, FROM + SEEDS)
    process.stdout.write(`${mutant.name}: ${found}\n`)
    expect(found).toBeDefined()
  },
  TIMEOUT_MS,
)
