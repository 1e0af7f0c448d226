import { join } from 'node:path'
import { useMutatedCopies } from '@who-is-online/testing/mutated-copies'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { game, play } from '../presence/testing/presence.game.ts'
import { clusterGame, playCluster } from './testing/cluster.game.ts'
import type { ClusterParts } from './testing/cluster-parts.ts'
import { CLUSTER_MUTANTS, type ClusterMutant } from './testing/fold-mutants.ts'
import { compareLoaded, compareWithRedis, loadGame, logActs } from './testing/log.game.ts'
import { oneNodeCluster } from './testing/one-node-cluster.ts'

/** The games are always the same, so that the result does not depend on luck. */
const games = (numRuns: number) => ({ seed: 20_260_101, numRuns, endOnFailure: true })

const copies = useMutatedCopies(join(import.meta.dirname, '..'), ['cluster', 'presence'])

/** Loads copies of the parts in which a mutant has replaced its line. */
async function load(name: string, mutant?: ClusterMutant): Promise<ClusterParts> {
  const importCopy = await copies.make(name, mutant)
  const { Presence } = await importCopy<Pick<ClusterParts, 'Presence'>>('presence/presence.ts')
  const { Fold } = await importCopy<Pick<ClusterParts, 'Fold'>>('cluster/fold.ts')
  const { Unplaced } = await importCopy<Pick<ClusterParts, 'Unplaced'>>('cluster/unplaced.ts')
  return { Presence, Fold, Unplaced }
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
    expect(copies.occurrences(mutant)).toBe(1)
    expect(isFound(await load(`${mutant.index}`, mutant))).toBe(true)
  },
  TIMEOUT_MS,
)
