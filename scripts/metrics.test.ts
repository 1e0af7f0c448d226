import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

// The documentation lists the figures that a server has, by the names that they have.

const read = (path: string) => readFileSync(path, 'utf8')
const namesIn = (text: string) => [...new Set(text.match(/\bwio_\w+/g))].sort()

const single = namesIn(read('server/src/metrics.ts'))
const cluster = namesIn(read('server/src/cluster-metrics.ts'))
const webhooks = namesIn(read('server/src/webhooks/metrics.ts'))
const scaling = read('docs/scaling.md')

/** The names in the first column of the table in a section. */
function watched(page: string, heading = 'What to watch'): string[] {
  const [, section = ''] = page.split(new RegExp(`\\n##+ ${heading}\\n`))
  const [table = ''] = section.split(/\n##+ /)
  return [...table.matchAll(/^\| `(wio_\w+)` \|/gm)].map(([, name = '']) => name).sort()
}

test('the table of docs/scaling.md has each figure of a node, and no other', () => {
  expect(cluster.length).toBeGreaterThan(5)
  expect(watched(scaling)).toEqual(cluster)
})

test('the table of docs/webhooks.md has each figure of webhooks, and no other', () => {
  expect(webhooks.length).toBeGreaterThan(1)
  const [, section = ''] = read('docs/webhooks.md').split('\n## What to watch\n')
  expect(namesIn(section)).toEqual(webhooks)
})

test('[T10] the table of docs/operating.md has each figure of a single server, and no other', () => {
  expect(single.length).toBeGreaterThan(20)
  expect(watched(read('docs/operating.md'), 'Figures')).toEqual(single)
})

test('no page names a figure that does not exist', () => {
  const pages = ['docs/operating.md', 'docs/scaling.md', 'docs/debugging.md', 'docs/security.md']
  const named = namesIn(pages.map(read).join('\n')).filter(name => !name.endsWith('_'))
  expect(named.filter(name => ![...single, ...cluster, ...webhooks].includes(name))).toEqual([])
})

test('each value of the labels is explained', () => {
  const replies =
    /readonly #appends[^=]*= \{([^}]*)\}/.exec(read('server/src/cluster/redis-link.ts'))?.[1] ?? ''
  const names = [...replies.matchAll(/(\w+): 0/g)].map(([, name]) => name)
  expect(names).toHaveLength(6)
  expect(names.filter(name => !scaling.includes(`\n| \`${name}\` |`))).toEqual([])
})

test('negative control: a row that is missing, and one too many, are found', () => {
  const [row = ''] = /^\| `wio_cluster_away`.*\n/m.exec(scaling) ?? []
  expect(watched(scaling.replace(row, ''))).not.toEqual(cluster)
  expect(watched(scaling.replace(row, `${row}| \`wio_cluster_none\` | nothing |\n`))).not.toEqual(cluster)
})
