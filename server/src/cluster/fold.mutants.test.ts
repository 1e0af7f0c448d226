import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { game, play } from '../presence/testing/presence.game.ts'
import { clusterGame, playCluster } from './testing/cluster.game.ts'
import type { ClusterParts } from './testing/cluster-parts.ts'
import { CLUSTER_MUTANTS, type ClusterMutant } from './testing/fold-mutants.ts'
import { compareLoaded, compareWithRedis, loadGame, logActs } from './testing/log.game.ts'
import { oneNodeCluster } from './testing/one-node-cluster.ts'

/** The games are always the same, so that the result does not depend on luck. */
const games = (numRuns: number) => ({ seed: 20_260_101, numRuns, endOnFailure: true })

// A folder inside node_modules, which is not watched, linted or committed.
const CACHE = join(import.meta.dirname, '../../../node_modules/.cache')
const FOLDERS = ['cluster', 'presence']
const source = new Map<string, string>()
let folder: string

beforeAll(async () => {
  for (const part of FOLDERS) {
    const home = join(import.meta.dirname, '..', part)
    for (const entry of await readdir(home, { withFileTypes: true })) {
      if (entry.isDirectory() || /\.(test|suite|model)\.ts$/.test(entry.name)) continue
      source.set(`${part}/${entry.name}`, await readFile(join(home, entry.name), 'utf8'))
    }
  }
  await mkdir(CACHE, { recursive: true })
  folder = await mkdtemp(join(CACHE, 'cluster-mutants-'))
})

afterAll(() => rm(folder, { recursive: true }))

/** Loads copies of the parts in which a mutant has replaced its line. */
async function load(name: string, mutant?: ClusterMutant): Promise<ClusterParts> {
  const home = join(folder, name)
  for (const part of FOLDERS) await mkdir(join(home, part), { recursive: true })
  for (const [file, text] of source) {
    const isMutated = file === mutant?.file
    await writeFile(join(home, file), isMutated ? text.replace(mutant.line, () => mutant.becomes) : text)
  }
  const [{ Presence }, { Fold }, { Unplaced }, { composeLost }] = await Promise.all(
    ['presence/presence.ts', 'cluster/fold.ts', 'cluster/unplaced.ts', 'cluster/compose.ts'].map(
      file => import(join(home, file)),
    ),
  )
  return { Presence, Fold, Unplaced, composeLost }
}

/** Whether one of the games fails. */
function isFound(parts: ClusterParts): boolean {
  const Node = oneNodeCluster(parts)
  return (
    fc.check(
      fc.property(logActs, acts => void compareWithRedis(parts.Fold, acts)),
      games(1_000),
    ).failed ||
    fc.check(
      fc.property(loadGame, game => void compareLoaded(parts.Fold, game)),
      games(1_000),
    ).failed ||
    fc.check(
      fc.property(clusterGame, game => void playCluster(parts, game)),
      games(6_000),
    ).failed ||
    fc.check(
      fc.property(game, game => play(parts.Presence, game, Node)),
      games(3_000),
    ).failed
  )
}

const TIMEOUT_MS = 180_000

test(
  'no game fails with unchanged copies',
  async () => expect(isFound(await load('unchanged'))).toBe(false),
  TIMEOUT_MS,
)

test.each(CLUSTER_MUTANTS.map((mutant, index) => ({ ...mutant, index })))(
  'a game finds: $name',
  async mutant => {
    expect(source.get(mutant.file)?.split(mutant.line)).toHaveLength(2)
    expect(isFound(await load(`${mutant.index}`, mutant))).toBe(true)
  },
  TIMEOUT_MS,
)
