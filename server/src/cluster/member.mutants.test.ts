import { join } from 'node:path'
import { useMutatedCopies } from '@who-is-online/testing/mutated-copies'
import { expect, test } from 'vitest'
import { MUTANTS, type Mutant } from './testing/member-mutants.ts'
import { type Parts, simulate } from './testing/simulation.ts'

/** Most mutants are found in the first few seeds. The seeds are always the same. */
const SEEDS = 4000

const copies = useMutatedCopies(join(import.meta.dirname, '..'), ['cluster', 'presence'])

/** Loads a copy of the protocol in which a mutant has replaced its line. */
async function load(name: string, mutant?: Mutant): Promise<Parts> {
  const importCopy = await copies.make(name, mutant)
  const { Member } = await importCopy<Pick<Parts, 'Member'>>('cluster/member.ts')
  const { RedisModel } = await importCopy<Pick<Parts, 'RedisModel'>>('cluster/redis.model.ts')
  const { ClusterLog } = await importCopy<Pick<Parts, 'ClusterLog'>>('cluster/cluster-log.ts')
  const { Presence } = await importCopy<Pick<Parts, 'Presence'>>('presence/presence.ts')
  return { Member, RedisModel, ClusterLog, Presence }
}

/** The first seed that finds something wrong. */
async function firstViolation(parts: Parts): Promise<string | undefined> {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violation } = await simulate(seed, parts)
    if (violation !== undefined) return `seed ${seed} ${violation}`
  }
  return undefined
}

/** Hundreds of seeds take seconds, or much longer on a busy machine. */
const TIMEOUT_MS = 120_000

test(
  'the simulator finds nothing in an unchanged copy of the protocol',
  async () => {
    expect(await firstViolation(await load('unchanged'))).toBeUndefined()
  },
  TIMEOUT_MS,
)

test.each(MUTANTS.map((mutant, index) => ({ ...mutant, index })))(
  'the simulator finds: $name',
  async mutant => {
    expect(copies.occurrences(mutant)).toBe(1)
    expect(await firstViolation(await load(`${mutant.index}`, mutant))).toBeDefined()
  },
  TIMEOUT_MS,
)
