import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Presence } from './presence.ts'
import { MUTANTS, type Mutant } from './testing/mutants.ts'
import { game, play } from './testing/presence.game.ts'

/**
 * The games are always the same, so that the result does not depend on luck. Most mutants are found in the first few
 * games, but some only after about 5,000.
 */
const GAMES = { seed: 20_260_101, numRuns: 12_000, endOnFailure: true }

// A folder inside node_modules, which is not watched, linted or committed.
const CACHE = join(import.meta.dirname, '../../../node_modules/.cache')
const source = new Map<string, string>()
let folder: string

beforeAll(async () => {
  for (const entry of await readdir(import.meta.dirname, { withFileTypes: true })) {
    const file = entry.name
    if (entry.isDirectory() || file.endsWith('.test.ts')) continue
    source.set(file, await readFile(join(import.meta.dirname, file), 'utf8'))
  }
  await mkdir(CACHE, { recursive: true })
  folder = await mkdtemp(join(CACHE, 'presence-mutants-'))
})

afterAll(() => rm(folder, { recursive: true }))

/** Loads a copy of the core in which a mutant has replaced its line. */
async function load(name: string, mutant?: Mutant): Promise<typeof Presence> {
  const home = join(folder, name)
  await mkdir(home)
  for (const [file, text] of source) {
    const isMutated = file === mutant?.file
    await writeFile(join(home, file), isMutated ? text.replace(mutant.line, () => mutant.becomes) : text)
  }
  const module: { Presence: typeof Presence } = await import(join(home, 'presence.ts'))
  return module.Presence
}

function playAll(Core: typeof Presence) {
  return fc.check(
    fc.property(game, game => play(Core, game)),
    GAMES,
  )
}

/** Thousands of games take seconds, or much longer on a busy machine. */
const TIMEOUT_MS = 180_000

test(
  'the model agrees with an unchanged copy of the core',
  async () => {
    expect(playAll(await load('unchanged'))).toMatchObject({ failed: false })
  },
  TIMEOUT_MS,
)

test.each(MUTANTS.map((mutant, index) => ({ ...mutant, index })))(
  'the model finds: $name',
  async mutant => {
    expect(source.get(mutant.file)?.split(mutant.line)).toHaveLength(2)
    const result = playAll(await load(`${mutant.index}`, mutant))
    expect(result.failed).toBe(true)
  },
  TIMEOUT_MS,
)
