// Builds the live page where it is missing or older than what it is made of, so that whoever clones the repository and
// starts the server sees it without knowing that there is anything to build. Run as a script, it builds in any case.
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

/** When a file, or one of those in a folder, was written last; ms since the epoch, 0 for one that is not there. */
function writtenAt(path) {
  const status = statSync(path, { throwIfNoEntry: false })
  if (!status) return 0
  if (!status.isDirectory()) return status.mtimeMs
  return Math.max(0, ...readdirSync(path).map(name => writtenAt(join(path, name))))
}

function build() {
  // A process of its own: a server should not carry the tools that built its page.
  execFileSync(process.execPath, ['node_modules/vite/bin/vite.js', 'build', '--logLevel', 'warn'], {
    cwd: join(root, 'dashboard'),
    stdio: 'inherit',
  })
}

/** Called before the server is run from its sources, and before tests. Without a page the server runs as well. */
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
