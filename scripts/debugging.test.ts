import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

// docs/debugging.md explains each line that the server logs. What it explains exists, and nothing is missing.

const sources = globSync('server/src/**/*.ts', {
  exclude: path => /\.(test|fake|suite|harness|model)\.ts$|\/testing\//.test(path),
})
  .map(path => readFileSync(path, 'utf8'))
  .join('\n')
const page = readFileSync('docs/debugging.md', 'utf8')
const rows = page.slice(page.indexOf('## Log lines')).matchAll(/^\| (`.*?`) \|/gm)
const explained = [...rows].flatMap(([, cell = '']) =>
  [...cell.matchAll(/`([^`]+)`/g)].map(match => match[1] ?? ''),
)

/** The part of a line before what differs. */
const beginning = (line: string) => line.split('…')[0]?.trimEnd() ?? ''

/** The lines that calls of the log have as literals, up to what differs. */
function logged(text: string): string[] {
  const call = /[lL]og\.(?:error|info|debug|once|limited)\(\s*(?:'[a-z]+', )?(['`])((?:(?!\1)[^\\]|\\.)*)\1/g
  return [...text.matchAll(call)].map(([, , line = '']) => (line.split('${')[0] ?? '').trimEnd())
}

test('each line that the page explains is one that the server logs', () => {
  expect(explained.length).toBeGreaterThan(30)
  // The names of the two outputs are put before their lines.
  const found = sources
    .replaceAll(/\$\{output\.name\}/g, 'console output')
    .concat(sources.replaceAll(/\$\{output\.name\}/g, 'log files'))
  // A text begins after a quote, or after a part that is put before it.
  const isLogged = (line: string) => ["'", '`', '}'].some(before => found.includes(before + beginning(line)))
  expect(explained.filter(line => !isLogged(line))).toEqual([])
})

test('each line that the server logs is explained', () => {
  const all = logged(sources)
  expect(all.length).toBeGreaterThan(25)
  const isExplained = (line: string) =>
    explained.some(one => one === line || (one.includes('…') && line.startsWith(beginning(one))))
  expect(all.filter(line => !isExplained(line))).toEqual([])
})

test('the negative control: a line in another wording is missed', () => {
  expect(logged("this.#log.error('the disk is fast', { ms })")).toEqual(['the disk is fast'])
  expect(explained).not.toContain('the disk is fast')
})
