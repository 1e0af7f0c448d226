import { useMutatedCopies } from '@who-is-online/testing/mutated-copies'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Presence } from './presence.ts'
import { MUTANTS, type Mutant } from './testing/mutants.ts'
import { game, play } from './testing/presence.game.ts'

/**
 * The games are always the same, so that the result does not depend on luck. Most mutants are found in the first few
 * games, but some only after about 5,000.
 */
const GAMES = { seed: 20_260_101, numRuns: 12_000, endOnFailure: true }

const copies = useMutatedCopies(import.meta.dirname)

/** Loads a copy of the core in which a mutant has replaced its line. */
async function load(name: string, mutant?: Mutant): Promise<typeof Presence> {
  const importCopy = await copies.make(name, mutant)
  const { Presence: Core } = await importCopy<{ Presence: typeof Presence }>('presence.ts')
  return Core
}

function playAll(Core: typeof Presence) {
  return fc.check(
    fc.property(game, game => play(Core, game)),
    GAMES,
  )
}

/** Thousands of games take seconds, or much longer on a busy machine. */
const TIMEOUT_MS = 180_000

test(
  'the model agrees with an unchanged copy of the core',
  async () => {
    expect(playAll(await load('unchanged'))).toMatchObject({ failed: false })
  },
  TIMEOUT_MS,
)

test.each(MUTANTS.map((mutant, index) => ({ ...mutant, index })))(
  'the model finds: $name',
  async mutant => {
    expect(copies.occurrences(mutant)).toBe(1)
    const result = playAll(await load(`${mutant.index}`, mutant))
    expect(result.failed).toBe(true)
  },
  TIMEOUT_MS,
)
