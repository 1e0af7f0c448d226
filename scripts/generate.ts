// Writes the documentation that is generated from the protocol's catalogue and from the settings table.
// With --check it writes nothing, and fails if a file is not up to date.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { apiErrorTable, callTable, parameterTable } from '@who-is-online/protocol/api-tables'
import { asyncApi } from '@who-is-online/protocol/asyncapi'
import { openApi } from '@who-is-online/protocol/openapi'
import { closeTable, errorTable, messageTables, userTable } from '@who-is-online/protocol/tables'
import { settingGroups } from '../server/src/setting.ts'
import { allSettings } from '../server/src/settings-table.ts'
import { wrap } from '../server/src/wrap.ts'
import { clientApi } from './client-api.ts'
import { clientCloseCodes, clientProtocol } from './client-protocol.ts'
import { embeddingSettings } from './embedding-settings.ts'
import { nodeApi, nodeCalls } from './node-api.ts'

const { version } = JSON.parse(readFileSync('server/package.json', 'utf8'))

/** What the example sets, so that a copy of it is enough to try the server. */
const EXAMPLE: Readonly<Record<string, string>> = { PORT: '3050', ENVIRONMENT: 'development' }

/** The settings that a server in production usually has. A test reads this block as the server would. */
const PRODUCTION = `# Your backend signs the tokens of its users with this secret.
AUTH_SECRET_FILE=/etc/who-is-online/secret
# A proxy on the same machine ends TLS.
HOST=127.0.0.1
TRUST_PROXY=1
# The address of your application.
ALLOWED_ORIGINS=https://app.example.com
DATA_DIR=/var/lib/who-is-online
LOG_DIR=/var/log/who-is-online`

type Setting = (typeof allSettings)[number][1]

const groups = Object.entries(settingGroups).map(([group, about]) => ({
  title: `${group.slice(0, 1).toUpperCase()}${group.slice(1)}`,
  about,
  settings: allSettings.filter(([, setting]) => setting.group === group),
}))

function envExample(): string {
  const comment = (text: string): string[] => wrap(text, 100).map(line => `# ${line}`)
  const parts = groups.flatMap(({ title, about, settings }) => [
    [`# ---- ${title} ----`, ...comment(about)],
    ...settings.map(([name, { default: byDefault, developmentDefault, unset, meaning }]) => [
      ...comment(
        meaning +
          (unset === undefined ? '' : ` Unset: ${unset}.`) +
          (developmentDefault === undefined ? '' : ` Default in development: ${developmentDefault}.`),
      ),
      name in EXAMPLE ? `${name}=${EXAMPLE[name]}` : `#${name}=${byDefault ?? ''}`,
    ]),
  ])
  const head = comment(
    'Copy this file to .env and run "pnpm dev". A line that begins with # and a name shows the default. docs/settings.md says more.',
  )
  return `${[head, ...parts].map(lines => lines.join('\n')).join('\n\n')}\n`
}

function settingsPage(): string {
  const sections = groups.flatMap(({ title, about, settings }) => [
    `## ${title}`,
    about,
    [
      '| Name | Values | Default | What it does | When to change it |',
      '| --- | --- | --- | --- | --- |',
      ...settings.map(([name, setting]) => {
        const { values, meaning, whenToChange } = setting
        const texts = [meaning, whenToChange].map(withCode)
        return `| \`${name}\` | ${[values.allowed, defaultOf(setting), ...texts].map(cell).join(' | ')} |`
      }),
    ].join('\n'),
  ])
  return `${[
    '# Settings',
    `A setting is read from the first of these places that has it:

1. The command line: \`--port\` sets \`PORT\`, \`--data-dir\` sets \`DATA_DIR\`, and \`--dev\` (\`pnpm dev\`) sets \`ENVIRONMENT=development\`.
2. The environment of the process.
3. The file \`.env\` in the working directory: \`NAME=value\` lines in UTF-8.
   In this file, \`ENVIRONMENT=development\` does not count for a production start.

If a setting is wrong, the server does not start (exit code 78).
It prints all wrong settings, and for each unknown name the setting that was probably meant.
\`node server/dist/main.js --print-config\` shows the value of each setting and where it comes from, without secrets.

A setting whose name ends with \`_MS\` is in milliseconds.
A secret can be in a file instead: \`AUTH_SECRET_FILE\`, \`API_KEY_FILE\`, \`API_KEYS_FILE\` and \`WEBHOOK_SECRET_FILE\` name files whose content is the value.`,
    '## Recommended for production',
    `\`\`\`sh\n${PRODUCTION}\n\`\`\``,
    `Begin with the defaults of all other settings.
[Operating](operating.md) shows how to start the server and what to monitor.`,
    ...sections,
  ].join('\n\n')}\n`
}

/** A default as readers see it, such as `5000` (5 s). */
function defaultOf(setting: Setting): string {
  const { developmentDefault } = setting
  const inDevelopment = developmentDefault === undefined ? '' : `; in development \`${developmentDefault}\``
  return productionDefault(setting) + inDevelopment
}

