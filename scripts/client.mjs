// Builds the published client if it is missing or older than its sources. Tests pack, bundle and run it, so
// it is built once before any of them starts, and not while another test reads it.
import { execSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const client = join(root, 'client')

export function setup() {
  const { scripts, unpkg } = JSON.parse(readFileSync(join(client, 'package.json'), 'utf8'))
  const builtAt = statSync(join(client, unpkg), { throwIfNoEntry: false })?.mtimeMs ?? 0
  const sources = ['package.json', ...readdirSync(join(client, 'src')).map(name => join('src', name))]
  if (sources.every(path => statSync(join(client, path)).mtimeMs <= builtAt)) return
  // The compiler does not delete the output of deleted sources.
  rmSync(join(client, 'dist'), { recursive: true, force: true })
  const bins = [client, root].map(path => join(path, 'node_modules/.bin'))
  execSync(scripts.build, {
    cwd: client,
    env: { ...process.env, PATH: [...bins, process.env.PATH].join(delimiter) },
  })
}
