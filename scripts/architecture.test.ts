import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const text = readFileSync('ARCHITECTURE.md', 'utf8')
const rows = [...text.matchAll(/^\| `([\w./-]+)` \| (\d+) \|/gm)].map(([, file = '', lines]) => [
  file,
  Number(lines),
])

test('the reading order has nine files that exist, with about their line counts', () => {
  expect(rows).toHaveLength(9)
  for (const [file, lines] of rows as [string, number][]) {
    expect(existsSync(file), file).toBe(true)
    const now = readFileSync(file, 'utf8').split('\n').length - 1
    // A change of a few lines need not touch the table; a file that has grown by a fifth must.
    expect(Math.abs(now - lines) / lines, `${file} has ${now} lines`).toBeLessThan(0.2)
  }
})
