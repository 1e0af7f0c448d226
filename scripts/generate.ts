// Writes what is made from the protocol's catalogue and the settings table into the files that people read.
// With --check it writes nothing, and fails when one of them is not up to date.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { asyncApi } from '@who-is-online/protocol/asyncapi'
import { closeTable, errorTable, messageTables, userTable } from '@who-is-online/protocol/tables'
import { settingsTable } from '../server/src/settings.ts'

const settings = Object.entries(settingsTable)
const { version } = JSON.parse(readFileSync('server/package.json', 'utf8'))

/** What the example sets, so that copying it is enough to try the server out. */
const set: Record<string, string> = { PORT: '3050', ENVIRONMENT: 'development' }

function envExample(): string {
  const lines = settings.map(([name, { default: byDefault, meaning }]) => {
    const line = name in set ? `${name}=${set[name]}` : `#${name}=${byDefault ?? ''}`
    return `# ${meaning}\n${line}\n`
  })
  return [
    '# Copy this file to .env and run "pnpm dev". What is commented out has its default.',
    '',
    ...lines,
  ].join('\n')
}

function settingsPage(): string {
  const rows = settings.map(
    ([name, { default: byDefault, meaning }]) =>
      `| \`${name}\` | ${byDefault ? `\`${byDefault}\`` : 'unset'} | ${meaning.replaceAll('|', '\\|')} |`,
  )
  return [
    '# Settings',
    '',
    'A flag goes before the environment of the process, and that before a file `.env` (UTF-8, `NAME=value` lines) in the working',
    'directory. In `.env`, `ENVIRONMENT=development` does not count: development is started by `--dev` (`pnpm dev`) or by the',
    'environment of the process. Wrong settings stop the start (exit code 78) with a list of all of them, and of unknown names that may',
    'be the reason. `--print-config` shows what is in force.',
    '',
    '| name | default | meaning |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}

/** A file with what stands between two markers replaced. */
function between(path: string, name: string, text: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`]
  const file = readFileSync(path, 'utf8')
  const from = file.indexOf(begin)
  const to = file.indexOf(end)
  if (from < 0 || to < from) throw new Error(`${path} lacks ${begin} … ${end}`)
  return `${file.slice(0, from + begin.length)}\n\n${text}\n\n${file.slice(to)}`
}

const V2_LINK =
  'Protocol v2, with lists to follow, `away` and `busy`, and resuming: [docs/protocol-v2.md](docs/protocol-v2.md).'

const v2Tables = [
  messageTables('v2'),
  ['### A user', userTable()],
  ['### Close codes', closeTable()],
  ['### Codes of an error', errorTable()],
].flat()

const files: Record<string, string> = {
  '.env.example': envExample(),
  'docs/settings.md': settingsPage(),
  'docs/asyncapi.json': `${JSON.stringify(asyncApi(version), null, 2)}\n`,
  'README.md': between('README.md', 'messages', [messageTables('v1'), V2_LINK].join('\n\n')),
  'docs/protocol-v2.md': between('docs/protocol-v2.md', 'messages', v2Tables.join('\n\n')),
}

let stale = 0
for (const [path, text] of Object.entries(files)) {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) continue
  if (process.argv.includes('--check')) {
    process.stderr.write(`${path} is not up to date: run "pnpm generate"\n`)
    stale++
  } else {
    writeFileSync(path, text)
    process.stdout.write(`wrote ${path}\n`)
  }
}
process.exitCode = stale > 0 ? 1 : 0
