// Builds the live page if it is missing or older than its sources, so that the server of a new clone has it
// without a further command. As a script, it always builds.
import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const built = join(root, 'server/dist/page/index.html')
const sources = [
  'dashboard/src',
  'dashboard/index.html',
  'dashboard/package.json',
  'dashboard/vite.config.ts',
  'client/src',
]

/**
 * When a file, or the newest file in a folder, was last written, in ms since the epoch; 0 if it does not
 * exist.
 */
function writtenAt(path) {
  const status = statSync(path, { throwIfNoEntry: false })
  if (!status) return 0
  if (!status.isDirectory()) return status.mtimeMs
  return Math.max(0, ...readdirSync(path).map(name => writtenAt(join(path, name))))
}

function build() {
  // In a process of its own, so that the server does not load the build tools.
  execFileSync(process.execPath, ['node_modules/vite/bin/vite.js', 'build', '--logLevel', 'warn'], {
    cwd: join(root, 'dashboard'),
    stdio: 'inherit',
    // In tests it is "test", with which the page would be larger.
    env: { ...process.env, NODE_ENV: 'production' },
  })
}

/**
 * Called before the server runs from its sources, and before tests. The server also runs without the page.
 */
export function setup() {
  const builtAt = writtenAt(built)
  if (sources.every(path => writtenAt(join(root, path)) <= builtAt)) return
  try {
    build()
  } catch (error) {
    process.stderr.write(`The live page can't be built: ${error.message}\n`)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build()
