import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe } from 'vitest'

// What `pnpm test:deploy` needs besides npm packages. .ci/run installs it.

/** Where programs are: nginx is in a directory that is not in the PATH of every user. */
export const PROGRAM_PATH = [process.env['PATH'], '/usr/sbin', '/sbin'].join(delimiter)

/** What can't be run or done here; empty if everything can. */
export function missing(programs: readonly string[], { root = false } = {}): string[] {
  const dirs = PROGRAM_PATH.split(delimiter)
  const isThere = (name: string): boolean => dirs.some(dir => isExecutable(join(dir, name)))
  return [
    ...programs.filter(name => !isThere(name)),
    ...(root && process.getuid?.() !== 0 ? ['the rights of root'] : []),
  ]
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * A `describe` for tests that need programs. Without them the tests are skipped, and a line on the console says so.
 *
 * @throws Error instead if `CI` is set, because nobody would notice skipped tests there
 */
export function describeWith(programs: readonly string[], rights: { root?: boolean } = {}): typeof describe {
  const lacking = missing(programs, rights)
  if (lacking.length === 0) return describe
  const problem = `${lacking.join(', ')} missing: install Debian's packages nginx, caddy, curl, openssl, systemd and util-linux, and run as root`
  if (process.env['CI']) throw new Error(problem)
  process.stderr.write(`\nTESTS OF THE DEPLOYMENT ARE SKIPPED: ${problem}\n\n`)
  return describe.skip as typeof describe
}
