import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const rules = new Set(
  [...readFileSync('SPEC.md', 'utf8').matchAll(/^\|\s*([A-Z]\d+)\s*\|/gm)].map(match => match[1]),
)
const titles = globSync(
  '{protocol,server,client,dashboard,testing,e2e,bench,scripts}/**/*.{test,suite}.{ts,tsx}',
  {
    exclude: path => path.includes('node_modules') || path.includes('dist'),
  },
).flatMap(path => [...readFileSync(path, 'utf8').matchAll(/\[((?:[A-Z]\d+)(?:,? ?[A-Z]\d+)*)\]/g)])
const shown = new Set(titles.flatMap(match => (match[1] as string).split(/,? ?(?=[A-Z])/)))

test('every rule of SPEC.md has a test with its id in the title', () => {
  expect(rules.size).toBeGreaterThan(60)
  expect([...rules].filter(rule => !shown.has(rule as string))).toEqual([])
})

test('every id in the title of a test is a rule of SPEC.md', () => {
  expect([...shown].filter(id => !rules.has(id))).toEqual([])
})
