// Builds the published client if it is missing or older than its sources. Tests bundle and run it, so it is built
// once before any of them starts, and not while another test reads it.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildPackage } from './build.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const client = join(root, 'client')

export async function setup() {
  // The last file of a build.
  const builtAt = statSync(join(client, 'dist/package.json'), { throwIfNoEntry: false })?.mtimeMs ?? 0
  const sources = [
    'scripts/build.mjs',
    'scripts/manifest.mjs',
    ...['package.json', 'README.md', 'LICENSE'].map(name => join('client', name)),
    ...readdirSync(join(client, 'src')).map(name => join('client/src', name)),
  ]
  if (sources.every(path => statSync(join(root, path)).mtimeMs <= builtAt)) return
  await buildPackage('client')
}
