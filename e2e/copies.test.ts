import { expect, test } from 'vitest'
import { run } from './copies/run.ts'
import { startSingle } from './copies/single-stage.ts'

// A short version of copies.faults.test.ts.

test('[E9 E10 M1 M2 M3] copies by changes, stream and webhooks are equal to the view after kills and restarts', async () => {
  const seed = Date.now() % 1_000_000
  const { problems, story } = await run({ seed, start: startSingle, lives: 2 })
  expect(problems, `seed ${seed} (${story.join(', ')})`).toEqual([])
}, 60_000)
