import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const page = readFileSync('SPEC.md', 'utf8')

/** The ids of all rules of a page, in its order. */
function idsIn(markdown: string): string[] {
  return [...markdown.matchAll(/^\|\s*([A-Z]\d+)\s*\|/gm)].map(([, id = '']) => id)
}

/** The ids of which a page says that they have no rule yet. */
function reservedIn(markdown: string): string[] {
  return [...markdown.matchAll(/^The id ([A-Z]\d+) is reserved/gm)].map(([, id = '']) => id)
}

/** The ids that are missing, repeated or not in order: each letter counts from 1, without gaps. */
function misplaced(markdown: string): string[] {
  const reserved = reservedIn(markdown)
  const next = new Map<string, number>()
  return idsIn(markdown).flatMap(id => {
    const letter = id.slice(0, 1)
    let expected = next.get(letter) ?? 1
    while (reserved.includes(`${letter}${expected}`)) expected++
    next.set(letter, Number(id.slice(1)) + 1)
    return id === `${letter}${expected}` ? [] : [id]
  })
}

const rules = new Set(idsIn(page))
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

test('the ids of each letter count from 1, without a gap that the page does not explain', () => {
  expect(misplaced(page)).toEqual([])
  expect(reservedIn(page).filter(id => rules.has(id))).toEqual([])
})

test('the negative control: a gap, a repetition and a wrong order are found', () => {
  const row = (id: string) => `| ${id} | a rule |`
  expect(misplaced(['A1', 'B1', 'A3', 'A4', 'A4', 'B2'].map(row).join('\n'))).toEqual(['A3', 'A4'])
  expect(misplaced(['A2', 'A1'].map(row).join('\n'))).toEqual(['A2', 'A1'])
  expect(misplaced(`${row('A1')}\n${row('A3')}\n\nThe id A2 is reserved for later.`)).toEqual([])
})
