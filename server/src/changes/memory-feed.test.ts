import { expect, test } from 'vitest'
import { feedSuite } from './feed.suite.ts'
import { MemoryFeed } from './memory-feed.ts'
import { createPlaces } from './places.ts'
import { newChange } from './testing/new-change.ts'
import { newFeed } from './testing/new-feed.ts'

feedSuite((recent, report) => new MemoryFeed({ places: createPlaces('e'), recent, report }))

test('[V3] the epoch, and which places can be resumed, come from outside and may change', () => {
  const places = {
    epoch: 'old',
    recalls: ({ epoch, seq }: { epoch: string; seq: number }) =>
      epoch === places.epoch && seq >= places.since,
    since: 2,
  }
  const changes = newFeed(2, places)
  for (const [seq, userId] of ['ann', 'bob', 'eve'].entries()) changes.append([newChange(userId)], seq + 1)
  const resumable = (epoch: string) => [0, 1, 2, 3, 4].filter(seq => changes.recalls({ epoch, seq }))
  expect([changes.epoch, resumable('old'), resumable('new')]).toEqual(['old', [2, 3], []])
  places.epoch = 'new'
  places.since = 0
  // What the feed has dropped, and what it has not reached, is not recalled, whatever the places say.
  expect([changes.epoch, resumable('old'), resumable('new')]).toEqual(['new', [], [1, 2, 3]])
  // What has changed since a number of this sequence does not depend on them.
  expect(changes.changedAfter(1)).toEqual(['bob', 'eve'])
})
