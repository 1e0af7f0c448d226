import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Member } from './member.ts'
import type { RedisModel } from './redis.model.ts'
import { MUTANTS, type Mutant } from './testing/member-mutants.ts'
import { type Parts, simulate } from './testing/simulation.ts'

/** Most mutants are found in the first few seeds. The seeds are always the same. */
const SEEDS = 4000

// A folder inside node_modules, which is not watched, linted or committed.
const CACHE = join(import.meta.dirname, '../../../node_modules/.cache')
const source = new Map<string, string>()
let folder: string

beforeAll(async () => {
  for (const entry of await readdir(import.meta.dirname, { withFileTypes: true })) {
    const file = entry.name
    if (entry.isDirectory() || /\.(test|suite)\.ts$/.test(file)) continue
    source.set(file, await readFile(join(import.meta.dirname, file), 'utf8'))
  }
  await mkdir(CACHE, { recursive: true })
  folder = await mkdtemp(join(CACHE, 'cluster-mutants-'))
})

afterAll(() => rm(folder, { recursive: true }))

/** Loads a copy of the protocol in which a mutant has replaced its line. */
async function load(name: string, mutant?: Mutant): Promise<Parts> {
  const home = join(folder, name)
  await mkdir(home)
  for (const [file, text] of source) {
    const isMutated = file === mutant?.file
    await writeFile(join(home, file), isMutated ? text.replace(mutant.line, () => mutant.becomes) : text)
  }
  const member: { Member: typeof Member } = await import(join(home, 'member.ts'))
  const redis: { RedisModel: typeof RedisModel } = await import(join(home, 'redis.model.ts'))
  return { Member: member.Member, RedisModel: redis.RedisModel }
}

/** The first seed that finds something wrong. */
function firstViolation(parts: Parts): string | undefined {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violation } = simulate(seed, parts)
    if (violation !== undefined) return `seed ${seed} ${violation}`
  }
  return undefined
}

/** Hundreds of seeds take seconds, or much longer on a busy machine. */
const TIMEOUT_MS = 120_000

test(
  'the simulator finds nothing in an unchanged copy of the protocol',
  async () => {
    expect(firstViolation(await load('unchanged'))).toBeUndefined()
  },
  TIMEOUT_MS,
)

test.each(MUTANTS.map((mutant, index) => ({ ...mutant, index })))(
  'the simulator finds: $name',
  async mutant => {
    expect(source.get(mutant.file)?.split(mutant.line)).toHaveLength(2)
    expect(firstViolation(await load(`${mutant.index}`, mutant))).toBeDefined()
  },
  TIMEOUT_MS,
)
