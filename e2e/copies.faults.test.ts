import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { expect, test } from 'vitest'
import { startThree } from './copies/cluster-stage.ts'
import { run } from './copies/run.ts'
import { startSingle } from './copies/single-stage.ts'

// Copies of presence in backends: one fed only by `GET /changes`, one by server-sent events, one by webhooks. After
// each run of faults (kills, orderly restarts, slow readers, a receiver that fails, a log that has dropped changes),
// each is equal to the view of the server.

const RUNS = Number(process.env['COPY_RUNS'] ?? 50)
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

test(`[E9 E10 M1 M2 M3] three copies are equal to the view after ${RUNS} runs of faults (seeds from ${SEED})`, async () => {
  const failed: string[] = []
  let states = 0
  let pages = 0
  for (let seed = SEED; seed < SEED + RUNS; seed++) {
    const result = await run({ seed, start: startSingle })
    states += result.states
    pages += result.pages
    if (result.problems.length > 0)
      failed.push(`seed ${seed} (${result.story.join(', ')}): ${result.problems.join('\n')}`)
  }
  console.log(
    `copies: seeds ${SEED} to ${SEED + RUNS - 1}, ${pages} pages, ${states} full states, ${failed.length} failed`,
  )
  expect(failed).toEqual([])
  // Both are used: some places are known after a break, and some are not.
  expect(states).toBeGreaterThan(RUNS * 3)
  expect(pages).toBeGreaterThan(RUNS * 3)
})

test(`control: copies that do not resume differ (seeds from ${SEED})`, async () => {
  const left = new Set(['changes', 'stream', 'webhooks'])
  // Later changes, and a full state, can heal a copy.
  for (let seed = SEED; seed < SEED + 15 && left.size > 0; seed++) {
    const { problems } = await run({ seed, start: startSingle, resumes: false })
    for (const name of [...left]) if (problems.some(problem => problem.startsWith(name))) left.delete(name)
  }
  expect([...left]).toEqual([])
})

const CLUSTER_RUNS = Number(process.env['CLUSTER_COPY_RUNS'] ?? 5)

/** Another node sends webhooks about 10 s after the one that did was killed. */
const CLUSTER_PATIENCE_MS = 60_000

describeOnEngines('three nodes', engine => {
  test(`[E9 N1 M8] three copies are equal to the view of each node after ${CLUSTER_RUNS} runs (seeds from ${SEED})`, async () => {
    const failed: string[] = []
    for (let seed = SEED; seed < SEED + CLUSTER_RUNS; seed++) {
      const start = startThree(engine)
      const { problems, story } = await run({ seed, start, patienceMs: CLUSTER_PATIENCE_MS })
      if (problems.length > 0) failed.push(`seed ${seed} (${story.join(', ')}): ${problems.join('\n')}`)
    }
    expect(failed).toEqual([])
  })
})
