import { expect, test } from 'vitest'
import { Presence } from '../presence/presence.ts'
import { ClusterLog } from './cluster-log.ts'
import { Member } from './member.ts'
import { RedisModel } from './redis.model.ts'
import { FAULTS } from './testing/faults.ts'
import { ForgetfulKeeper } from './testing/forgetful-keeper.ts'
import { simulate } from './testing/simulation.ts'

// `SEED=7 pnpm vitest run simulation` repeats one seed and prints what happened. `SIM_SEEDS=20000` runs more seeds.
// `SEED=0` is for properties: it draws a new seed.
const ONE = process.env['SEED'] === '0' ? undefined : process.env['SEED']
const FROM = Number(ONE ?? process.env['SIM_FROM'] ?? 1)
const COUNT = ONE === undefined ? Number(process.env['SIM_SEEDS'] ?? 500) : 1
/** How often 500 seeds have each fault, at least. */
const EACH_FAULT = 100

/** How many seeds have a backend too, which sets the status of users, and the first of them. */
const WITH_BACKEND = Math.ceil(COUNT / 5)
const BACKEND_FROM = ONE === undefined ? FROM + 100 : FROM

test(
  `seeds ${FROM} to ${FROM + COUNT - 1}: no ghosts, no false offline, one truth, and a whole log of changes [I1 I2 I3 N1 N12]`,
  async () => {
    const faults = new Map<string, number>()
    let resumed = 0
    let folded = 0
    let gaps = 0
    for (let seed = FROM; seed < FROM + COUNT; seed++) {
      const result = await simulate(seed, { Member, RedisModel, ClusterLog, Presence })
      const isPrinted = result.violation !== undefined || ONE !== undefined
      if (isPrinted) process.stdout.write(`${result.history.join('\n')}\n`)
      if (result.violation !== undefined) throw new Error(`SEED=${seed}: ${result.violation}`)
      for (const [fault, count] of result.faults) faults.set(fault, (faults.get(fault) ?? 0) + count)
      resumed += result.resumed
      folded += result.folded
      gaps += result.gaps
    }
    process.stdout.write(
      `${COUNT} seeds, ${resumed} resumes, ${folded} changes in the stream, ${gaps} gaps, faults: ${JSON.stringify(Object.fromEntries(faults))}\n`,
    )
    if (COUNT < 500) return
    expect(resumed).toBeGreaterThan(1_000)
    expect(folded).toBeGreaterThan(10_000)
    // Nobody knows the changes any more if all nodes that did have ended, or if Redis has gone back.
    expect(gaps).toBeLessThan(COUNT)
    for (const fault of FAULTS) expect(faults.get(fault), fault).toBeGreaterThanOrEqual(EACH_FAULT)
  },
  60_000 + COUNT * 100,
)

test('control: if a node that takes over stores only what it reads itself, changes are missing [N12]', async () => {
  const violations: string[] = []
  for (let seed = 1; seed <= 40; seed++) {
    const parts = { Member, RedisModel, ClusterLog, Presence, Keeper: ForgetfulKeeper }
    const { violation } = await simulate(seed, parts)
    if (violation !== undefined) violations.push(violation)
  }
  expect(violations.length).toBeGreaterThan(3)
  for (const violation of violations) expect(violation).toContain('the stream says')
}, 60_000)

test(
  `${WITH_BACKEND} seeds with a backend that sets the status of users on any node [E6 N10]`,
  async () => {
    const counts = { elsewhere: 0, hidden: 0, ahead: 0, shown: 0, gone: 0 }
    for (let seed = BACKEND_FROM; seed < BACKEND_FROM + WITH_BACKEND; seed++) {
      const result = await simulate(seed, { Member, RedisModel, ClusterLog, Presence }, true)
      const isPrinted = result.violation !== undefined || ONE !== undefined
      if (isPrinted) process.stdout.write(`${result.history.join('\n')}\n`)
      if (result.violation !== undefined) throw new Error(`SEED=${seed} with a backend: ${result.violation}`)
      for (const kind of Object.keys(counts) as (keyof typeof counts)[]) counts[kind] += result.backend[kind]
    }
    process.stdout.write(`${WITH_BACKEND} seeds, a backend: ${JSON.stringify(counts)}\n`)
    if (WITH_BACKEND < 100) return
    for (const [kind, count] of Object.entries(counts)) expect(count, kind).toBeGreaterThanOrEqual(20)
  },
  60_000 + COUNT * 100,
)
