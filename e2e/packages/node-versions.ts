import { execFile } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { outside, root } from './pack.ts'

const run = promisify(execFile)

/** It has a lockfile of its own: only these tests need its 300 MB, so the workspace does not install it. */
const folder = join(root, 'e2e/packages/nodes')

/** How long an installation may take, in ms. Without a registry, npm could wait much longer. */
const INSTALL_MS = 120_000

/** What npm prints if it can't reach its registry. */
const UNREACHABLE = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTCACHED|network/i

/** The majors of Node.js on which packages are tried. The workspace runs on the newest. */
export const MAJORS = [20, 22, 24] as const

/** Why the packages can't be tried on a major of Node.js here. */
export class NotHere extends Error {
  override readonly name = 'NotHere'
}

/**
 * The program of a major of Node.js. Installs it if necessary.
 *
 * @throws NotHere if there is no package with it for this system, or the registry can't be reached
 */
export async function nodeOf(major: (typeof MAJORS)[number]): Promise<string> {
  if (process.version.startsWith(`v${major}.`)) return process.execPath
  const program = join(folder, `node_modules/node-${major}-${process.platform}-${process.arch}/bin/node`)
  if (!existsSync(program)) await npm(process.execPath, folder, ['ci'])
  if (existsSync(program)) return program
  throw new NotHere(`no package has Node.js ${major} for ${process.platform} on ${process.arch}`)
}

/** The environment without what pnpm and the test runner have set. */
const userEnvironment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_|pnpm_|vitest|node_env$|node_options$)/i.test(name)),
)

/** The environment of a program that finds `node` in its PATH, and no program of this workspace. */
export function environmentOf(node: string): NodeJS.ProcessEnv {
  return { ...userEnvironment, PATH: [dirname(node), outside].join(delimiter) }
}

/**
 * Runs npm on a version of Node.js, in a directory.
 *
 * @throws NotHere if the registry can't be reached
 */
export async function npm(node: string, cwd: string, args: readonly string[]): Promise<string> {
  const installed = { env: { ...userEnvironment, PATH: outside } }
  const [program, config] = await Promise.all([
    run('sh', ['-c', 'command -v npm'], installed),
    // npm looks for it beside the program `node`, so another Node.js would find none.
    run('npm', ['config', 'get', 'globalconfig'], installed),
  ])
  const flags = [`--globalconfig=${config.stdout.trim()}`, '--prefer-offline', '--no-audit', '--no-fund']
  try {
    const command = [realpathSync(program.stdout.trim()), ...args, ...flags, '--fetch-retries=1']
    return (await run(node, command, { cwd, env: environmentOf(node), timeout: INSTALL_MS })).stdout
  } catch (error) {
    const { stderr = '', killed = false } = error as { stderr?: string; killed?: boolean }
    if (killed || UNREACHABLE.test(stderr)) throw new NotHere(`npm can't reach its registry: ${stderr}`)
    throw error
  }
}
