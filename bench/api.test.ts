import { expect, test } from 'vitest'
import { compare } from './src/compare.ts'
import { api } from './src/scenarios/api.ts'

// Checks counts only, not times: other tests run at the same time.
test('a quick run of the HTTP API measures each call, alone and beside a firehose', async () => {
  const result = await compare(api('quick'), { contenders: [], rounds: 1, progress: () => {} })
  expect(result.problems).toEqual([])
  for (const { name, entries, goals } of result.forms) {
    for (const { contender, rounds } of entries) {
      expect(rounds[0]?.cost, `${contender}, ${name}`).toBeGreaterThanOrEqual(0)
    }
    expect(entries[0]?.rounds[0]?.delivered?.counted, name).toBeGreaterThan(0)
    expect(entries[0]?.rounds[0]?.latencyMs?.p99, name).toBeGreaterThan(0)
    expect(goals.filter(({ verdict }) => verdict === 'not measured')).toEqual([])
  }
}, 120_000)
