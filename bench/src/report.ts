import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Result } from './figures.ts'
import { plot } from './plot.ts'
import type { Size } from './scenarios/scenario.ts'
import { contenderTable, goalTable, toMarkdown, toText } from './table.ts'

const RESULTS = join(import.meta.dirname, '../results')
const DOCS = join(import.meta.dirname, '../../docs')
const PLOTS = join(DOCS, 'performance')

/** The page of a scenario. */
const pageOf = ({ scenario }: Result): string => (scenario === 'cluster' ? 'scaling.md' : 'performance.md')
const PAGES = ['performance.md', 'scaling.md']

const BEGIN = '<!-- bench:begin -->'
const END = '<!-- bench:end -->'

/** Stores a result as `bench/results/<scenario>.json`, and replaces the last one. */
export async function keep(result: Result): Promise<void> {
  await mkdir(RESULTS, { recursive: true })
  await writeFile(join(RESULTS, `${result.scenario}.json`), `${JSON.stringify(result, null, 2)}\n`)
}

/** A result as text. A quick result has no goals, because it says nothing about them. */
export function print(result: Result, size: Size): string {
  const lines = [`\n${result.title}`, conditions(result)]
  if (size === 'quick') lines.push('Quick run: too small and too short for meaningful figures.')
  for (const form of result.forms) {
    lines.push('', form.title, toText(contenderTable(form)))
    if (size === 'full' && form.goals.length > 0) lines.push(toText(goalTable(form)))
  }
  lines.push(
    ...result.problems.map(problem => `INVALID  ${problem}`),
    ...result.notes.map(note => `note     ${note}`),
  )
  return [...lines, ''].join('\n')
}

/** Writes all stored results into the marked section of their page, and their plots into docs/performance. */
export async function report(): Promise<void> {
  const names = (await readdir(RESULTS).catch(() => [])).filter(name => name.endsWith('.json')).sort()
  const results = await Promise.all(
    names.map(async name => JSON.parse(await readFile(join(RESULTS, name), 'utf8')) as Result),
  )
  for (const page of PAGES)
    await writeInto(
      page,
      results.filter(result => pageOf(result) === page),
    )
}

async function writeInto(page: string, results: readonly Result[]): Promise<void> {
  const path = join(DOCS, page)
  const document = await readFile(path, 'utf8')
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)]
  if (begin === -1 || end < begin) throw new Error(`docs/${page} has no ${BEGIN} … ${END}`)
  const section =
    results.length > 0
      ? (await Promise.all(results.map(toSection))).join('\n\n')
      : 'None yet: run `pnpm bench`, then `pnpm bench --report`.'
  await writeFile(path, `${document.slice(0, begin + BEGIN.length)}\n\n${section}\n\n${document.slice(end)}`)
}

async function toSection(result: Result): Promise<string> {
  const parts = [`### ${result.title}`, conditions(result)]
  const svg = plot(result)
  if (svg) {
    await mkdir(PLOTS, { recursive: true })
    await writeFile(join(PLOTS, `${result.scenario}.svg`), svg)
    parts.push(`![${result.title}: what each costs](performance/${result.scenario}.svg)`)
  }
  for (const form of result.forms) {
    parts.push(`**${form.title}**`, toMarkdown(contenderTable(form)))
    if (form.goals.length > 0) parts.push(toMarkdown(goalTable(form)))
  }
  const remarks = [
    ...result.problems.map(problem => `* **Invalid:** ${problem}`),
    ...result.notes.map(note => `* ${note}`),
  ]
  if (remarks.length > 0) parts.push(remarks.join('\n'))
  return parts.join('\n\n')
}

function conditions({ date, node, cpu, cores, pinned, commit, forms }: Result): string {
  const rounds = forms[0]?.entries[0]?.rounds.length ?? 0
  const facts = [date.slice(0, 10), `Node ${node}`, cpu, `${cores} cores`, `${rounds} rounds`]
  if (pinned !== undefined) facts.push(`server and load ${pinned ? '' : 'NOT '}pinned to a core each`)
  if (commit) facts.push(`commit ${commit}`)
  return `${facts.join(', ')}.`
}
