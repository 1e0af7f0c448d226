import fc from 'fast-check'
import { test } from 'vitest'
import { Presence } from './presence.ts'
import { game, play } from './testing/presence.game.ts'

// Many more of the games of presence.model.test.ts, and new ones each time. The mutants of mutants.test.ts
// show that such games find errors.

const GAMES = Number(process.env['N'] ?? 50_000)
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

test('[R1 R2 R3 R4 R5 R6 R7 R8 R9 R10] the core agrees with the model in many new random games', () => {
  process.stdout.write(`model: seed ${SEED}, N ${GAMES}\n`)
  fc.assert(
    fc.property(game, game => play(Presence, game)),
    { numRuns: GAMES, seed: SEED },
  )
})
