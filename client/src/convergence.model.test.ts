import { expect, test } from 'vitest'
import { createClient } from './client.ts'
import { play } from './simulation.model.ts'

const SEED = Number(process.env['SEED'] ?? 20_261_124)
const GAMES = Number(process.env['N'] ?? 1_500)

test(`[J1] whatever breaks, every view is the server's again when the weather is fair: ${GAMES} games`, async () => {
  for (let game = 0; game < GAMES; game++) {
    const seed = SEED + game
    expect(await play(createClient, seed), `SEED=${seed} N=1`).toEqual([])
  }
}, 120_000)
