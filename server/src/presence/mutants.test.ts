import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Presence } from './presence.ts'
import { MUTANTS, type Mutant } from './testing/mutants.ts'
import { game, play } from './testing/presence.model.ts'

/** Always the same games, so that a control does not depend on luck. */
const GAMES = { seed: 20_260_101, numRuns: 4_000, endOnFailure: true }

// A folder of node_modules, so that nothing watches it, lints it or commits it.
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

/** The core as it is in the files, but for that one line. */
async function load(name: string, mutant?: Mutant): Promise<typeof Presence> {
  const home = join(folder, name)
  await mkdir(home)
  for (const [file, text] of source) {
    const isMeant = file === mutant?.file
    await writeFile(join(home, file), isMeant ? text.replace(mutant.line, () => mutant.becomes) : text)
  }
  const module: { Presence: typeof Presence } = await import(join(home, 'presence.ts'))
  return module.Presence
}

function judge(Core: typeof Presence) {
  return fc.check(
    fc.property(game, game => play(Core, game)),
    GAMES,
  )
}

/** Thousands of games take seconds; a busy machine may need much longer. */
const PATIENCE_MS = 180_000

test(
  'the model has no objection to the copied core itself',
  async () => {
    expect(judge(await load('itself'))).toMatchObject({ failed: false })
  },
  PATIENCE_MS,
)

test.each(MUTANTS.map((mutant, index) => ({ ...mutant, index })))(
  'caught: $name',
  async mutant => {
    expect(source.get(mutant.file)?.split(mutant.line)).toHaveLength(2)
    const result = judge(await load(`${mutant.index}`, mutant))
    expect(result.failed).toBe(true)
  },
  PATIENCE_MS,
)
