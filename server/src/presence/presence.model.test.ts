import fc from 'fast-check'
import { expect, test } from 'vitest'
import { game, play } from './model.contract.ts'
import { Presence } from './presence.ts'

test('model', () => {
  const t = Date.now()
  fc.assert(
    fc.property(game, game => play(Presence, game)),
    { numRuns: 2_000 },
  )
  console.log(Date.now() - t)
  expect(1).toBe(1)
}, 60_000)
