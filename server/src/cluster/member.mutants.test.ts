import { expect, test } from 'vitest'
import { FOUND_BY } from './testing/found-by.ts'
import { MUTANTS } from './testing/member-mutants.ts'
import { useMutatedParts } from './testing/mutated-parts.ts'
import type { Parts } from './testing/simulated-cluster.ts'
import { simulate } from './testing/simulation.ts'

/** How many seeds are tried at most. They are always the same. */
const SEEDS = 4_000
/** How many seeds an unchanged copy is tried with. The simulation itself is tested with more. */
const UNCHANGED_SEEDS = 100

const copies = useMutatedParts()

/** The first of these seeds that finds something wrong, and what it finds. */
async function firstViolation(parts: Parts, seeds: Iterable<number>): Promise<string | undefined> {
  for (const seed of seeds) {
    const { violation } = await simulate(seed, parts)
    if (violation !== undefined) return `seed ${seed}: ${violation}`
  }
  return undefined
}

function* seedsUpTo(last: number): Generator<number> {
  for (let seed = 1; seed <= last; seed++) yield seed
}

/** Without a seed that finds a mutant at once, the search takes seconds, or a minute on a busy machine. */
const TIMEOUT_MS = 180_000

test(
  'the simulator finds nothing in an unchanged copy of the protocol',
  async () => {
    const parts = await copies.load('unchanged')
    expect(await firstViolation(parts, seedsUpTo(UNCHANGED_SEEDS))).toBeUndefined()
    // The same seeds must find nothing without a mutant.
    expect(await firstViolation(parts, Object.values(FOUND_BY))).toBeUndefined()
  },
  TIMEOUT_MS,
)

test('the seeds that find mutants belong to mutants', () => {
  const names = new Set(MUTANTS.map(({ name }) => name))
  expect(Object.keys(FOUND_BY).filter(name => !names.has(name))).toEqual([])
})

test.each(MUTANTS.map((mutant, index) => ({ ...mutant, index })))(
  'the simulator finds: $name',
  async mutant => {
    expect(copies.occurrences(mutant)).toBe(1)
    const parts = await copies.load(`${mutant.index}`, mutant)
    const known = FOUND_BY[mutant.name]
    if (known !== undefined && (await firstViolation(parts, [known]))) return
    const found = await firstViolation(parts, seedsUpTo(SEEDS))
    // The seed to write into found-by.ts, so that the next run is quick.
    process.stdout.write(`${mutant.name}: ${found}\n`)
    expect(found).toBeDefined()
  },
  TIMEOUT_MS,
)