function productionDefault({ default: byDefault, unset, values: { unit } }: Setting): string {
  if (byDefault === null) return `unset: ${unset}`
  if (byDefault === '') return 'empty'
  const readable = unit && inWords(Number(byDefault), unit)
  return `\`${byDefault}\`${readable ? ` (${readable})` : ''}`
}

function inWords(value: number, unit: 'ms' | 'bytes' | 'days'): string {
  switch (unit) {
    case 'ms':
      return value % 3_600_000 === 0 ? `${value / 3_600_000} h` : `${value / 1_000} s`
    case 'bytes':
      return `${value / 2 ** 20} MiB`
    case 'days':
      return `${value} days`
  }
}

/** A text with names of settings, flags and commands as code. */
function withCode(text: string): string {
  const names = allSettings.map(([name]) => name).join('|')
  const parts = `${names}|--dev|pnpm dev|ulimit -n|openssl rand -base64 32|client_state inactive|too_fast|wio_\\w+`
  return text.replaceAll(new RegExp(`(?<![\\w/])(?:${parts})(?!\\w)`, 'g'), found => `\`${found}\``)
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

/** The text of a file with the part between its two markers replaced. */
function between(path: string, name: string, text: string): string {
  return betweenIn(path, readFileSync(path, 'utf8'), name, text)
}

/** The same for a text that was read. */
function betweenIn(path: string, file: string, name: string, text: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`]
  const from = file.indexOf(begin)
  const to = file.indexOf(end)
  if (from < 0 || to < from) throw new Error(`${path} lacks ${begin} … ${end}`)
  return `${file.slice(0, from + begin.length)}\n\n${text}\n\n${file.slice(to)}`
}

const v2Tables = [
  messageTables('v2'),
  ['### A user', userTable()],
  ['### Close codes', closeTable()],
  ['### Codes of an error', errorTable()],
].flat()

const files: Record<string, string> = {
  ...clientApi(),
  '.env.example': envExample(),
  'docs/settings.md': settingsPage(),
  'docs/asyncapi.json': `${JSON.stringify(asyncApi(version), null, 2)}\n`,
  'docs/openapi.json': `${JSON.stringify(openApi(version), null, 2)}\n`,
  'docs/http-api.md': apiPage(),
  'docs/protocol-v1.md': between('docs/protocol-v1.md', 'messages', messageTables('v1')),
  'server/src/version.ts': versionModule(),
  'server/src/cluster/append-script.ts': scriptModule(),
  'server/src/embedding/settings.ts': embeddingSettings(),
  'client/src/protocol.ts': clientProtocol(),
  'client/src/close-codes.ts': clientCloseCodes(),
  'node/src/api.ts': nodeApi(),
  'node/src/calls.ts': nodeCalls(),
  'docs/protocol-v2.md': between('docs/protocol-v2.md', 'messages', v2Tables.join('\n\n')),
}

function apiPage(): string {
  const path = 'docs/http-api.md'
  const calls = between(path, 'calls', callTable())
  const parameters = betweenIn(path, calls, 'parameters', parameterTable())
  return betweenIn(path, parameters, 'errors', apiErrorTable())
}

/** A module instead of package.json, which is in another directory once the package is built. */
function versionModule(): string {
  return `// Generated by "pnpm generate" from package.json. Do not edit.

/** The version of this package. */
export const version = '${version}'
`
}

/** A module instead of the file, so that the server can be bundled. */
function scriptModule(): string {
  const script = readFileSync('server/src/cluster/append.lua', 'utf8')
  if (/[`\\]|\$\{/.test(script)) throw new Error('append.lua must not contain `, \\ or ${')
  return `// Generated by "pnpm generate" from append.lua. Do not edit.

/** The script that appends an entry to the log. */
export const APPEND_SCRIPT = \`${script}\`
`
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
