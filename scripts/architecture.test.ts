import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'

// What ARCHITECTURE.md names exists, and what is there it lists. So a file that is added, moved or removed is noticed.

const page = readFileSync('ARCHITECTURE.md', 'utf8')
/** Folders at the top that git ignores. */
const IGNORED = [...readFileSync('.gitignore', 'utf8').matchAll(/^\/?([\w-]+)\/$/gm)].map(([, name]) => name)
const packages = '{protocol,server,client,node,dashboard,testing,e2e,bench,scripts,examples}'
const files = globSync(`${packages}/**/*.*`, {
  exclude: path => /node_modules|(^|\/)dist$/.test(path),
})
const fileNames = new Set(files.map(path => basename(path)))

/** Whether there is a file, module or folder of this name at the root or in server/src, or a file of it anywhere. */
function exists(name: string): boolean {
  if (!name.includes('/')) return fileNames.has(name) || existsSync(name)
  return ['', 'server/src', 'client'].some(folder =>
    ['', '.ts', '.mjs'].some(extension => existsSync(join(folder, name + extension))),
  )
}

/** The names in backticks and in links that are of files or folders. */
function namedFiles(markdown: string): string[] {
  const quoted = [...markdown.matchAll(/`([^`\s]+)`/g)].map(match => match[1] ?? '')
  const linked = [...markdown.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(match => match[1] ?? '')
  return [...quoted, ...linked].filter(
    name => /^[\w./-]+$/.test(name) && /\.(ts|tsx|mjs|md|json|yml)$|\w\/[\w-]|^\w[\w-]*\/$/.test(name),
  )
}

/** The code block that follows a heading, or the first one. */
function block(heading = ''): string {
  const after = page.slice(page.indexOf(heading))
  return /```\n(.*?)```/s.exec(after)?.[1] ?? ''
}

interface Row {
  readonly name: string
  readonly text: string
}

/** The rows of the list of modules; a row that begins with more space continues the one before. */
function rows(list: string): Row[] {
  const joined = list.replaceAll(/\n {10,}/g, ' ')
  return [...joined.matchAll(/^ *(\S+) +(.*)$|^ *(\S+)$/gm)].map(([, name, text = '', alone]) => ({
    name: name ?? alone ?? '',
    text,
  }))
}

/** The modules that a row names as `a · b · c`. */
function modulesOf({ text }: Row): string[] {
  const [first = '', ...others] = text.replaceAll(/ \([^)]*\)/g, '').split(' · ')
  if (others.length === 0) return []
  return [first.split(' ').at(-1) ?? '', ...others.map(other => /^[\w.-]*/.exec(other)?.[0] ?? '')]
}

const list = block('## Folders')
const [, rest = ''] = list.split('server/src/\n')
const serverRows = rows(rest.split(/^client\//m)[0] ?? '')

const readingOrder = [...page.matchAll(/^\| `([\w./-]+)` \| (\d+) \|/gm)].map(([, file = '', lines]) => [
  file,
  Number(lines),
])

test('the reading order has nine files that exist, with about their line counts', () => {
  expect(readingOrder).toHaveLength(9)
  for (const [file, lines] of readingOrder as [string, number][]) {
    expect(existsSync(file), file).toBe(true)
    const now = readFileSync(file, 'utf8').split('\n').length - 1
    // A change of a few lines need not touch the table; a file that has grown by a fifth must.
    expect(Math.abs(now - lines) / lines, `${file} has ${now} lines`).toBeLessThan(0.2)
  }
})

test('each file and folder that the text names exists', () => {
  const names = namedFiles(page)
  expect(names.length).toBeGreaterThan(10)
  expect(names.filter(name => !exists(name))).toEqual([])
})

test('each module of the picture exists', () => {
  const names = block().match(/[a-z][a-z-]*\/[a-z-]*/g) ?? []
  expect(names.length).toBeGreaterThan(4)
  expect(names.filter(name => !exists(name))).toEqual([])
})

test('each module in the list of server/src exists', () => {
  expect(serverRows.length).toBeGreaterThan(10)
  const missing = serverRows.flatMap(row => {
    const folder = row.name.endsWith('/') ? row.name : row.text.match(/\b(log\/)/)?.[1]
    const modules =
      folder === undefined ? [] : modulesOf(row).map(module => `server/src/${folder}${module}.ts`)
    const own = row.name.endsWith('/') ? `server/src/${row.name}` : `server/src/${row.name}.ts`
    return [own, ...modules].filter(path => !existsSync(path))
  })
  expect(missing).toEqual([])
})

test('the list has each folder at the top, and no other', () => {
  const folders = readdirSync('.', { withFileTypes: true })
    .filter(entry => entry.isDirectory() && !entry.name.startsWith('.') && !IGNORED.includes(entry.name))
    .map(({ name }) => name)
  const listed = [...list.matchAll(/^([a-z0-9]+)\//gm)].map(match => match[1])
  expect(listed.toSorted()).toEqual(folders.toSorted())
})

test('the list has each folder and each file directly in server/src', () => {
  const words = new Set(rest.split(/^client\//m)[0]?.match(/[\w-]+\/?/g))
  const present = readdirSync('server/src', { withFileTypes: true })
    .filter(entry => entry.isDirectory() || /^[\w-]+\.ts$/.test(entry.name))
    .map(entry => (entry.isDirectory() ? `${entry.name}/` : entry.name.replace(/\.ts$/, '')))
  expect(present.filter(name => !words.has(name))).toEqual([])
})

test('the negative control: what is not there is missed', () => {
  expect(
    namedFiles('`gateway/nothing`, [x](docs/none.md), `now()`, `gone.ts`').filter(name => !exists(name)),
  ).toEqual(['gateway/nothing', 'gone.ts', 'docs/none.md'])
  const row = { name: 'x/', text: 'first · second (the port) · third: and more · fourth, too' }
  expect(modulesOf(row)).toEqual(['first', 'second', 'third', 'fourth'])
})
