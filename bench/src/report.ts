import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Result } from './figures.ts'
import type { Size } from './scenarios/scenario.ts'
import { contenderTable, goalTable, toMarkdown, toText } from './table.ts'

const RESULTS = join(import.meta.dirname, '../results')
const DOCUMENT = join(import.meta.dirname, '../../docs/performance.md')

const BEGIN = '<!-- bench:begin -->'
const END = '<!-- bench:end -->'

/** Keeps a result as `bench/results/<scenario>.json`, in place of the last one. */
export async function keep(result: Result): Promise<void> {
  await mkdir(RESULTS, { recursive: true })
  await writeFile(join(RESULTS, `${result.scenario}.json`), `${JSON.stringify(result, null, 2)}\n`)
}

/** A result for a terminal; a quick one without the goals, which it says nothing about. */
export function print(result: Result, size: Size): string {
  const lines = [`\n${result.title}`, conditions(result)]
  if (size === 'quick') lines.push('A smoke run: too small and too short for its figures to mean anything.')
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

/** Writes all kept results into the marked section of docs/performance.md, which is created when it is missing. */
export async function report(): Promise<void> {
  const names = (await readdir(RESULTS).catch(() => [])).filter(name => name.endsWith('.json')).sort()
  const results = await Promise.all(
    names.map(async name => JSON.parse(await readFile(join(RESULTS, name), 'utf8')) as Result),
  )
  const document = await readFile(DOCUMENT, 'utf8').catch(() => INTRODUCTION)
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)]
  if (begin === -1 || end < begin) throw new Error(`docs/performance.md has no ${BEGIN} … ${END}`)
  const section =
    results.length > 0
      ? results.map(toSection).join('\n\n')
      : 'None yet: run `pnpm bench`, then `pnpm bench --report`.'
  await mkdir(dirname(DOCUMENT), { recursive: true })
  await writeFile(
    DOCUMENT,
    `${document.slice(0, begin + BEGIN.length)}\n\n${section}\n\n${document.slice(end)}`,
  )
}

function toSection(result: Result): string {
  const parts = [`### ${result.title}`, conditions(result)]
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

const INTRODUCTION = `# Performance

What the server costs, measured beside what other servers cost for the same work on the same machine.

## How it is measured

\`pnpm bench\` starts one server at a time as a process of its own, and a load generator as another. Each is pinned
to one core with \`taskset\` where there is one. Everything goes over the loopback interface.

* **Contenders.** \`ours\` is the real server process with rate limits off and everything else on. \`ws\` and
  \`socket.io\` are small presence servers written the usual way: one \`send\` or \`emit\` to each client per change.
  \`floor\` is what Node can do at best: bare sockets, the same bytes, gathered into one write per socket and 10 ms,
  and no presence logic at all. All of them send the same JSON for a change.
* **The main figure** is CPU seconds of the server process, all threads, as the operating system counts them
  (\`/proc/PID/stat\`), per million deliveries. A delivery is one change that reached one client. A server that can't
  carry the rate is not punished twice: it is asked for fewer changes and compared per delivery.
* **Changes go over the wire.** Extra clients send \`set_status\` and everybody hears of it. A client that waits for its
  reply makes no further change.
* **The load generator** reads frame headers only and reads the payloads of about forty clients for latency: from a change
  leaving its sender to its arrival. As a client of v2 it reads every diff, in a third of the time of \`JSON.parse\`,
  and keeps for each client what it was told of whom. When it used 90 % of its core or more, the report says that it was the bottleneck.
* **Counts are checked.** After each run every client must have received exactly the messages it was due. If
  not, the run is marked invalid and left out of the figures. In v2, where a diff may merge changes, every client must
  know the last status of everybody it follows, and every diff must join on to the one before.
* **Rounds are interleaved**: all contenders take their turn, three times. Tables show medians, with the spread of
  the main figure in brackets. Ratios are taken within a round, since machines get slower and faster over a day;
  trust ratios more than plain numbers. When other programs took the server's core, the report says for how long:
  latencies of such a run say little, CPU per delivery still does.

## Repeat it

\`\`\`sh
pnpm bench                       # everything
pnpm bench firehose storm        # some of it
pnpm bench --only ours,ws idle   # some contenders
pnpm bench --quick               # a smoke run: does it work? Its figures mean nothing and are not kept
pnpm bench --report              # write the kept results into this page
\`\`\`

Results are kept in \`bench/results\`. Linux gives all figures; elsewhere CPU and memory are "not measured". About
10,100 open files are needed (\`ulimit -n\`).

## Results

${BEGIN}
${END}
`
