// Builds the client as it is published, where that is missing or older than its sources: what tests pack, bundle and run
// is then written once, before any of them starts, and not under the eyes of another.
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
  // The compiler leaves what was built of files that are no more.
  rmSync(join(client, 'dist'), { recursive: true, force: true })
  const bins = [client, root].map(path => join(path, 'node_modules/.bin'))
  execSync(scripts.build, {
    cwd: client,
    env: { ...process.env, PATH: [...bins, process.env.PATH].join(delimiter) },
  })
}
