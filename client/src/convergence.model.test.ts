import { expect, test } from 'vitest'
import { createClient } from './client.ts'
import { simulate } from './simulation.model.ts'

const SEED = Number(process.env['SEED'] ?? 20_261_124)
const RUNS = Number(process.env['N'] ?? 1_500)

test(`[J1] after random faults every view is the server's again: ${RUNS} runs`, async () => {
  for (let run = 0; run < RUNS; run++) {
    const seed = SEED + run
    expect(await simulate(createClient, seed), `SEED=${seed} N=1`).toEqual([])
  }
}, 120_000)
