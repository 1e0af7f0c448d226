import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Contender, OLDER, ours } from './contenders/contenders.ts'

/** The root directory of this repository. */
const ROOT = join(import.meta.dirname, '../..')

/** The main file of the server: source and build output. */
const SOURCE = 'server/src/main.ts'
const BUILT = 'server/dist/main.js'

/** The worker of the scenario `saving`, in builds that have it, and the file in which it measures. */
const SAVING = 'bench/src/saving.ts'
const MEASURING = 'bench/src/saving-worker.ts'

/** Two builds of this product to compare, ours first. Both are started in the same way. */
export interface Builds {
  readonly contenders: readonly [ours: Contender, older: Contender]
  /** The worker that measures the storage of the older build; `undefined` if it has none. */
  readonly savingWorker: string | undefined
  /** Notes for the reader of the figures. */
  readonly notes: readonly string[]
}

/**
 * Finds the older build in a directory: a checkout with installed packages, or one with
 * `server/dist/main.js`. Both builds run from their sources if both have them; otherwise both run their build
 * output.
 *
 * @throws Error when the directory contains no build, or when ours is not built and the older one has no
 * sources
 */
export function findBuilds(dir: string): Builds {
  const older = resolve(dir)
  const has = (root: string, file: string) => existsSync(join(root, file))
  const program = has(older, SOURCE) ? SOURCE : BUILT
  if (!has(older, program)) throw new Error(`--against: ${dir} has neither ${SOURCE} nor ${BUILT}`)
  if (!has(older, 'server/node_modules'))
    throw new Error(`--against: ${dir} has no server/node_modules: install its packages first`)
  if (!has(ROOT, program))
    throw new Error(
      `--against: ${dir} has no sources, so both builds must run their build output: run "pnpm build" first`,
    )
  return {
    contenders: [
      { ...ours, program: join(ROOT, program) },
      { ...ours, name: OLDER, title: 'an older build', program: join(older, program) },
    ],
    savingWorker: has(older, SAVING) ? join(older, SAVING) : undefined,
    notes: has(older, SAVING)
      ? [SAVING, MEASURING]
          .filter(file => text(join(older, file)) !== text(join(ROOT, file)))
          .map(
            file =>
              `${file} differs between the builds, and each build measures with its own: check the differences before you trust the figures of saving`,
          )
      : [],
  }
}

/** The text of a file; `undefined` if it does not exist. */
function text(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}
