import { execFile } from 'node:child_process'
import { cpSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { buildPackage } from '../../scripts/build.mjs'

const run = promisify(execFile)

/** The directory of the workspace. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

/** The PATH without the programs of this workspace. */
export const outside = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter(path => !path.includes('node_modules'))
  .join(delimiter)

/** Packs the client, which was built before the tests. Returns the path of the tarball. */
export function packClient(dir: string): Promise<string> {
  return pack(join(root, 'client/dist'), dir)
}

/** Builds the server in another directory than its own, where other tests may run it, and packs it. */
export async function packServer(dir: string, { types }: { readonly types: boolean }): Promise<string> {
  const outDir = join(dir, 'built')
  await buildPackage('server', { outDir, types })
  cpSync(join(root, 'server/dist/page'), join(outDir, 'page'), { recursive: true })
  return pack(outDir, dir)
}

/** Builds the package for backends in another directory than its own, and packs it. */
export async function packNode(dir: string, { types }: { readonly types: boolean }): Promise<string> {
  const outDir = join(dir, 'built-node')
  await buildPackage('node', { outDir, types })
  return pack(outDir, dir)
}

/** Packs a built package with npm. */
async function pack(built: string, dir: string): Promise<string> {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', dir], {
    cwd: built,
    env: { ...process.env, PATH: outside },
  })
  const [packed] = Object.values(JSON.parse(stdout)) as { filename: string }[]
  return join(dir, packed?.filename ?? '')
}
