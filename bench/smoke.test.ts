import { expect, test } from 'vitest'
import { compare } from './src/compare.ts'
import { floor, ws } from './src/contenders/contenders.ts'
import { firehose } from './src/scenarios/firehose.ts'

// Checks counts only, not times: other tests run at the same time.
test('a quick firehose reaches every client of floor and ws, exactly once each', async () => {
  const result = await compare(firehose('quick'), { contenders: [floor, ws], rounds: 1, progress: () => {} })
  expect(result.problems).toEqual([])
  for (const form of result.forms) {
    for (const { contender, rounds } of form.entries) {
      const [run] = rounds
      expect(run?.delivered?.counted, `${contender}, ${form.name}`).toBeGreaterThan(0)
      expect(run?.delivered?.counted, `${contender}, ${form.name}`).toBe(run?.delivered?.expected)
    }
  }
})
