import fc from 'fast-check'
import { test } from 'vitest'
import { Presence } from '../presence/presence.ts'
import { games } from '../presence/testing/games.ts'
import { game, play } from '../presence/testing/presence.game.ts'
import { PARTS } from './testing/cluster-parts.ts'
import { oneNodeCluster } from './testing/one-node-cluster.ts'

test('[R1 R2 R3 R4 R5 R6 R9 R11] a cluster of one node agrees with the model in random games', () => {
  const Node = oneNodeCluster(PARTS)
  fc.assert(
    fc.property(game, game => play(Presence, game, Node)),
    games(2_500),
  )
}, 60_000)
