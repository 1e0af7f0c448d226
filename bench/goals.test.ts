import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { Result, Verdict } from './src/figures.ts'

// docs/performance.md explains each goal that the kept results do not meet, and no other; docs/scaling.md those of
// several nodes.

const explained = (page: string) =>
  readFileSync(page, 'utf8').split('## Goals that are not reached')[1]?.split('\n## ')[0] ?? ''

const results = globSync('bench/results/*.json').map(path => JSON.parse(readFileSync(path, 'utf8')) as Result)

/** The limit of a goal: `1/30` of `≤ 1/30 of ws`, and `60 ms` of `p99 ≤ 60 ms`. */
function limitOf({ goal }: Verdict): string {
  return /≤ ([\d/.,]+(?: (?:ms|s|bytes))?)/.exec(goal)?.[1] ?? goal
}

/** The limits that a text names as not met. */
function namedIn(text: string): string[] {
  return [...text.matchAll(/instead of (\d(?:[\d/.,]*\d)?(?: (?:ms|s|bytes)\b)?)/g)].map(
    ([, limit = '']) => limit,
  )
}

test.each([
  ['docs/performance.md', (scenario: string) => scenario !== 'cluster'],
  ['docs/scaling.md', (scenario: string) => scenario === 'cluster'],
])('%s explains each goal that is not met, and no other', (page, isThere) => {
  const goals = results
    .filter(({ scenario }) => isThere(scenario))
    .flatMap(({ forms }) => forms.flatMap(form => form.goals))
  const unmet = goals.filter(({ verdict }) => verdict === 'not met').map(limitOf)
  const headings = [...explained(page).matchAll(/^\*\*(.*)\*\*$/gm)].flatMap(([, heading = '']) =>
    namedIn(heading),
  )
  expect(headings.toSorted()).toEqual(unmet.toSorted())
})

test('the kept results have goals', () => {
  expect(results.flatMap(({ forms }) => forms.flatMap(({ goals }) => goals)).length).toBeGreaterThan(15)
})

test('the negative control: limits are read from goals and from headings', () => {
  const goal = (text: string) => limitOf({ goal: text, measured: '', verdict: 'not met' })
  expect(['≤ 1/30 of ws', 'p99 ≤ 60 ms', 'bytes ≤ 0.6 × ours, v1'].map(goal)).toEqual([
    '1/30',
    '60 ms',
    '0.6',
  ])
  expect(namedIn('1/23 of `ws` instead of 1/30, and 1/31.5 of it instead of 1/35.')).toEqual(['1/30', '1/35'])
})

test('the titles of all kept results fit into the width of a plot', () => {
  const titles = results.flatMap(({ forms }) => forms.map(({ title }) => title))
  expect(titles.filter(({ length }) => length > 105)).toEqual([])
})
