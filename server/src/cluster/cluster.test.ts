import fc from 'fast-check'
import { expect, test } from 'vitest'
import { games } from '../presence/testing/games.ts'
import { clusterGame, playCluster } from './testing/cluster.game.ts'
import { PARTS } from './testing/cluster-parts.ts'

test('[E18] at rest, all nodes show the same, and it follows from the sessions and the choices of all nodes', () => {
  let visible = 0
  fc.assert(
    fc.property(clusterGame, game => {
      visible += playCluster(PARTS, game)
    }),
    games(1_500),
  )
  expect(visible).toBeGreaterThan(100)
}, 60_000)
