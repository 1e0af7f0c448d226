import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'

/** An error that is put into one file: `line` is replaced. */
export interface Mutant<File extends string = string> {
  readonly name: string
  readonly file: File
  /** Occurs exactly once in the file. */
  readonly line: string
  readonly becomes: string
}

/** Imports a file of a copy. */
export type ImportCopy = <Module>(file: string) => Promise<Module>

export interface MutatedCopies {
  /** How often the line of a mutant occurs in its file. */
  occurrences(mutant: Mutant): number
  /**
   * Makes a copy in which a mutant has replaced its line; without one, it is unchanged.
   *
   * @param name another one for each copy
   */
  make(name: string, mutant?: Mutant): Promise<ImportCopy>
}

// A folder inside node_modules, which is not watched, linted or committed.
const CACHE = join(import.meta.dirname, '../../node_modules/.cache')

/**
 * Reads the source files of some folders before the tests of a file, and removes all copies after them. Tests and their
 * suites are left out.
 *
 * @param root the folder from which the names of files begin
 * @param folders folders in `root`, without those inside of them
 */
export function useMutatedCopies(root: string, folders: readonly string[] = ['.']): MutatedCopies {
  const sources = new Map<string, string>()
  let home: string

  beforeAll(async () => {
    for (const folder of folders) {
      for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
        if (entry.isDirectory() || /\.(test|suite)\.ts$/.test(entry.name)) continue
        const file = join(folder, entry.name)
        sources.set(file, await readFile(join(root, file), 'utf8'))
      }
    }
    await mkdir(CACHE, { recursive: true })
    home = await mkdtemp(join(CACHE, 'mutants-'))
  })

  afterAll(() => rm(home, { recursive: true }))

  return {
    occurrences: ({ file, line }) => (sources.get(file)?.split(line).length ?? 1) - 1,
    async make(name, mutant) {
      const copy = join(home, name)
      for (const folder of folders) await mkdir(join(copy, folder), { recursive: true })
      for (const [file, text] of sources) {
        const isMutated = file === mutant?.file
        await writeFile(join(copy, file), isMutated ? text.replace(mutant.line, () => mutant.becomes) : text)
      }
      return file => import(join(copy, file))
    },
  }
}
