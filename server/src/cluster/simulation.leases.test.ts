import { expect, test } from 'vitest'
import { Presence } from '../presence/presence.ts'
import { ClusterLog } from './cluster-log.ts'
import { Member } from './member.ts'
import { RedisModel } from './redis.model.ts'
import { simulate } from './testing/simulation.ts'

// `SEED=7` repeats one seed and prints what happened. `SIM_SEEDS=20000` runs more seeds.
const ONE = process.env['SEED']
const FROM = Number(ONE ?? process.env['SIM_FROM'] ?? 1)
const COUNT = ONE === undefined ? Number(process.env['SIM_SEEDS'] ?? 100) : 1

test(
  `seeds ${FROM} to ${FROM + COUNT - 1}: a lease that has not ended shows its user on all nodes, and then on none [R20 N11]`,
  async () => {
    let moved = 0
    for (let seed = FROM; seed < FROM + COUNT; seed++) {
      const result = await simulate(seed, { Member, RedisModel, ClusterLog, Presence }, false, true)
      const isPrinted = result.violation !== undefined || ONE !== undefined
      if (isPrinted) process.stdout.write(`${result.history.join('\n')}\n`)
      if (result.violation !== undefined) throw new Error(`SEED=${seed}: ${result.violation}`)
      moved += result.movedLeases
    }
    if (COUNT >= 100) expect(moved).toBeGreaterThan(1_000)
  },
  60_000 + COUNT * 100,
)
