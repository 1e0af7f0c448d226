import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { allSettings } from '../server/src/settings-table.ts'

// docs/security.md names tests and defaults. They must exist, and be right.

const page = readFileSync('docs/security.md', 'utf8')

/** The cells of all rows of a page that name a threat. */
function rowsIn(markdown: string): string[][] {
  return [...markdown.matchAll(/^\| (.*) \|$/gm)]
    .map(([, row = '']) => row.split(' | '))
    .filter(([first = '']) => first !== 'Threat' && !first.startsWith('---'))
}

/** What is wrong with the rows of a page. */
function wrongIn(markdown: string): string[] {
  return rowsIn(markdown).flatMap(([threat = '', defaults = '', tests = '']) => {
    const named = [...tests.matchAll(/`([\w./-]+)` ([A-Z]\d+)/g)]
    return [
      ...(named.length > 0 ? [] : [`${threat}: no test`]),
      ...named.filter(([, file = '', id = '']) => !hasTest(file, id)).map(([test]) => `${threat}: ${test}`),
      ...[...defaults.matchAll(/`([A-Z_]+)=(\w+)`/g)]
        .filter(([, name, value]) => !isDefault(name, value))
        .map(([setting]) => `${threat}: ${setting}`),
    ]
  })
}

/** Whether a file has a test with an id in its title. */
function hasTest(file: string, id: string): boolean {
  if (!existsSync(file)) return false
  return [...readFileSync(file, 'utf8').matchAll(/\[([A-Z]\d+(?:,? ?[A-Z]\d+)*)\]/g)].some(([, ids = '']) =>
    ids.split(/,? ?(?=[A-Z])/).includes(id),
  )
}

/** The default of DASHBOARD depends on ENVIRONMENT. Its row names the value that needs a key. */
const NOT_DEFAULTS: ReadonlySet<string> = new Set(['DASHBOARD'])

function isDefault(name = '', value = ''): boolean {
  if (NOT_DEFAULTS.has(name)) return true
  return allSettings.some(([setting, row]) => setting === name && row.default === value)
}

test('each threat has a test that exists, and each default is right', () => {
  expect(rowsIn(page).length).toBeGreaterThan(30)
  expect(wrongIn(page)).toEqual([])
})

test('the negative control: a missing test and a wrong default are found', () => {
  const rows = [
    '| a | `PING_MS=15000` | `e2e/limits.test.ts` L4 |',
    '| b | `PING_MS=1` | `e2e/limits.test.ts` L99 |',
    '| c | - | `e2e/gone.test.ts` L4 |',
    '| d | - | - |',
  ]
  expect(wrongIn(rows.join('\n'))).toEqual([
    'b: `e2e/limits.test.ts` L99',
    'b: `PING_MS=1`',
    'c: `e2e/gone.test.ts` L4',
    'd: no test',
  ])
})
