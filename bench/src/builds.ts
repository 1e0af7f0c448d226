import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Contender, OLDER, ours } from './contenders/contenders.ts'

/** The repository of this bench. */
const ROOT = join(import.meta.dirname, '../..')

/** The source of the server, and what the build makes of it. */
const SOURCE = 'server/src/main.ts'
const BUILT = 'server/dist/main.js'

/** The worker of the scenario `saving`, in every build that has it. */
const SAVING = 'bench/src/saving.ts'

/** Two builds of this product that are compared, ours first, both started in the same way. */
export interface Builds {
  readonly contenders: readonly [ours: Contender, older: Contender]
  /** The worker that measures the older build's storage; `undefined` when the folder has none. */
  readonly savingWorker: string | undefined
  /** What readers of the figures should know. */
  readonly notes: readonly string[]
}

/**
 * Finds the older build in a folder: a checkout whose packages are installed, or one with `server/dist/main.js`.
 * Both builds run from their sources where both have them, otherwise both run as they were built.
 *
 * @throws Error when the folder holds no build, or when ours has not been built and the older one has no sources
 */
export function findBuilds(dir: string): Builds {
  const older = resolve(dir)
  const has = (root: string, file: string) => existsSync(join(root, file))
  const program = has(older, SOURCE) ? SOURCE : BUILT
  if (!has(older, program)) throw new Error(`--against: ${dir} has neither ${SOURCE} nor ${BUILT}`)
  if (!has(older, 'server/node_modules'))
    throw new Error(`--against: ${dir} has no server/node_modules: install its packages first`)
  if (!has(ROOT, program))
    throw new Error(`--against: ${dir} has no sources, so ours runs as built too: run "pnpm build" first`)
  return {
    contenders: [
      { ...ours, program: join(ROOT, program) },
      { ...ours, name: OLDER, title: 'an older build of it', program: join(older, program) },
    ],
    savingWorker: has(older, SAVING) ? join(older, SAVING) : undefined,
    notes:
      has(older, SAVING) && text(join(older, SAVING)) !== text(join(ROOT, SAVING))
        ? [
            `${SAVING} differs between the builds, and each measures with its own: see what differs before you trust the figures of saving`,
          ]
        : [],
  }
}

function text(file: string): string {
  return readFileSync(file, 'utf8')
}
