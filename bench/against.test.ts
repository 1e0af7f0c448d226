import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { compareBuilds, printComparisons } from './src/against.ts'
import { findBuilds } from './src/builds.ts'
import { compare } from './src/compare.ts'
import type { Result, Run } from './src/figures.ts'
import { known } from './src/scenarios/known.ts'
import { request } from './src/scenarios/request.ts'
import { savingBeside } from './src/scenarios/saving.ts'

const ROOT = join(import.meta.dirname, '..')

// Checks counts only, not times: other tests run at the same time.
test('a quick comparison with the own build compares every form and reaches every client', async () => {
  const { contenders } = findBuilds(ROOT)
  const conditions = { contenders: [...contenders], rounds: 1, alternate: true, progress: () => {} }
  const results = [
    await compare(request('quick'), conditions),
    await compare(known('quick', contenders), conditions),
  ]
  expect(results.flatMap(({ problems }) => problems)).toEqual([])
  const comparisons = results.flatMap(result => compareBuilds(result, 5))
  expect(new Set(comparisons.map(({ form }) => form))).toEqual(
    new Set(['pipelined', 'deflated', 'memory', 'start']),
  )
  expect(comparisons.filter(({ verdict }) => verdict === 'not measured')).toEqual([])
}, 60_000)

test('saving is measured by the worker of each build, and not compared if one has none', async () => {
  const found = findBuilds(ROOT)
  const result = await savingBeside('quick', found, 1)
  expect(result.problems).toEqual([])
  expect(result.forms.map(({ entries }) => entries.map(({ contender }) => contender))).toEqual(
    result.forms.map(() => ['ours', 'older']),
  )
  expect(compareBuilds(result, 5).filter(({ verdict }) => verdict === 'not measured')).toEqual([])
  const none = await savingBeside('quick', { ...found, savingWorker: undefined }, 1)
  expect(none.problems).toEqual([expect.stringMatching("can't be compared")])
}, 60_000)

const run = (cost: number, p99 = 10): Run => ({ cost, latencyMs: { p50: 5, p99 }, invalid: [] })

function resultOf(mine: (Run | null)[], theirs: (Run | null)[]): Result {
  const entries = [
    { contender: 'ours', rounds: mine },
    { contender: 'older', rounds: theirs },
  ]
  const form = { name: 'f', title: 'form', unit: 'ms', entries, goals: [] }
  const machine = { date: '', node: '', cpu: '', cores: 2 }
  return { scenario: 's', title: 'scenario', ...machine, forms: [form], problems: [], notes: [] }
}

const verdictOf = (mine: number[], theirs: number[]) =>
  compareBuilds(
    resultOf(
      mine.map(cost => run(cost)),
      theirs.map(cost => run(cost)),
    ),
    5,
  )[0]?.verdict

test('a figure is worse only if it is worse in the whole spread of the rounds', () => {
  expect(verdictOf([106, 110, 120], [100, 100, 100])).toBe('worse')
  expect(verdictOf([104, 110, 120], [100, 100, 100])).toBe('same')
  expect(verdictOf([90, 80, 94], [100, 100, 100])).toBe('better')
  // The machine was slow in one round for both.
  expect(verdictOf([100, 300, 100], [100, 300, 100])).toBe('same')
  expect(verdictOf([110, 330, 110], [100, 300, 100])).toBe('worse')
  // With six or more rounds, a single fast one does not hide a worse figure.
  expect(verdictOf([110, 110, 90, 110, 110, 110], [100, 100, 100, 100, 100, 100])).toBe('worse')
  expect(verdictOf([110, 90, 90, 110, 110, 110], [100, 100, 100, 100, 100, 100])).toBe('same')
})

test('an invalid round is left out, and a form without valid rounds is reported as not measured', () => {
  const invalid = { ...run(1), invalid: ['miscounted'] }
  const some = compareBuilds(resultOf([run(100), null, run(100)], [run(100), run(1), invalid]), 5)
  expect(some.map(({ ratio, verdict }) => [ratio?.median, verdict])).toEqual(some.map(() => [1, 'same']))
  const none = compareBuilds(resultOf([null], [run(100)]), 5)
  expect(none[0]).toMatchObject({ figure: 'ms', verdict: 'not measured' })
  const result = resultOf([run(120)], [run(100)])
  expect(printComparisons(result, compareBuilds(result, 5))).toMatch(/120 +100 +1\.200 +1\.200–1\.200 +worse/)
})

test('the command reports wrong arguments, and --fail-over sets the exit code', async () => {
  expect(await bench('--against', '/nowhere')).toMatchObject({
    code: 64,
    stderr: expect.stringContaining('neither server/src/main.ts'),
  })
  expect(await bench('--fail-over', '5')).toMatchObject({ code: 64 })
  expect(await bench('--against', ROOT, '--only', 'ws')).toMatchObject({ code: 64 })
})

function bench(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const command = ['--conditions=@who-is-online/source', join(import.meta.dirname, 'src/main.ts'), ...args]
  return new Promise(resolve => {
    const child = execFile(process.execPath, command, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    )
  })
}
